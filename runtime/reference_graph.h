// Message passing and read-out of the reference executor.
#pragma once

#include "base/batch.h"
#include "runtime/reference_finish.h"

namespace quantbench {

class ReferenceAggregate {
 public:
  ReferenceAggregate(const Step& step, const Plan& plan);
  Data run(const std::vector<Data>& values, const Topology& graph, const Finisher& finish) const;

 private:
  template <typename Acc>
  Data run_as(const std::vector<Data>& values, const Topology& graph, const Finisher& finish) const;

  Aggregate work_;
  int input_ = 0;
  int64_t features_ = 0;
  float scale_ = 1;  // of the input
  std::optional<Quantizer> norm_, message_;
};

class ReferenceAttention {
 public:
  ReferenceAttention(const Step& step, const Plan& plan);
  Data run(const std::vector<Data>& values, const Topology& graph, const Finisher& finish) const;

 private:
  template <typename Acc>
  Data run_as(const std::vector<Data>& values, const Topology& graph, const Finisher& finish) const;
  // The weight of each edge and head, float32 [E, heads].
  std::vector<float> weights(const std::vector<float>& x, const Topology& graph) const;

  Attend work_;
  int input_ = 0;
  float scale_ = 1;
  std::vector<float> source_, target_;
  std::optional<Quantizer> logit_, message_;
};

// Rows of each graph summed, or averaged.
Data read_out(const Step& step, const std::vector<Data>& values, const Topology& graph,
              const Finisher& finish);

}  // namespace quantbench
