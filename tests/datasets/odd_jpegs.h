// JPEGs that OpenCV does not write.
#pragma once

#include <array>
#include <cstdlib>
#include <initializer_list>
#include <string>

namespace quantbench {

// A JPEG of 8 x 8 pixels in cyan, magenta, yellow and black, each with one value everywhere: four
// components whose blocks have a DC coefficient only.
inline std::string cmyk_jpeg(const std::array<int, 4>& inks) {
  const auto bytes = [](std::initializer_list<int> list) {
    std::string out;
    for (int byte : list) out += static_cast<char>(byte);
    return out;
  };
  std::string out =
      bytes({0xff, 0xd8, 0xff, 0xee, 0, 14}) + "Adobe" + bytes({0, 100, 0, 0, 0, 0, 0});
  out += bytes({0xff, 0xdb, 0, 67, 0}) + std::string(64, '\x08');  // each coefficient in eighths
  out += bytes({0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4});             // 8 x 8, four components
  for (int c = 1; c <= 4; ++c) out += bytes({c, 0x11, 0});
  // DC: sizes 0..11 have codes of four bits; AC: the end of block alone, one bit.
  out += bytes({0xff, 0xc4, 0, 31, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  for (int size = 0; size < 12; ++size) out += bytes({size});
  out += bytes({0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  out += bytes({0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0});
  std::string bits;
  const auto put = [&](int value, int count) {
    for (int i = count - 1; i >= 0; --i) bits += (value >> i & 1) ? '1' : '0';
  };
  for (int ink : inks) {
    const int dc = ink - 128;  // (ink - 128) * 8 / 8
    int size = 0;
    while (std::abs(dc) >> size) ++size;
    put(size, 4);
    put(dc < 0 ? dc + (1 << size) - 1 : dc, size);
    put(0, 1);
  }
  while (bits.size() % 8) bits += '1';
  for (size_t i = 0; i < bits.size(); i += 8) {
    const int byte = std::stoi(bits.substr(i, 8), nullptr, 2);
    out += bytes({byte});
    if (byte == 0xff) out += bytes({0});
  }
  return out + bytes({0xff, 0xd9});
}

// With forty bytes in the middle that belong to another image.
inline std::string damaged_inside(std::string jpeg) {
  return jpeg.replace(jpeg.size() / 2, 40, 40, '\x55');
}

}  // namespace quantbench
