#include "models/pytorch_state_dict.h"

#include <optional>
#include <set>
#include <unordered_set>

#include "base/error.h"

namespace quantbench {
namespace {

using pickle::Ref;
using pickle::Value;

constexpr size_t kMostDimensions = 64;

struct StorageClass {
  const char* name;
  torch::ScalarType type;
};
constexpr StorageClass kStorageClasses[] = {
    {"FloatStorage", torch::kFloat}, {"DoubleStorage", torch::kDouble},
    {"HalfStorage", torch::kHalf},   {"BFloat16Storage", torch::kBFloat16},
    {"LongStorage", torch::kLong},   {"IntStorage", torch::kInt},
    {"ShortStorage", torch::kShort}, {"CharStorage", torch::kChar},
    {"ByteStorage", torch::kByte},   {"BoolStorage", torch::kBool}};

const StorageClass* storage_class(const std::string& module, const std::string& name) {
  if (module != "torch") return nullptr;
  for (const StorageClass& known : kStorageClasses)
    if (name == known.name) return &known;
  return nullptr;
}

bool accepts(const std::string& module, const std::string& name) {
  static const std::set<std::pair<std::string, std::string>> known{
      {"collections", "OrderedDict"},
      {"torch", "Size"},
      {"torch._utils", "_rebuild_parameter"},
      {"torch._utils", "_rebuild_tensor"},
      {"torch._utils", "_rebuild_tensor_v2"}};
  return known.count({module, name}) > 0 || storage_class(module, name) != nullptr;
}

template <typename T>
const T* as(const Ref& value) {
  return value ? std::get_if<T>(&value->data) : nullptr;
}

// The text of a str of Python 2 or 3.
std::optional<std::string> text(const Ref& value) {
  if (auto* s = as<std::string>(value)) return *s;
  if (auto* b = as<pickle::Bytes>(value)) return b->data;
  return std::nullopt;
}

const pickle::Object* object_of(const Ref& value, const char* module, const char* name) {
  auto* object = as<pickle::Object>(value);
  return object && object->type.module == module && object->type.name == name ? object : nullptr;
}

// The entries of a dict or an OrderedDict.
const pickle::Dict* entries_of(const Ref& value) {
  if (auto* dict = as<pickle::Dict>(value)) return dict;
  auto* object = object_of(value, "collections", "OrderedDict");
  return object ? &object->entries : nullptr;
}

std::vector<int64_t> whole_numbers(const Ref& value, const std::string& what,
                                   const std::string& tensor) {
  const pickle::Tuple* tuple = as<pickle::Tuple>(value);
  if (auto* size = object_of(value, "torch", "Size"); size && size->arguments.size() == 1)
    tuple = as<pickle::Tuple>(size->arguments[0]);
  require(tuple && tuple->items.size() <= kMostDimensions,
          "{}: the shape or the strides of '{}' are no short tuple.", what, tensor);
  std::vector<int64_t> numbers;
  for (const Ref& item : tuple->items) {
    auto* number = as<int64_t>(item);
    require(number && *number >= 0, "{}: '{}' has a size or a stride that is no whole number.",
            what, tensor);
    numbers.push_back(*number);
  }
  return numbers;
}

// Throws unless every element of such a view lies within `count` stored ones, each once at most.
void check_view(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                int64_t offset, int64_t count, const std::string& what, const std::string& tensor) {
  __extension__ using Wide = unsigned __int128;
  require(shape.size() == strides.size(), "{}: '{}' has {} sizes and {} strides.", what, tensor,
          shape.size(), strides.size());
  Wide elements = 1, extent = 1, last = static_cast<Wide>(offset);
  for (size_t i = 0; i < shape.size(); ++i) {
    const auto size = static_cast<Wide>(shape[i]);
    extent *= std::max<Wide>(size, 1);
    require(extent < Wide{1} << 58, "{}: the shape of '{}' is absurdly large.", what, tensor);
    elements *= size;
    if (size > 0) last += (size - 1) * static_cast<Wide>(strides[i]);
    require(last < Wide{1} << 62, "{}: the strides of '{}' are absurdly large.", what, tensor);
  }
  require(elements == 0 || last < static_cast<Wide>(count),
          "{}: '{}' reaches beyond the {} elements of its storage.", what, tensor, count);
  require(elements <= static_cast<Wide>(count),
          "{}: '{}' has more elements than its storage; only plain tensors are read.", what,
          tensor);
}

class TensorReader {
 public:
  TensorReader(const std::string& what, const std::function<Tensor(const StorageReference&)>& open)
      : what_(what), open_(open) {}

  // Undefined when `value` is no tensor.
  Tensor read(const Ref& value, const std::string& name) {
    if (auto* parameter = object_of(value, "torch._utils", "_rebuild_parameter")) {
      require(!parameter->arguments.empty(), "{}: the parameter '{}' is empty.", what_, name);
      return read_plain(parameter->arguments[0], name);
    }
    return read_plain(value, name);
  }

 private:
  Tensor read_plain(const Ref& value, const std::string& name) {
    const auto* call = object_of(value, "torch._utils", "_rebuild_tensor_v2");
    if (!call) call = object_of(value, "torch._utils", "_rebuild_tensor");
    if (!call) return {};
    require(call->arguments.size() >= 4, "{}: the tensor '{}' is described by {} values.", what_,
            name, call->arguments.size());
    auto* id = as<pickle::PersistentId>(call->arguments[0]);
    auto* offset = as<int64_t>(call->arguments[1]);
    require(id && id->id && offset && *offset >= 0, "{}: the tensor '{}' has no storage.", what_,
            name);
    const StorageReference storage = storage_reference(*id->id, what_);
    const auto shape = whole_numbers(call->arguments[2], what_, name);
    const auto strides = whole_numbers(call->arguments[3], what_, name);
    check_view(shape, strides, *offset, storage.count, what_, name);
    return elements(storage).as_strided(shape, strides, *offset);
  }

  const Tensor& elements(const StorageReference& storage) {
    Tensor& known = opened_[storage.key];
    if (!known.defined()) known = open_(storage);
    require(known.scalar_type() == storage.type && known.numel() == storage.count,
            "{}: the storage '{}' is described in two ways.", what_, storage.key);
    return known;
  }

  const std::string& what_;
  const std::function<Tensor(const StorageReference&)>& open_;
  std::map<std::string, Tensor> opened_;
};

}  // namespace

pickle::Policy state_dict_policy() { return {accepts, /*persistent_ids=*/true}; }

StorageReference storage_reference(const Value& id, const std::string& what) {
  auto* tuple = std::get_if<pickle::Tuple>(&id.data);
  const bool whole = tuple && tuple->items.size() >= 5 && text(tuple->items[0]) == "storage" &&
                     as<pickle::Global>(tuple->items[1]) && text(tuple->items[2]) &&
                     as<int64_t>(tuple->items[4]);
  require(whole, "{}: a reference to stored data is malformed.", what);
  require(tuple->items.size() == 5 || as<pickle::None>(tuple->items[5]),
          "{}: views on storages, as PyTorch 0.1 wrote them, are not read.", what);
  const auto& global = *as<pickle::Global>(tuple->items[1]);
  const StorageClass* known = storage_class(global.module, global.name);
  require(known != nullptr, "{}: '{}.{}' is no known storage.", what, global.module, global.name);
  StorageReference storage{*text(tuple->items[2]), known->type, *as<int64_t>(tuple->items[4])};
  require(storage.count >= 0 && storage.count <= int64_t{1} << 40,
          "{}: the storage '{}' cannot have {} elements.", what, storage.key, storage.count);
  return storage;
}

std::map<std::string, StorageReference> all_storages(const Ref& root, const std::string& what) {
  std::map<std::string, StorageReference> found;
  std::vector<Ref> left{root};
  std::unordered_set<const Value*> seen;  // the memo of a pickle makes it a graph, not a tree
  const auto push = [&](const pickle::List& items) {
    left.insert(left.end(), items.begin(), items.end());
  };
  const auto push_entries = [&](const pickle::Dict& entries) {
    for (const auto& [key, value] : entries) left.push_back(value);
  };
  while (!left.empty()) {
    const Ref value = left.back();
    left.pop_back();
    if (!value || !seen.insert(value.get()).second) continue;
    if (auto* id = as<pickle::PersistentId>(value)) {
      require(id->id != nullptr, "{}: a reference to stored data is malformed.", what);
      const StorageReference storage = storage_reference(*id->id, what);
      const auto [known, added] = found.emplace(storage.key, storage);
      require(added || (known->second.type == storage.type && known->second.count == storage.count),
              "{}: the storage '{}' is described in two ways.", what, storage.key);
    } else if (auto* list = as<pickle::List>(value)) {
      push(*list);
    } else if (auto* tuple = as<pickle::Tuple>(value)) {
      push(tuple->items);
    } else if (auto* dict = as<pickle::Dict>(value)) {
      push_entries(*dict);
    } else if (auto* object = as<pickle::Object>(value)) {
      push(object->arguments);
      push(object->items);
      push_entries(object->entries);
      left.push_back(object->state);
    }
  }
  return found;
}

std::map<std::string, Tensor> state_dict_tensors(
    const Ref& root, const std::string& what,
    const std::function<Tensor(const StorageReference&)>& open) {
  const pickle::Dict* entries = entries_of(root);
  require(entries != nullptr, "{} holds no dictionary of tensors; save model.state_dict().", what);
  for (const auto& [key, value] : *entries)
    if (text(key) == "state_dict" && entries_of(value)) {
      entries = entries_of(value);
      break;
    }

  TensorReader reader(what, open);
  std::map<std::string, Tensor> tensors;
  for (const auto& [key, value] : *entries) {
    const auto name = text(key);
    require(name.has_value(), "{}: a name in its dictionary is no text.", what);
    const Tensor tensor = reader.read(value, *name);
    require(tensor.defined(), "{}: '{}' is no tensor; save model.state_dict() alone.", what, *name);
    require(tensors.emplace(*name, tensor).second, "{} names '{}' twice.", what, *name);
  }
  return tensors;
}

}  // namespace quantbench
