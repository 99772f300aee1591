#include "methods/alq/groups.h"

#include "base/error.h"

namespace quantbench::alq {
namespace {

bool by_tap(const Groups& groups) {
  return groups.grouping == Grouping::Pixel && groups.shape.size() == 4;
}

}  // namespace

Groups groups_of(torch::IntArrayRef shape, Grouping grouping, int64_t parts) {
  Groups out{grouping, grouping == Grouping::SubChannel ? parts : 1, shape.vec(), 0, 0};
  const int64_t elements = c10::multiply_integers(shape), row = elements / shape[0];
  switch (grouping) {
    case Grouping::Channel:
      out.length = row;
      break;
    case Grouping::Kernel:
      out.length = shape.size() == 4 ? shape[2] * shape[3] : 1;
      break;
    case Grouping::Pixel:
      out.length = shape[1];
      break;
    case Grouping::SubChannel:
      require(parts > 0 && row % parts == 0,
              "method alq: rows of {} weights cannot be cut into {} parts.", row, parts);
      out.length = row / parts;
      break;
  }
  out.count = elements / out.length;
  return out;
}

Tensor gather(const Groups& groups, const Tensor& weight) {
  const Tensor ordered = by_tap(groups) ? weight.permute({0, 2, 3, 1}) : weight;
  return ordered.to(torch::kFloat32).contiguous().view({groups.count, groups.length});
}

Tensor as_weight(const Groups& groups, const Tensor& values) {
  const auto& s = groups.shape;
  if (!by_tap(groups)) return values.view(s);
  return values.view({s[0], s[2], s[3], s[1]}).permute({0, 3, 1, 2});
}

}  // namespace quantbench::alq
