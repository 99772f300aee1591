#include "results/plots/gnuplot.h"

#include <fmt/ranges.h>

#include <array>
#include <cmath>

namespace quantbench {
namespace {

bool is_harmless(unsigned char c) {
  static const std::string signs = " .,:;/()+-=_<>%&#*|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         signs.find(static_cast<char>(c)) != std::string::npos;
}

}  // namespace

std::string plot_string(const std::string& text, size_t most) {
  std::string out = "\"";
  size_t count = 0;
  for (unsigned char c : text) {
    if ((c & 0xC0) == 0x80) continue;  // the rest of a character that is a '?' already
    if (count++ >= most) break;
    out += is_harmless(c) ? static_cast<char>(c) : '?';
  }
  return out + "\"";
}

std::string plot_color(size_t index) {
  static constexpr std::array<const char*, 8> colors{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                     "#a06800", "#4b4bb8", "#7a7a7a", "#b0007a"};
  return fmt::format("rgb '{}'", colors[index % colors.size()]);
}

int plot_shape(size_t index) {
  static constexpr std::array<int, 5> shapes{7, 5, 9, 13, 11};
  return shapes[index % shapes.size()];
}

std::string short_number(double value) {
  static constexpr std::array<const char*, 5> units{"", " k", " M", " G", " T"};
  size_t unit = 0;
  for (; std::abs(value) >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1000;
  return fmt::format("{:.3g}{}", value, units[unit]);
}

std::string logarithmic_ticks(double low, double high) {
  const double span = high / low;
  const std::vector<double> steps = span < 3
                                        ? std::vector<double>{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8}
                                    : span < 10  ? std::vector<double>{1, 1.5, 2, 3, 4, 5, 7}
                                    : span < 1e4 ? std::vector<double>{1, 2, 5}
                                                 : std::vector<double>{1};
  std::vector<std::string> out;
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high; decade *= 10)
    for (const double step : steps)
      if (step * decade >= 0.8 * low && step * decade <= 1.25 * high)
        out.push_back(fmt::format("\"{}\" {:.6g}", short_number(step * decade), step * decade));
  return fmt::format("({})", fmt::join(out, ", "));
}

std::string plot_block(const std::string& name, const std::vector<std::string>& lines) {
  return fmt::format("${} << EOD\n{}\nEOD\n", name, fmt::join(lines, "\n"));
}

}  // namespace quantbench
