#include "models/safetensors.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <ostream>
#include <unordered_map>
#include <unordered_set>

#include "base/file.h"
#include "base/json.h"

namespace quantbench {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kLongestHeader = 100'000'000;
constexpr size_t kMostDimensions = 64;
constexpr const char* kMetadata = "__metadata__";

struct Dtype {
  const char* name;
  torch::ScalarType type;
};
constexpr Dtype kDtypes[] = {{"F32", torch::kFloat}, {"F64", torch::kDouble},
                             {"I64", torch::kLong},  {"I32", torch::kInt},
                             {"I16", torch::kShort}, {"I8", torch::kChar},
                             {"U8", torch::kByte},   {"BOOL", torch::kBool},
                             {"F16", torch::kHalf},  {"BF16", torch::kBFloat16}};

const char* name_of(torch::ScalarType type, const std::string& tensor) {
  for (const Dtype& known : kDtypes)
    if (known.type == type) return known.name;
  fail("The tensor '{}' has a type that a safetensors file cannot hold.", tensor);
}

struct Entry {
  std::string name;
  torch::ScalarType type = torch::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
};

struct Header {
  std::vector<Entry> entries;  // by offset
  std::map<std::string, std::string> metadata;
};

uint64_t whole_number(const Json& value, const std::string& what, const std::string& tensor) {
  require(value.is_number_unsigned() && value.get<uint64_t>() <= uint64_t{1} << 62,
          "{}: the tensor '{}' has a size or an offset that is no whole number below 2^62.", what,
          tensor);
  return value.get<uint64_t>();
}

Entry parse_entry(const std::string& name, const Json& json, uint64_t data_size,
                  const std::string& what) {
  require(json.is_object() && json.size() == 3 && json.contains("dtype") &&
              json.contains("shape") && json.contains("data_offsets") &&
              json["dtype"].is_string() && json["shape"].is_array() &&
              json["data_offsets"].is_array() && json["data_offsets"].size() == 2,
          "{}: the tensor '{}' must have exactly dtype, shape and data_offsets.", what, name);
  Entry entry;
  entry.name = name;
  const auto dtype = json["dtype"].get<std::string>();
  const auto* known = std::find_if(std::begin(kDtypes), std::end(kDtypes),
                                   [&](const Dtype& d) { return dtype == d.name; });
  require(known != std::end(kDtypes), "{}: the tensor '{}' has the unknown dtype '{}'.", what, name,
          dtype);
  entry.type = known->type;

  require(json["shape"].size() <= kMostDimensions, "{}: the tensor '{}' has {} dimensions.", what,
          name, json["shape"].size());
  uint64_t count = 1, extent = 1;  // extent: with empty dimensions taken as 1, bounds the strides
  for (const Json& size : json["shape"]) {
    const uint64_t n = whole_number(size, what, name);
    require(extent <= (uint64_t{1} << 58) / std::max<uint64_t>(n, 1),
            "{}: the shape of '{}' is absurdly large.", what, name);
    count *= n;
    extent *= std::max<uint64_t>(n, 1);
    entry.shape.push_back(static_cast<int64_t>(n));
  }
  entry.begin = whole_number(json["data_offsets"][0], what, name);
  entry.end = whole_number(json["data_offsets"][1], what, name);
  require(entry.begin <= entry.end && entry.end <= data_size,
          "{}: the tensor '{}' lies at {}..{}, outside the {} bytes of data.", what, name,
          entry.begin, entry.end, data_size);
  const uint64_t bytes = count * torch::elementSize(entry.type);
  require(entry.end - entry.begin == bytes,
          "{}: the tensor '{}' needs {} bytes for its shape and has {}.", what, name, bytes,
          entry.end - entry.begin);
  return entry;
}

Header parse_header(std::string_view text, uint64_t data_size, const std::string& what) {
  require(!text.empty() && text.front() == '{', "{}: its header is no JSON object.", what);
  constexpr int deepest = 3;
  const std::string within = what + ": its header";
  std::unordered_map<std::string, size_t> position;
  for (std::string& name : outermost_names(text, within, deepest))
    position.emplace(std::move(name), position.size());
  const Json json = parse_json(text, within, deepest);

  Header header;
  for (const auto& [name, value] : json.items()) {
    if (name != kMetadata) {
      header.entries.push_back(parse_entry(name, value, data_size, what));
      continue;
    }
    require(value.is_object(), "{}: its metadata must be texts by name.", what);
    for (const auto& [key, text_value] : value.items()) {
      require(text_value.is_string(), "{}: its metadata '{}' is no text.", what, key);
      header.metadata[key] = text_value.get<std::string>();
    }
  }

  std::sort(header.entries.begin(), header.entries.end(), [&](const Entry& a, const Entry& b) {
    return std::make_tuple(a.begin, a.end, position.at(a.name)) <
           std::make_tuple(b.begin, b.end, position.at(b.name));
  });
  uint64_t expected = 0;
  for (const Entry& entry : header.entries) {
    require(entry.begin == expected, "{}: the tensor '{}' begins at {} instead of {}.", what,
            entry.name, entry.begin, expected);
    expected = entry.end;
  }
  require(expected == data_size, "{}: its tensors end at {} of {} bytes of data.", what, expected,
          data_size);
  return header;
}

uint64_t checked_header_size(uint64_t size, uint64_t file_size, const std::string& what) {
  require(size <= kLongestHeader && size <= file_size - sizeof(uint64_t),
          "{} is damaged or no safetensors file: its header would have {} bytes, the file has {}.",
          what, size, file_size);
  return size;
}

// `read(target, count)` delivers the next bytes of the data.
template <typename Read>
SafeTensors tensors_of(Header header, const std::string& what, Read&& read) {
  SafeTensors content;
  content.metadata = std::move(header.metadata);
  for (Entry& entry : header.entries) {
    Tensor tensor = torch::empty(entry.shape, entry.type);
    auto* bytes = static_cast<char*>(tensor.data_ptr());
    const uint64_t size = entry.end - entry.begin;
    if (size > 0) read(bytes, size);
    if (entry.type == torch::kBool)
      require(std::all_of(bytes, bytes + size, [](char c) { return c == 0 || c == 1; }),
              "{}: the tensor '{}' has truth values other than 0 and 1.", what, entry.name);
    content.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return content;
}

std::string quoted(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    fail("A text that is no UTF-8 cannot be written to a safetensors file.");
  }
}

std::string header_of(const SafeTensors& content) {
  std::string header = "{";
  const auto separate = [&] {
    if (header.size() > 1) header += ',';
  };
  if (!content.metadata.empty()) {
    header += quoted(kMetadata) + ":{";
    bool first = true;
    for (const auto& [key, value] : content.metadata) {
      if (!first) header += ',';
      first = false;
      header += quoted(key) + ':' + quoted(value);
    }
    header += '}';
  }
  std::unordered_set<std::string> names{kMetadata};
  uint64_t offset = 0;
  for (const auto& [name, tensor] : content.tensors) {
    require(names.insert(name).second, "A safetensors file cannot hold two tensors named '{}'.",
            name);
    separate();
    const uint64_t end = offset + tensor.nbytes();
    header += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          quoted(name), name_of(tensor.scalar_type(), name),
                          fmt::join(tensor.sizes(), ","), offset, end);
    offset = end;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  require(header.size() <= kLongestHeader, "A safetensors header of {} bytes is too long.",
          header.size());
  return header;
}

}  // namespace

const Tensor& SafeTensors::at(const std::string& name) const {
  for (const auto& [known, tensor] : tensors)
    if (known == name) return tensor;
  fail("There is no tensor named '{}'.", name);
}

uint64_t write_safetensors(const std::filesystem::path& path, const SafeTensors& content) {
  const std::string header = header_of(content);
  const uint64_t header_size = header.size();
  uint64_t length = sizeof(header_size) + header_size;
  write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(&header_size), sizeof(header_size));
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    for (const auto& [name, tensor] : content.tensors) {
      const Tensor plain = tensor.detach().cpu().contiguous();
      out.write(static_cast<const char*>(plain.data_ptr()),
                static_cast<std::streamsize>(plain.nbytes()));
      length += plain.nbytes();
    }
  });
  return length;
}

SafeTensors parse_safetensors(std::string_view bytes, const std::string& what) {
  ByteReader reader(bytes, what);
  const uint64_t size = checked_header_size(reader.number<uint64_t>(), bytes.size(), what);
  const std::string_view text = reader.take(size);
  return tensors_of(
      parse_header(text, reader.left(), what), what,
      [&](char* target, uint64_t count) { std::memcpy(target, reader.take(count).data(), count); });
}

SafeTensors read_safetensors(const std::filesystem::path& path) {
  const std::string what = path.string();
  std::error_code code;
  require(std::filesystem::is_regular_file(path, code), "There is no file {}.", what);
  const uint64_t file_size = std::filesystem::file_size(path, code);
  std::ifstream in(path, std::ios::binary);
  require(!code && in.good(), "Cannot open {}.", what);
  const auto read = [&](char* target, uint64_t count) {
    in.read(target, static_cast<std::streamsize>(count));
    require(static_cast<uint64_t>(in.gcount()) == count, "{} is truncated.", what);
  };

  require(file_size >= sizeof(uint64_t), "{} is truncated: it has {} bytes.", what, file_size);
  uint64_t header_size = 0;
  read(reinterpret_cast<char*>(&header_size), sizeof(header_size));
  std::string text(checked_header_size(header_size, file_size, what), '\0');
  read(text.data(), text.size());
  const uint64_t data_size = file_size - sizeof(header_size) - header_size;
  return tensors_of(parse_header(text, data_size, what), what, read);
}

}  // namespace quantbench
