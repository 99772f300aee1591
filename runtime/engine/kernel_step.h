// What the steps that end in the kernels' own epilogue have in common.
#pragma once

#include "runtime/engine/steps.h"

namespace quantbench::engine {

// " u8", ...
const char* suffix(Cell cell);

// The share of `worker` of `count` things begins at share(count, worker, workers) and ends where
// the next one's begins.
inline int64_t share(int64_t count, int worker, int workers) { return count * worker / workers; }

// Rows of the output where there are enough of them, else blocks of channels.
Part part_of(int64_t rows, int64_t blocks, int worker, int workers);

// Zeros left and right of the rows that were written.
void fill_borders(const Layout& y, char* memory, const Part& part);

class KernelStep : public ProgramStep {
 public:
  KernelStep(const KernelTable& kernels, Operand x, EpilogueData epilogue, Operand y)
      : kernels_(kernels), x_(std::move(x)), y_(std::move(y)), epilogue_(std::move(epilogue)) {
    value = y_.value;
  }

  void run(const Frame& frame, int worker, int workers) const override {
    const Layout y = y_.layout.of(frame.count(y_.layout.per));
    const Part part = part_of(y.height, y.padded / kernels_.lanes, worker, workers);
    if (part.row_begin == part.row_end || part.block_begin == part.block_end) return;
    char* memory = frame.values[static_cast<size_t>(y_.value)];
    compute(frame, epilogue_.on(frame), y.output(memory), part);
    fill_borders(y, memory, part);
  }

 protected:
  virtual void compute(const Frame& frame, const Epilogue& epilogue, const Output& output,
                       const Part& part) const = 0;
  Input input(const Frame& frame) const {
    return x_.layout.of(frame.count(x_.layout.per))
        .input(frame.values[static_cast<size_t>(x_.value)]);
  }

  const KernelTable& kernels_;
  const Operand x_, y_;
  const EpilogueData epilogue_;
};

}  // namespace quantbench::engine
