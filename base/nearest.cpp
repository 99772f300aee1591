#include "base/nearest.h"

#include <algorithm>

namespace quantbench {
namespace {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t k = 0; k <= b.size(); ++k) {
      if (i == 0 || k == 0) {
        d[i][k] = i + k;
        continue;
      }
      const size_t replaced = d[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
      d[i][k] = std::min({d[i - 1][k] + 1, d[i][k - 1] + 1, replaced});
      if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
        d[i][k] = std::min(d[i][k], d[i - 2][k - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest_name(const std::string& word, const std::vector<std::string>& known) {
  if (word.size() > 100) return "";
  std::string best;
  size_t least = word.size() + 1;
  for (const std::string& name : known) {
    const size_t distance = edit_distance(word, name);
    if (3 * distance > std::max(word.size(), name.size()) || distance >= least) continue;
    least = distance;
    best = name;
  }
  return best;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known,
                         const std::string& prefix) {
  const std::string name = nearest_name(word, known);
  return name.empty() ? "" : "; did you mean " + prefix + name + "?";
}

}  // namespace quantbench
