#include "models/pytorch_file.h"

#include <zip.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/file.h"
#include "base/pickle.h"
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

class ZipArchive {
 public:
  explicit ZipArchive(const std::filesystem::path& path)
      : what_(path.string()), left_(std::filesystem::file_size(path)) {
    int code = 0;
    zip_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
    require(zip_ != nullptr, "{} is a damaged or truncated zip archive (libzip error {}).", what_,
            code);
  }

  // The folder that holds data.pkl, with a slash behind.
  std::string folder() const {
    constexpr std::string_view wanted = "/data.pkl";
    std::string found;
    const zip_int64_t count = zip_get_num_entries(zip_.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i) {
      const char* raw = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
      const std::string_view name = raw ? raw : "";
      if (name.size() <= wanted.size() || name.substr(name.size() - wanted.size()) != wanted)
        continue;
      require(found.empty(), "{} holds several data.pkl.", what_);
      found = name.substr(0, name.size() - wanted.size() + 1);
    }
    require(!found.empty(), "{} is a zip archive without data.pkl: not written by torch.save.",
            what_);
    return found;
  }

  bool has(const std::string& name) const {
    return zip_name_locate(zip_.get(), name.c_str(), ZIP_FL_ENC_RAW) >= 0;
  }

  // Entries are stored as they are, so that together they cannot be longer than the file.
  std::string read(const std::string& name) {
    zip_stat_t stat;
    require(has(name) && zip_stat(zip_.get(), name.c_str(), ZIP_FL_ENC_RAW, &stat) == 0,
            "{} has no entry '{}'.", what_, name);
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD;
    require((stat.valid & needed) == needed && stat.comp_method == ZIP_CM_STORE,
            "{}: the entry '{}' is compressed, which torch.save never does.", what_, name);
    require(stat.size <= left_, "{}: its entries are longer than the file.", what_);
    left_ -= stat.size;

    std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
        zip_fopen(zip_.get(), name.c_str(), ZIP_FL_ENC_RAW), zip_fclose);
    require(file != nullptr, "{}: the entry '{}' is damaged.", what_, name);
    std::string bytes(stat.size, '\0');
    const zip_int64_t got = zip_fread(file.get(), bytes.data(), bytes.size());
    char beyond = 0;  // reading on to the end makes libzip compare the checksum
    require(got == static_cast<zip_int64_t>(bytes.size()) && zip_fread(file.get(), &beyond, 1) == 0,
            "{}: the entry '{}' is damaged.", what_, name);
    return bytes;
  }

 private:
  std::string what_;
  uint64_t left_;
  std::unique_ptr<zip_t, void (*)(zip_t*)> zip_{nullptr, zip_discard};
};

}  // namespace

bool is_pytorch_zip(std::string_view head) { return head.substr(0, 4) == kZipMagic; }

bool is_pytorch_legacy(std::string_view head) {
  return head.substr(0, kLegacyMagic.size()) == kLegacyMagic;
}

std::map<std::string, Tensor> read_pytorch_zip(const std::filesystem::path& path) {
  const std::string what = path.string();
  ZipArchive archive(path);
  const std::string folder = archive.folder();
  require(!archive.has(folder + "byteorder") || archive.read(folder + "byteorder") == "little",
          "{} was written on a big-endian machine; save it again on a little-endian one.", what);
  const pickle::Ref root =
      pickle::load(archive.read(folder + "data.pkl"), what, state_dict_policy()).value;
  return state_dict_tensors(root, what, [&](const StorageReference& storage) {
    return elements(archive.read(folder + "data/" + storage.key), storage, what);
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
