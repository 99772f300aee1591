#include "datasets/npz.h"

#include <algorithm>
#include <regex>
#include <string_view>

#include "base/file.h"
#include "base/zip_archive.h"

namespace quantbench {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 32;
constexpr std::string_view kMagic("\x93NUMPY", 6);

struct Header {
  std::string type;
  bool fortran = false;
  std::vector<int64_t> shape;
};

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
Header read_header(const std::string& text, const std::string& what) {
  static const std::regex pattern(
      R"(\s*\{\s*'descr'\s*:\s*'([<>|=]?[a-z][0-9]{1,2})'\s*,\s*'fortran_order'\s*:\s*(True|False)\s*,\s*'shape'\s*:\s*\(([0-9, ]*)\)\s*,?\s*\}\s*)");
  std::smatch match;
  require(text.size() <= 1024 && std::regex_match(text, match, pattern),
          "{}: the header is not that of an array of numbers.", what);
  Header out;
  out.type = match[1];
  out.fortran = match[2] == "True";
  const std::string shape = match[3];
  static const std::regex number("[0-9]+");
  for (std::sregex_iterator it(shape.begin(), shape.end(), number), end; it != end; ++it) {
    require(it->length() <= 12 && out.shape.size() < 8, "{}: the shape ({}) is too large.", what,
            shape);
    out.shape.push_back(std::stoll(it->str()));
  }
  return out;
}

template <typename From, typename To>
Tensor converted(std::string_view bytes, const std::vector<int64_t>& shape,
                 torch::ScalarType type) {
  Tensor out = torch::empty(shape, type);
  To* to = out.data_ptr<To>();
  for (size_t i = 0; i < bytes.size() / sizeof(From); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    to[i] = static_cast<To>(value);
  }
  return out;
}

}  // namespace

Tensor parse_npy(const std::string& bytes, const std::string& what) {
  ByteReader in(bytes, what);
  require(in.take(kMagic.size()) == kMagic, "{} is no array of NumPy.", what);
  const auto major = in.number<uint8_t>();
  in.number<uint8_t>();
  require(major >= 1 && major <= 3, "{}: version {} of the format is not known.", what, major);
  const uint64_t length = major == 1 ? in.number<uint16_t>() : in.number<uint32_t>();
  const Header header = read_header(std::string(in.take(length)), what);
  require(!header.fortran || header.shape.size() < 2,
          "{}: the array is in Fortran order; save numpy.ascontiguousarray of it.", what);
  using Convert = Tensor (*)(std::string_view, const std::vector<int64_t>&, torch::ScalarType);
  struct Type {
    size_t size;
    Convert convert;
    torch::ScalarType to;
  };
  static const std::map<std::string, Type> types{
      {"f4", {4, converted<float, float>, torch::kFloat}},
      {"f8", {8, converted<double, float>, torch::kFloat}},
      {"i1", {1, converted<int8_t, int64_t>, torch::kLong}},
      {"i2", {2, converted<int16_t, int64_t>, torch::kLong}},
      {"i4", {4, converted<int32_t, int64_t>, torch::kLong}},
      {"i8", {8, converted<int64_t, int64_t>, torch::kLong}},
      {"u1", {1, converted<uint8_t, int64_t>, torch::kLong}},
      {"b1", {1, converted<uint8_t, int64_t>, torch::kLong}},
      {"u2", {2, converted<uint16_t, int64_t>, torch::kLong}},
      {"u4", {4, converted<uint32_t, int64_t>, torch::kLong}}};
  const std::string plain = header.type.substr(header.type.find_first_not_of("<|=>"));
  const auto type = types.find(plain);
  require(type != types.end() && header.type[0] != '>',
          "{}: numbers of type '{}' are not read; save float32 or int64.", what, header.type);
  uint64_t count = 1;
  for (const int64_t size : header.shape) {
    require(size == 0 || count <= kMostBytes / static_cast<uint64_t>(size),
            "{}: the array is too large.", what);
    count *= static_cast<uint64_t>(size);
  }
  require(in.left() / type->second.size == count && in.left() % type->second.size == 0,
          "{}: {} numbers were announced, and there are {} bytes.", what, count, in.left());
  return type->second.convert(in.take(in.left()), header.shape, type->second.to);
}

std::map<std::string, Tensor> read_npz(const std::filesystem::path& path) {
  // Small integers become eight times as large: what may unfold is bound to what is there.
  uint64_t left =
      std::min(kMostBytes, (uint64_t{64} << 20) + 16 * std::filesystem::file_size(path));
  ZipArchive archive(path);
  std::map<std::string, Tensor> out;
  for (const std::string& name : archive.names()) {
    const std::string ending = ".npy";
    if (name.size() <= ending.size() || name.substr(name.size() - ending.size()) != ending)
      continue;
    const std::string bytes = archive.read(name, left);
    left -= bytes.size();
    out[name.substr(0, name.size() - ending.size())] =
        parse_npy(bytes, path.string() + ": " + name);
  }
  require(!out.empty(), "{} holds no array.", path.string());
  return out;
}

}  // namespace quantbench
