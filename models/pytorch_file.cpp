#include "models/pytorch_file.h"

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/pickle.h"
#include "base/zip_archive.h"
#include "models/pytorch_state_dict.h"

namespace quantbench {
namespace {

// Pickle protocol 2, the number 0x1950a86a20f9469cfc6c, end.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
                                        15);
constexpr std::string_view kZipMagic("PK\x03\x04", 4);
constexpr int64_t kLegacyProtocol = 1001;

Tensor elements(std::string_view bytes, const StorageReference& storage, const std::string& what) {
  require(bytes.size() == static_cast<uint64_t>(storage.count) * torch::elementSize(storage.type),
          "{}: the storage '{}' of {} elements has {} bytes.", what, storage.key, storage.count,
          bytes.size());
  require(storage.type != torch::kBool ||
              std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0 || c == 1; }),
          "{}: the storage '{}' has truth values other than 0 and 1.", what, storage.key);
  Tensor out = torch::empty({storage.count}, storage.type);
  if (!bytes.empty()) std::memcpy(out.data_ptr(), bytes.data(), bytes.size());
  return out;
}

// The folder that holds data.pkl, with a slash behind.
std::string folder_of(const ZipArchive& archive, const std::string& what) {
  constexpr std::string_view wanted = "/data.pkl";
  std::string found;
  for (const std::string& name : archive.names()) {
    if (name.size() <= wanted.size() || name.substr(name.size() - wanted.size()) != wanted)
      continue;
    require(found.empty(), "{} holds several data.pkl.", what);
    found = name.substr(0, name.size() - wanted.size() + 1);
  }
  require(!found.empty(), "{} is a zip archive without data.pkl: not written by torch.save.", what);
  return found;
}

}  // namespace

bool is_pytorch_zip(std::string_view head) { return head.substr(0, 4) == kZipMagic; }

bool is_pytorch_legacy(std::string_view head) {
  return head.substr(0, kLegacyMagic.size()) == kLegacyMagic;
}

std::map<std::string, Tensor> read_pytorch_zip(const std::filesystem::path& path) {
  const std::string what = path.string();
  ZipArchive archive(path);
  const std::string folder = folder_of(archive, what);
  require(
      !archive.has(folder + "byteorder") || archive.read_stored(folder + "byteorder") == "little",
      "{} was written on a big-endian machine; save it again on a little-endian one.", what);
  const pickle::Ref root =
      pickle::load(archive.read_stored(folder + "data.pkl"), what, state_dict_policy()).value;
  return state_dict_tensors(root, what, [&](const StorageReference& storage) {
    return elements(archive.read_stored(folder + "data/" + storage.key), storage, what);
  });
}

std::map<std::string, Tensor> parse_pytorch_legacy(std::string_view bytes,
                                                   const std::string& what) {
  ByteReader reader(bytes, what);
  require(is_pytorch_legacy(bytes), "{} was not written by torch.save.", what);
  reader.take(kLegacyMagic.size());
  const auto next_pickle = [&] {
    const auto result = pickle::load(bytes.substr(reader.position()), what, state_dict_policy());
    reader.take(result.consumed);
    return result.value;
  };
  const pickle::Ref protocol = next_pickle();
  auto* version = std::get_if<int64_t>(&protocol->data);
  require(version && *version == kLegacyProtocol, "{}: only its protocol {} is known.", what,
          kLegacyProtocol);
  next_pickle();  // sizes of C types on the writing machine
  const pickle::Ref root = next_pickle();
  const pickle::Ref keys = next_pickle();

  const auto referred = all_storages(root, what);
  auto* order = std::get_if<pickle::List>(&keys->data);
  require(order && order->size() == referred.size(),
          "{}: its list of storages does not match its tensors.", what);
  std::map<std::string, Tensor> storages;
  for (const pickle::Ref& key : *order) {
    auto* name = std::get_if<std::string>(&key->data);
    const auto storage = name ? referred.find(*name) : referred.end();
    require(storage != referred.end(), "{}: its list of storages does not match its tensors.",
            what);
    require(reader.number<int64_t>() == storage->second.count,
            "{}: the storage '{}' does not have the {} elements that were announced.", what, *name,
            storage->second.count);
    const uint64_t size =
        static_cast<uint64_t>(storage->second.count) * torch::elementSize(storage->second.type);
    storages[*name] = elements(reader.take(size), storage->second, what);
  }
  require(reader.left() == 0, "{} has {} bytes too many.", what, reader.left());
  return state_dict_tensors(
      root, what, [&](const StorageReference& storage) { return storages.at(storage.key); });
}

}  // namespace quantbench
