// What the first bytes of an image file say, read before a decoder believes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quantbench {

struct ImageSize {
  int64_t width = 0, height = 0;
};

// The size that the header of a JPEG or PNG announces. Throws Error, naming `what`, when `bytes`
// are neither, when the header is damaged, and when a JPEG ends before its end marker (decoders
// fill what is missing with grey and say nothing).
ImageSize checked_image_size(std::string_view bytes, const std::string& what);

}  // namespace quantbench
