// Second derivatives of a loss with respect to single parameters, without ever forming a matrix:
// exact Hessian-vector products by double backward, and what HAWQ and HAWQ-V2 read off them.
//
// H_i is the Hessian of the mean loss with respect to parameter i alone (its diagonal block).
// Networks are to be in evaluation mode with their taps off: rounding has no second derivative, and
// batch statistics would tie the images together.
#pragma once

#include <functional>
#include <vector>

#include "base/batch.h"
#include "base/random.h"

namespace quantbench {

// A trace with the standard error of its estimate.
struct TraceEstimate {
  double trace = 0, error = 0;
  int64_t samples = 0;  // products or gradients that it took
};

struct Eigenvalue {
  double largest = 0;      // of all eigenvalues; what ranks a block
  double largest_abs = 0;  // the one of largest magnitude, with its sign
  int64_t products = 0;
};

class BlockHessian {
 public:
  // Holds the first-order graph of every batch until it is destroyed: about two to three times the
  // memory of a training step on them. Batches count by their number of scored rows. Throws Error
  // when the loss does not depend on a parameter.
  BlockHessian(const std::function<Tensor(const Batch&)>& loss, const std::vector<Batch>& batches,
               std::vector<Tensor> parameters);

  size_t blocks() const { return parameters_.size(); }
  double loss() const { return loss_; }

  // H_i v, of the shape of parameter i.
  Tensor product(size_t block, const Tensor& v) const;
  // H v of the whole network: one product for all blocks together.
  std::vector<Tensor> joint_product(const std::vector<Tensor>& v) const;

  // Power iteration from a Gaussian start (HAWQ; PyHessian's rule): stops when the Rayleigh
  // quotient moves by less than `tolerance`, relatively. When the eigenvalue of largest magnitude
  // is negative, a second iteration on H + |lambda| I finds the largest one.
  Eigenvalue top_eigenvalue(size_t block, const RandomStream& stream, int64_t most_products = 100,
                            double tolerance = 1e-4) const;

  // v . H_i v for random signs v, sample k of block i drawn from stream.child(i).child(k):
  // Hutchinson's estimate, variance 2 (|H_i|_F^2 - sum_j H_jj^2).
  double trace_sample(size_t block, const RandomStream& stream, int64_t k) const;

 private:
  // A power iteration on H_i + shift * I.
  double iterate(size_t block, double shift, const RandomStream& stream, int64_t most,
                 double tolerance, int64_t& products) const;

  std::vector<Tensor> parameters_;
  std::vector<std::vector<Tensor>> gradients_;  // of each batch, with its share, each parameter
  double loss_ = 0;
};

// When to stop asking for samples: every trace known to `relative` of itself, or to `of_largest` of
// the largest trace, by its standard error.
struct TraceTarget {
  int64_t least = 16, most = 200;  // samples of each trace
  double relative = 0.05, of_largest = 0.01;

  bool met(const TraceEstimate& estimate, double largest) const;
};

// Hutchinson traces of all blocks (HAWQ-V2), separate vectors for each block. The first `least`
// samples of all come first; then each block goes on until it meets the target.
std::vector<TraceEstimate> hutchinson_traces(const BlockHessian& hessian,
                                             const RandomStream& stream, const TraceTarget& target);

// The mean of samples and its standard error.
TraceEstimate estimate_of(const std::vector<double>& samples);

}  // namespace quantbench
