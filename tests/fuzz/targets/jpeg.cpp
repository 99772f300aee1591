#include "datasets/jpeg.h"

#include "base/error.h"
#include "datasets/image_header.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

// Large images are only slow; what their header says of the size is another target's.
const Registration jpeg("jpeg", [](std::string_view bytes) {
  const ImageSize size = checked_image_size(bytes, "it");
  require(size.width <= 256 && size.height <= 256, "Too large for a fuzzer.");
  for (int reduction : {1, 8}) decode_jpeg(std::string(bytes), reduction, "it");
});

}  // namespace quantbench::fuzz
