// The baseline: no quantizers. What it trains and ships is the FP32 network itself.
#include "methods/method.h"

namespace quantbench {
namespace {

class Fp32 : public Method {
 public:
  explicit Fp32(const OptionValues&) {}
  void attach(Network&) override {}
};

MethodCard card() {
  MethodCard card;
  card.name = "fp32";
  card.title = "FP32 baseline";
  card.quantizes = "nothing";
  return card;
}

}  // namespace

QUANTBENCH_METHOD(card(), Fp32);

}  // namespace quantbench
