#include "datasets/image_header.h"

#include "base/file.h"

namespace quantbench {
namespace {

constexpr std::string_view kPng("\x89PNG\r\n\x1a\n", 8);
constexpr std::string_view kEndOfImage("\xff\xd9", 2);

ImageSize png_size(std::string_view bytes, const std::string& what) {
  ByteReader reader(bytes, what);
  reader.take(kPng.size() + 4);
  require(reader.take(4) == "IHDR", "{} is a damaged PNG.", what);
  const int64_t width = reader.big_endian32();
  return {width, reader.big_endian32()};
}

uint32_t big_endian16(ByteReader& reader) {
  const std::string_view bytes = reader.take(2);
  return static_cast<uint32_t>(static_cast<unsigned char>(bytes[0])) << 8 |
         static_cast<unsigned char>(bytes[1]);
}

// A frame's header has a number of its own for each way of coding.
bool is_frame(unsigned marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

ImageSize jpeg_size(std::string_view bytes, const std::string& what) {
  ByteReader reader(bytes, what);
  reader.take(2);
  ImageSize size;
  for (;;) {
    require(static_cast<unsigned char>(reader.take(1)[0]) == 0xff, "{} is a damaged JPEG.", what);
    unsigned marker = 0xff;
    while (marker == 0xff) marker = static_cast<unsigned char>(reader.take(1)[0]);
    const bool alone = marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (alone) continue;
    require(marker != 0xd9, "{} is a JPEG without an image.", what);
    const uint32_t length = big_endian16(reader);
    require(length >= 2, "{} is a damaged JPEG.", what);
    std::string_view segment = reader.take(length - 2);
    if (is_frame(marker)) {
      ByteReader frame(segment, what);
      frame.take(1);
      size.height = big_endian16(frame);
      size.width = big_endian16(frame);
    }
    if (marker == 0xda) break;  // what follows is the image itself
  }
  require(bytes.find(kEndOfImage, reader.position()) != std::string_view::npos,
          "{} is a JPEG that is cut off.", what);
  return size;
}

}  // namespace

ImageSize checked_image_size(std::string_view bytes, const std::string& what) {
  const bool png = bytes.substr(0, kPng.size()) == kPng;
  const bool jpeg = bytes.substr(0, 2) == "\xff\xd8";
  require(png || jpeg, "{} is neither a JPEG nor a PNG.", what);
  const ImageSize size = png ? png_size(bytes, what) : jpeg_size(bytes, what);
  require(size.width > 0 && size.height > 0, "{} has no size in its header.", what);
  return size;
}

}  // namespace quantbench
