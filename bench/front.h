// The states that a method kept while it trained (a front of accuracy over cost), each frozen,
// packaged and measured like the run's own result. As a table it is an artefact of the run.
#pragma once

#include "methods/method.h"

namespace quantbench {

struct FrontRow {
  std::string name;       // of the state, and of its package in the folder front/
  bool on_front = false;  // no other row has as much accuracy on validation for as little cost
  double validation_top1 = 0, top1_simulated = 0, top1_shipped = 0;  // shares 0..1
  int64_t samples = 0;                                               // of the test split
  int64_t mismatches = 0;  // of them: logits that differ between simulation and package
  int64_t size_bytes = 0;  // of the package
  double weight_bits_average = 32;
  Figures figures;  // the first one is the cost; without any it is size_bytes
  std::string weights_hash, package_hash;
};

// Chooses again among calibrated states what was on the front while ranges still moved.
void mark_front(std::vector<FrontRow>& rows);

// A header, then a line a row, the cheapest first.
std::string front_csv(std::vector<FrontRow> rows);

}  // namespace quantbench
