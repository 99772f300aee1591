// Draws a picture with gnuplot, a program of its own that must be installed (Debian: gnuplot-nox).
#pragma once

#include <filesystem>
#include <string>

namespace quantbench {

// Runs `script` (results/plots) with the terminal that the ending of `out` asks for (.svg, .pdf or
// .png) and puts the picture there, whole or not at all. Throws Error on another ending, when
// gnuplot is not installed, and with its first complaint when it fails.
void draw_plot(const std::string& script, const std::filesystem::path& out);

}  // namespace quantbench
