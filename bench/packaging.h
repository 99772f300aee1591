// From a frozen network to a Package, and what can be said about its sites.
#pragma once

#include "methods/method.h"
#include "results/store.h"
#include "runtime/package.h"

namespace quantbench {

struct Packaged {
  Package package;
  std::vector<SiteRow> sites;
  int64_t weight_code_bits = 0;  // FP32 ones at 32
  PaperSize paper_size;          // the sum of the method's own
  double weight_bits_average = 32;
  double activation_bits_average = 32;  // over the operands of all products, by elements
  int64_t macs = 0, bops = 0;       // of one sample; BOPs = MACs x weight bits x activation bits
  std::vector<std::string> doubts;  // sentences: why the result is not to be trusted
};

// `network` in evaluation mode, frozen. Checks that every encoding decodes to what the simulated
// forward pass uses, bit for bit, and that no site uses more bits or levels than it was given.
Packaged make_package(Network& network, const Method& method);

}  // namespace quantbench
