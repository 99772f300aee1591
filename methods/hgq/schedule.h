// The course of beta, the price of an EBOP in the loss (HGQ, arXiv 2405.00645: raised slowly in one
// run, which then yields the whole front).
#pragma once

#include <string>
#include <vector>

namespace quantbench::hgq {

class BetaSchedule {
 public:
  // Pieces with commas between, each "START:FROM", "START:FROM:TO" or "START:FROM:TO:linear": from
  // epoch START on beta is FROM, or goes from FROM to TO, on a logarithmic scale unless linear is
  // asked for, until the next piece starts or training ends. Throws Error, starting with `owner`,
  // on anything else.
  BetaSchedule(const std::string& text, const std::string& owner);

  // At `epoch` (0, 1, ...) of `epochs`.
  double at(double epoch, double epochs) const;

 private:
  struct Piece {
    double start = 0, from = 0, to = 0;
    bool linear = false;
  };
  std::vector<Piece> pieces_;
};

}  // namespace quantbench::hgq
