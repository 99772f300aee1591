// executor_hash PACKAGE ROWS [FOLDER]: runs a package on a fixed batch and prints a hash of every
// value of its plan and of its logits; with a folder it writes there what a decoder of its own is
// compared with. A program, for what the environment decides when a program starts.
#include <cstdio>
#include <fstream>

#include "base/sha256.h"
#include "methods/encoding.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/pattern_batch.h"

namespace {

using quantbench::Tensor;

void add(quantbench::Sha256& hash, const Tensor& t) {
  const Tensor flat = t.contiguous();
  hash.update(flat.data_ptr(), static_cast<size_t>(flat.numel()) * flat.element_size());
}

void write(const std::string& path, const Tensor& t) {
  const Tensor flat = t.contiguous();
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(flat.data_ptr()),
             static_cast<std::streamsize>(static_cast<size_t>(flat.numel()) * flat.element_size()));
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  const quantbench::Package package = quantbench::read_package(words[1]);
  const quantbench::ReferenceExecutor executor(package);
  const quantbench::Plan& plan = executor.plan();
  const quantbench::Batch batch =
      quantbench::pattern_batch(plan.input_shape, std::atoll(words[2]), plan.needs_topology);

  const Tensor logits = executor.forward(batch);

  quantbench::Sha256 values, answers;
  for (const Tensor& value : executor.trace(batch)) add(values, value);
  add(answers, logits);
  std::printf("%s %s\n", values.hex().c_str(), answers.hex().c_str());
  if (count < 4) return 0;
  const std::string folder = words[3];
  std::vector<Tensor> weights;
  for (const auto& [point, encoding] : package.weights)
    weights.push_back(quantbench::decode(encoding).flatten());
  write(folder + "/input.bin", batch.input);
  write(folder + "/logits.bin", logits);
  if (!weights.empty()) write(folder + "/weights.bin", torch::cat(weights));
  if (batch.topology) {
    write(folder + "/source.bin", batch.topology->source());
    write(folder + "/target.bin", batch.topology->target());
  }
  return 0;
}
