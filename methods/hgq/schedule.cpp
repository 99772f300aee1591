#include "methods/hgq/schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "base/error.h"

namespace quantbench::hgq {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, at);) {
    const auto first = part.find_first_not_of(' '), last = part.find_last_not_of(' ');
    out.push_back(first == std::string::npos ? "" : part.substr(first, last - first + 1));
  }
  return out;
}

}  // namespace

BetaSchedule::BetaSchedule(const std::string& text, const std::string& owner) {
  const auto number = [&](const std::string& word) {
    char* end = nullptr;
    const double value = std::strtod(word.c_str(), &end);
    require(!word.empty() && *end == '\0' && std::isfinite(value) && value >= 0,
            "{}: option beta: '{}' in '{}' is no number >= 0.", owner, word, text);
    return value;
  };
  for (const std::string& piece : split(text, ',')) {
    const std::vector<std::string> words = split(piece, ':');
    require(words.size() >= 2 && words.size() <= 4,
            "{}: option beta: '{}' is not START:FROM, START:FROM:TO or START:FROM:TO:linear.",
            owner, piece);
    Piece made{number(words[0]), number(words[1]), number(words[words.size() > 2 ? 2 : 1])};
    if (words.size() == 4) {
      require(words[3] == "linear" || words[3] == "log",
              "{}: option beta: '{}' is neither linear nor log.", owner, words[3]);
      made.linear = words[3] == "linear";
    }
    require(made.linear || made.from == made.to || (made.from > 0 && made.to > 0),
            "{}: option beta: '{}' cannot leave or reach 0 on a logarithmic scale; say linear.",
            owner, piece);
    require(pieces_.empty() ? made.start == 0 : made.start > pieces_.back().start,
            "{}: option beta: the pieces of '{}' do not begin at 0 and follow each other.", owner,
            text);
    pieces_.push_back(made);
  }
  require(!pieces_.empty(), "{}: option beta is empty; '0:0' switches the cost off.", owner);
}

double BetaSchedule::at(double epoch, double epochs) const {
  size_t i = 0;
  while (i + 1 < pieces_.size() && pieces_[i + 1].start <= epoch) ++i;
  const Piece& piece = pieces_[i];
  if (piece.from == piece.to) return piece.from;
  const double end = i + 1 < pieces_.size() ? pieces_[i + 1].start : epochs;
  const double share =
      std::clamp((epoch - piece.start) / std::max(end - piece.start, 1e-9), 0., 1.);
  if (piece.linear) return piece.from + share * (piece.to - piece.from);
  return piece.from * std::pow(piece.to / piece.from, share);
}

}  // namespace quantbench::hgq
