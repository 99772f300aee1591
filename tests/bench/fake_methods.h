// Small stand-ins for methods that ask much of the trainer, and a run that can be killed at every
// moment of theirs.
#pragma once

#include "methods/method.h"

namespace quantbench {

// Thrown where a run is killed; no std::exception, so that nobody on the way handles it.
struct Cut {};

// Notes the moments of the methods below, before or after the calls that the session makes, and
// kills at the one that is asked for.
class Guillotine {
 public:
  enum class Way { Kill, AskToStop };  // a Cut, or what a signal does
  // `moment` is counted from 1; 0: never.
  static void set(int moment, Way way = Way::Kill);
  static const std::vector<std::string>& seen();  // since set(): what each moment was
  static void moment(const char* kind);

  // Of what was seen, the first, the middle and the last moment of each kind.
  static std::vector<int> of_every_kind();
};

// A session of `method` ("fake_planes", "fake_rounds", "fake_masks") or of any other by way of
// "cut_NAME", which is that method with moments.
void register_cut(const std::string& method);

}  // namespace quantbench
