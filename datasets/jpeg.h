// JPEG files by libjpeg, the decoder behind OpenCV's reader, too: the same pixels, and what it
// finds damaged inside is said to the caller instead of to the terminal.
#pragma once

#include <opencv2/core.hpp>
#include <string>

namespace quantbench {

struct DecodedJpeg {
  cv::Mat image;       // 8 bits each of blue, green, red; as it is stored, whatever EXIF says
  std::string damage;  // the first thing that was wrong inside; empty: nothing was
};

// `bytes` decoded at 1 / `reduction` of its size (1, 2, 4 or 8). Grey images and inks (CMYK) become
// blue, green and red. Throws Error, starting with `what`, when nothing can be decoded, when the
// data end too early, or with more than 500 scans.
DecodedJpeg decode_jpeg(const std::string& bytes, int reduction, const std::string& what);

}  // namespace quantbench
