#include <cstring>

#include "base/file.h"
#include "results/store_database.h"

namespace quantbench {
namespace {

constexpr int64_t kMostPredictions = int64_t{1} << 24;  // a thousand times ImageNet's, 200 MB

// Differences wrap modulo 2^32, so that any two samples have one.
void change(std::vector<uint32_t>& values, bool to_differences) {
  uint32_t last = 0;
  for (uint32_t& value : values) {
    const uint32_t old = value;
    value = to_differences ? old - last : old + last;
    last = to_differences ? old : value;
  }
}

std::string_view bytes_of(const void* data, size_t count) {
  return {static_cast<const char*>(data), count * sizeof(int32_t)};
}

}  // namespace

std::string pack_predictions(const PredictionRow& row) {
  const size_t count = row.sample.size();
  require(row.predicted.size() == count && row.target.size() == count,
          "The '{}' predictions have {} samples, {} answers and {} targets; they must be as many.",
          row.kind, count, row.predicted.size(), row.target.size());
  require(static_cast<int64_t>(count) <= kMostPredictions,
          "The '{}' predictions are {}; at most {} can be kept.", row.kind, count,
          kMostPredictions);
  std::vector<uint32_t> samples(row.sample.begin(), row.sample.end());
  change(samples, true);
  std::string bytes(bytes_of(samples.data(), count));
  bytes += bytes_of(row.predicted.data(), count);
  bytes += bytes_of(row.target.data(), count);
  return compress(bytes);
}

PredictionRow unpack_predictions(const std::string& kind, int64_t count, const std::string& data,
                                 const std::string& what) {
  require(count >= 0 && count <= kMostPredictions, "{} are damaged: {} of them cannot be.", what,
          count);
  const auto size = static_cast<size_t>(count);
  std::string bytes;
  try {
    bytes = decompress(data, 3 * size * sizeof(int32_t));
  } catch (const Error& problem) {
    fail("{} are damaged: {}", what, problem.what());
  }
  ByteReader reader(bytes, what);
  const auto take = [&](auto values) {
    values.resize(size);
    const std::string_view from = reader.take(size * sizeof(int32_t));
    if (size > 0) std::memcpy(values.data(), from.data(), from.size());
    return values;
  };
  auto samples = take(std::vector<uint32_t>());
  change(samples, false);
  return {kind,
          {samples.begin(), samples.end()},
          take(std::vector<int32_t>()),
          take(std::vector<int32_t>())};
}

}  // namespace quantbench
