// Small stand-ins for methods that ask much of the trainer, and a run that can be killed at every
// moment of theirs.
#pragma once

#include "methods/method.h"

namespace quantbench {

// Thrown where a run is killed; no std::exception, so that nobody on the way handles it.
struct Cut {};

// Counts the moments of the methods below, one before every call that the session makes, and kills
// at the one that is asked for.
class Guillotine {
 public:
  static void set(int moment);  // 0: never
  static int seen();            // since set()
  static void moment();
};

// A session of `method` ("fake_planes", "fake_rounds", "fake_masks") or of any other by way of
// "cut_NAME", which is that method with moments.
void register_cut(const std::string& method);

}  // namespace quantbench
