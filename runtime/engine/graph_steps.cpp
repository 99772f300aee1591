// Steps over the rows of matrices: the features of a graph's nodes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/engine/kernel_step.h"

namespace quantbench::engine {
namespace {

const int64_t* numbers(const Tensor& t) { return t.data_ptr<int64_t>(); }

class RowsStep : public KernelStep {
 public:
  RowsStep(const KernelTable& kernels, EpilogueData epilogue, const Operand& y)
      : KernelStep(kernels, y, std::move(epilogue), y) {
    kernel = std::string("input to") + suffix(y.layout.cell);
  }

  void run(const Frame& frame, int worker, int workers) const override {
    const Layout y = y_.layout.of(frame.nodes, 1);
    const int64_t blocks = rounded_up(y.channels, kernels_.lanes) / kernels_.lanes;
    const Part part{share(frame.nodes, worker, workers), share(frame.nodes, worker + 1, workers), 0,
                    blocks};
    if (part.row_begin == part.row_end) return;
    const int64_t pitch = y.channels * static_cast<int64_t>(sizeof(float));
    const Input from{reinterpret_cast<const char*>(frame.input), pitch, pitch, Cell::F32, 0};
    char* memory = frame.values[static_cast<size_t>(y_.value)];
    const Epilogue end = epilogue_.on(frame, 1);
    // The last vector of a row reads on into the rows behind it, which the last rows do not have.
    const int64_t padded = blocks * kernels_.lanes;
    const int64_t behind = rounded_up(padded - y.channels, y.channels) / y.channels;
    Part most = part;
    most.row_end = std::clamp(frame.nodes - behind, part.row_begin, part.row_end);
    kernels_.map(1, from, end, y.output(memory), most);
    if (const int64_t rows = part.row_end - most.row_end; rows > 0) {
      std::vector<float> last(static_cast<size_t>(rows * padded), 0.0f);
      for (int64_t row = 0; row < rows; ++row)
        std::copy_n(frame.input + (most.row_end + row) * y.channels, y.channels,
                    last.begin() + row * padded);
      const int64_t last_pitch = padded * static_cast<int64_t>(sizeof(float));
      Output to = y.output(memory);
      to.data += most.row_end * to.row;
      kernels_.map(
          1, {reinterpret_cast<const char*>(last.data()), last_pitch, last_pitch, Cell::F32, 0},
          end, to, {0, rows, 0, blocks});
    }
    if (behind == 0) return;
    const int64_t used = y.channels * bytes_of(y.cell);
    for (int64_t row = part.row_begin; row < part.row_end; ++row)
      std::memset(memory + row * y.pixel_bytes() + used, 0,
                  static_cast<size_t>(y.pixel_bytes() - used));
  }

 protected:
  void compute(const Frame&, const Epilogue&, const Output&, const Part&) const override {}
};

// Common to sums over edges and over the nodes of a graph.
class SumStep : public KernelStep {
 public:
  SumStep(const KernelTable& kernels, const Operand& x, EpilogueData epilogue, const Operand& y,
          int64_t largest, std::unique_ptr<ProgramStep> otherwise)
      : KernelStep(kernels, x, std::move(epilogue), y),
        largest_(largest),
        otherwise_(std::move(otherwise)) {}

  void run(const Frame& frame, int worker, int workers) const override {
    if (too_large_) return otherwise_->run(frame, worker, workers);
    const Layout y = y_.layout.of(frame.count(y_.layout.per), 1);
    const int64_t rows = y.height;
    const Part part{share(rows, worker, workers), share(rows, worker + 1, workers), 0,
                    y.padded / kernels_.lanes};
    if (part.row_begin == part.row_end) return;
    char* memory = frame.values[static_cast<size_t>(y_.value)];
    const Input from = x_.layout.of(frame.count(x_.layout.per), 1)
                           .input(frame.values[static_cast<size_t>(x_.value)]);
    kernels_.aggregate(call_, from, epilogue_.on(frame, 1), y.output(memory), part);
  }

 protected:
  void compute(const Frame&, const Epilogue&, const Output&, const Part&) const override {}

  // Sums of row r are over offsets[r] .. offsets[r + 1].
  void set_sums(const int64_t* offsets, int64_t rows, bool mean) {
    call_.offsets = offsets;
    int64_t most = 0;
    divisor_.clear();
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t count = offsets[r + 1] - offsets[r];
      most = std::max(most, count);
      if (mean) divisor_.push_back(static_cast<float>(std::max<int64_t>(count, 1)));
    }
    call_.divisor = mean ? divisor_.data() : nullptr;
    too_large_ = largest_ > 0 && most > INT32_MAX / largest_;
  }

  Aggregation call_;

 private:
  const int64_t largest_;  // of a summand; 0: floats
  std::unique_ptr<ProgramStep> otherwise_;
  std::vector<float> divisor_;
  bool too_large_ = false;
};

class AggregateStep : public SumStep {
 public:
  AggregateStep(const KernelTable& kernels, const Aggregate& work, const Operand& x,
                EpilogueData epilogue, const Operand& y, int64_t largest,
                std::unique_ptr<ProgramStep> otherwise)
      : SumStep(kernels, x, std::move(epilogue), y, largest, std::move(otherwise)), work_(work) {
    const bool norms = work.reduce == op::Reduce::Gcn;
    kernel = std::string(norms ? "normalised sums" : "sums over edges") + suffix(x.layout.cell);
    if (norms && work.message_format) {
      call_.requantized = true;
      call_.message_a = work.message_a;
      call_.message_b = work.message_b;
      call_.message_low = static_cast<float>(work.message_format->low);
      call_.message_high = static_cast<float>(work.message_format->high);
    }
  }

  void prepare(const Topology& topology) override {
    const Topology& graph = work_.self_loops ? *topology.with_self_loops() : topology;
    const int64_t *offsets = numbers(graph.offsets()), *source = numbers(graph.source());
    source_.assign(source, source + graph.edge_count());
    call_.source = source_.data();
    set_sums(offsets, graph.node_count(), work_.reduce == op::Reduce::Mean);
    if (work_.reduce != op::Reduce::Gcn) return;
    std::vector<float> inverse_root;
    for (int64_t v = 0; v < graph.node_count(); ++v)
      inverse_root.push_back(
          1.0f / std::sqrt(static_cast<float>(std::max<int64_t>(offsets[v + 1] - offsets[v], 1))));
    weight_.clear();
    factor_.clear();
    for (int64_t v = 0; v < graph.node_count(); ++v)
      for (int64_t e = offsets[v]; e < offsets[v + 1]; ++e) {
        const float norm =
            inverse_root[static_cast<size_t>(source[e])] * inverse_root[static_cast<size_t>(v)];
        if (!work_.norm_on_grid) {
          factor_.push_back(norm);
          continue;
        }
        const float u = std::fma(work_.norm_a, norm, work_.norm_b);
        const auto low = static_cast<float>(work_.norm_format->low),
                   high = static_cast<float>(work_.norm_format->high);
        weight_.push_back(static_cast<int16_t>(std::min(std::max(std::nearbyint(u), low), high)));
      }
    call_.weight = weight_.empty() ? nullptr : weight_.data();
    call_.factor = factor_.empty() ? nullptr : factor_.data();
  }

 private:
  const Aggregate work_;
  std::vector<int32_t> source_;
  std::vector<int16_t> weight_;
  std::vector<float> factor_;
};

class ReadOutStep : public SumStep {
 public:
  ReadOutStep(const KernelTable& kernels, bool mean, const Operand& x, EpilogueData epilogue,
              const Operand& y, int64_t largest, std::unique_ptr<ProgramStep> otherwise)
      : SumStep(kernels, x, std::move(epilogue), y, largest, std::move(otherwise)), mean_(mean) {
    kernel = std::string("sums over graphs") + suffix(x.layout.cell);
  }

  void prepare(const Topology& topology) override {
    offsets_.assign(static_cast<size_t>(topology.graph_count()) + 1, 0);
    const int64_t nodes = topology.node_count();
    const Tensor& of_node = topology.graph_of_node();
    for (int64_t v = 0; v < nodes; ++v)
      ++offsets_[of_node.defined() ? static_cast<size_t>(numbers(of_node)[v]) + 1 : 1];
    for (size_t g = 1; g < offsets_.size(); ++g) offsets_[g] += offsets_[g - 1];
    source_.resize(static_cast<size_t>(nodes));
    for (int64_t v = 0; v < nodes; ++v) source_[static_cast<size_t>(v)] = static_cast<int32_t>(v);
    call_.source = source_.data();
    set_sums(offsets_.data(), topology.graph_count(), mean_);
  }

 private:
  const bool mean_;
  std::vector<int64_t> offsets_;
  std::vector<int32_t> source_;
};

class RowSumsStep : public ProgramStep {
 public:
  RowSumsStep(const KernelTable& kernels, Operand x, Operand y)
      : kernels_(kernels),
        x_(std::move(x)),
        y_(std::move(y)),
        ones_(static_cast<size_t>(x_.layout.padded), 0) {
    value = y_.value;
    kernel = std::string("sums of rows") + suffix(x_.layout.cell);
    std::fill_n(ones_.begin(), x_.layout.channels, 1);
  }

  void run(const Frame& frame, int worker, int workers) const override {
    const int64_t rows = frame.count(x_.layout.per), padded = x_.layout.padded;
    const int64_t first = share(rows, worker, workers), end = share(rows, worker + 1, workers);
    auto* to = reinterpret_cast<int32_t*>(frame.values[static_cast<size_t>(y_.value)]) + first;
    kernels_.sum_bytes(frame.values[static_cast<size_t>(x_.value)] + first * padded, end - first,
                       padded, ones_.data(), to);
    const auto shift = static_cast<int32_t>(x_.layout.shift * x_.layout.channels);
    for (int64_t r = 0; r < end - first; ++r) to[r] -= shift;
  }

 private:
  const KernelTable& kernels_;
  const Operand x_, y_;
  std::vector<char> ones_;
};

class SparseStep : public KernelStep {
 public:
  SparseStep(const KernelTable& kernels, const Tensor& weights, const EpilogueData& to_grid,
             EpilogueData epilogue, const Operand& y, std::unique_ptr<ProgramStep> dense)
      : KernelStep(kernels, y, std::move(epilogue), y), dense_(std::move(dense)) {
    kernel = dense_->kernel + ", sparse where few are not 0";
    call_.features = weights.size(1);
    call_.padded = y.layout.padded;
    weights_.assign(static_cast<size_t>(call_.features * call_.padded), 0);
    const auto w = weights.accessor<int32_t, 2>();
    for (int64_t o = 0; o < w.size(0); ++o)
      for (int64_t f = 0; f < call_.features; ++f)
        weights_[static_cast<size_t>(f * call_.padded + o)] = static_cast<int16_t>(w[o][f]);
    weight_bytes = dense_->weight_bytes + weights_.size() * sizeof(int16_t);
    call_.weights = weights_.data();
    call_.a = to_grid.a.at(0);
    call_.b = to_grid.b.at(0);
    call_.low = to_grid.low;
    call_.high = to_grid.high;
  }

  void run(const Frame& frame, int worker, int workers) const override {
    if (!frame.sparse) return dense_->run(frame, worker, workers);
    const Layout y = y_.layout.of(frame.nodes, 1);
    const Part part{share(frame.nodes, worker, workers), share(frame.nodes, worker + 1, workers), 0,
                    y.padded / kernels_.lanes};
    SparseProduct call = call_;
    call.rows = frame.input;
    kernels_.sparse_product(call, epilogue_.on(frame, 1),
                            y.output(frame.values[static_cast<size_t>(y_.value)]), part);
  }

 protected:
  void compute(const Frame&, const Epilogue&, const Output&, const Part&) const override {}

 private:
  std::unique_ptr<ProgramStep> dense_;
  std::vector<int16_t> weights_;
  SparseProduct call_;
};

}  // namespace

std::unique_ptr<ProgramStep> sparse_step(const KernelTable& kernels, const Tensor& weights,
                                         const EpilogueData& to_grid, EpilogueData epilogue,
                                         const Operand& y, std::unique_ptr<ProgramStep> dense) {
  return std::make_unique<SparseStep>(kernels, weights, to_grid, std::move(epilogue), y,
                                      std::move(dense));
}

std::unique_ptr<ProgramStep> row_sums_step(const KernelTable& kernels, const Operand& x,
                                           const Operand& y) {
  return std::make_unique<RowSumsStep>(kernels, x, y);
}

std::unique_ptr<ProgramStep> rows_step(const KernelTable& kernels, EpilogueData epilogue,
                                       const Operand& y) {
  return std::make_unique<RowsStep>(kernels, std::move(epilogue), y);
}

std::unique_ptr<ProgramStep> aggregate_step(const KernelTable& kernels, const Aggregate& work,
                                            const Operand& x, EpilogueData epilogue,
                                            const Operand& y, int64_t largest,
                                            std::unique_ptr<ProgramStep> otherwise) {
  return std::make_unique<AggregateStep>(kernels, work, x, std::move(epilogue), y, largest,
                                         std::move(otherwise));
}

std::unique_ptr<ProgramStep> read_out_step(const KernelTable& kernels, bool mean, const Operand& x,
                                           EpilogueData epilogue, const Operand& y, int64_t largest,
                                           std::unique_ptr<ProgramStep> otherwise) {
  return std::make_unique<ReadOutStep>(kernels, mean, x, std::move(epilogue), y, largest,
                                       std::move(otherwise));
}

}  // namespace quantbench::engine
