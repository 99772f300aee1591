#include "runtime/engine/general.h"

#include <algorithm>
#include <cstring>

#include "runtime/reference_finish.h"
#include "runtime/reference_step.h"

namespace quantbench::engine {
namespace {

template <typename CellType, typename Number>
void gather_cells(const Layout& x, const char* memory, int32_t shift, std::vector<Number>& out) {
  const Input from = x.input(memory);
  auto to = out.begin();
  for (int64_t row = 0; row < x.height; ++row)
    for (int64_t i = 0; i < x.width; ++i) {
      const auto* at =
          reinterpret_cast<const CellType*>(from.data + row * from.row + i * from.pixel);
      for (int64_t c = 0; c < x.channels; ++c) *to++ = static_cast<Number>(at[c]) - shift;
    }
}

template <typename CellType, typename Number>
void scatter_cells(const std::vector<Number>& numbers, const Layout& y, int32_t shift,
                   char* memory) {
  const Output out = y.output(memory);
  auto from = numbers.begin();
  for (int64_t row = 0; row < y.height; ++row)
    for (int64_t i = 0; i < y.width; ++i) {
      auto* at = reinterpret_cast<CellType*>(out.data + row * out.row + i * out.pixel);
      for (int64_t c = 0; c < y.channels; ++c) at[c] = static_cast<CellType>(*from++ + shift);
    }
}

class GeneralStep : public ProgramStep {
 public:
  GeneralStep(const Plan& plan, std::vector<Operand> values, Operand y)
      : value_count_(plan.values.size()), values_(std::move(values)), y_(std::move(y)) {
    value = y_.value;
  }

  void run(const Frame& frame, int worker, int) const override {
    if (worker != 0) return;
    std::vector<Data> values(value_count_);
    for (const Operand& x : values_) values[static_cast<size_t>(x.value)] = numbers_of(frame, x);
    const Data out = compute(frame, values);
    scatter(out, y_.layout.of(frame.count(y_.layout.per), 1),
            frame.values[static_cast<size_t>(y_.value)]);
  }

 protected:
  virtual Data compute(const Frame& frame, const std::vector<Data>& values) const = 0;

  static Data numbers_of(const Frame& frame, const Operand& x) {
    const int64_t rows = frame.count(x.layout.per);
    Data out = gather(x.layout.of(rows, 1), frame.values[static_cast<size_t>(x.value)]);
    out.rows = rows;
    return out;
  }

 private:
  size_t value_count_;
  std::vector<Operand> values_;
  Operand y_;
};

class FinishStep : public GeneralStep {
 public:
  FinishStep(const Plan& plan, const Step& step, Operand acc, std::vector<Operand> values,
             const Operand& y)
      : GeneralStep(plan, std::move(values), y),
        finisher_(step.finish, plan.values[static_cast<size_t>(step.output)]),
        acc_(std::move(acc)) {
    kernel = "finish, by the reference";
  }

 protected:
  Data compute(const Frame& frame, const std::vector<Data>& values) const override {
    const Data acc = numbers_of(frame, acc_);
    Data out = finisher_.prepare(acc.rows);
    const auto all = static_cast<int64_t>(acc.on_grid ? acc.n.size() : acc.x.size());
    const int64_t elements = acc.rows > 0 ? all / acc.rows : 0;
    for (int64_t row = 0; row < acc.rows; ++row)
      if (acc.on_grid)
        finisher_.apply(acc.n.data() + row * elements, row, 0, elements, values, out);
      else
        finisher_.apply(acc.x.data() + row * elements, row, 0, elements, values, out);
    return out;
  }

 private:
  Finisher finisher_;
  Operand acc_;
};

class WholeStep : public GeneralStep {
 public:
  WholeStep(const Plan& plan, const Step& step, std::vector<Operand> values, const Operand& y)
      : GeneralStep(plan, std::move(values), y), step_(reference_step(plan, step)) {
    kernel = "reference";
  }

 protected:
  Data compute(const Frame& frame, const std::vector<Data>& values) const override {
    return step_(values, frame.batch ? *frame.batch : Batch{});
  }

 private:
  ReferenceStep step_;
};

}  // namespace

Data gather(const Layout& layout, const char* memory) {
  Data out;
  out.rows = 1;
  out.on_grid = layout.cell != Cell::F32;
  const auto count = static_cast<size_t>(layout.channels * layout.height * layout.width);
  if (!out.on_grid) {
    out.x.resize(count);
    gather_cells<float>(layout, memory, 0, out.x);
    return out;
  }
  out.n.resize(count);
  if (layout.cell == Cell::U8) gather_cells<uint8_t>(layout, memory, layout.shift, out.n);
  if (layout.cell == Cell::I16) gather_cells<int16_t>(layout, memory, 0, out.n);
  if (layout.cell == Cell::I32) gather_cells<int32_t>(layout, memory, 0, out.n);
  return out;
}

void scatter(const Data& data, const Layout& layout, char* memory) {
  if (layout.left + layout.right > 0 || layout.padded != layout.channels)
    for (int64_t row = 0; row < layout.height; ++row)
      std::memset(memory + row * layout.row_bytes(), layout.shift,
                  static_cast<size_t>(layout.row_bytes()));
  if (layout.cell == Cell::U8) scatter_cells<uint8_t>(data.n, layout, layout.shift, memory);
  if (layout.cell == Cell::I16) scatter_cells<int16_t>(data.n, layout, 0, memory);
  if (layout.cell == Cell::I32) scatter_cells<int32_t>(data.n, layout, 0, memory);
  if (layout.cell == Cell::F32) scatter_cells<float>(data.x, layout, 0, memory);
}

std::unique_ptr<ProgramStep> finish_step(const Plan& plan, const Step& step, const Operand& acc,
                                         std::vector<Operand> values, const Operand& y) {
  return std::make_unique<FinishStep>(plan, step, acc, std::move(values), y);
}

std::unique_ptr<ProgramStep> whole_step(const Plan& plan, const Step& step,
                                        std::vector<Operand> values, const Operand& y) {
  return std::make_unique<WholeStep>(plan, step, std::move(values), y);
}

}  // namespace quantbench::engine
