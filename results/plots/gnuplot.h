// What all pictures share: pieces of scripts for gnuplot, which draws them. The terminal and the
// file are the caller's (bench/gnuplot.h).
#pragma once

#include <string>
#include <vector>

namespace quantbench {

// A string of the script. Text of a store must not steer gnuplot: everything but letters, digits
// and harmless signs becomes '?', control characters and what is not UTF-8 too; at most `most`
// characters.
std::string plot_string(const std::string& text, size_t most = 80);

// Okabe and Ito's colours, told apart by colour-blind people too, as the leaderboard has them; with
// a shape each, as a point type.
std::string plot_color(size_t index);
int plot_shape(size_t index);

// "($0, ...)": where ticks of a logarithmic axis stand, with their texts: 1, 2 and 5 of each
// decade, more where the axis spans less than one.
std::string logarithmic_ticks(double low, double high);

// "20 k", "1.5 M".
std::string short_number(double value);

// A named block of data, columns apart by tabs.
std::string plot_block(const std::string& name, const std::vector<std::string>& lines);

}  // namespace quantbench
