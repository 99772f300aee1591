// TensorBoard's event files: records of a length, its checksum, a serialised Event and its
// checksum. Of the protocol buffers only what figures need is written: Event {wall_time = 1, step =
// 2, file_version = 3, summary = 5}, Summary {value = 1}, Value {tag = 1, simple_value = 2}.
#include <fmt/format.h>

#include <boost/crc.hpp>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "results/board.h"
#include "results/export.h"
#include "results/run_json.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

template <typename Number>
void append(std::string& out, Number value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void append_bytes(std::string& out, int field, const std::string& bytes) {
  append_varint(out, static_cast<uint64_t>(field) << 3 | 2);
  append_varint(out, bytes.size());
  out += bytes;
}

// CRC-32C, masked as TFRecord files have it.
uint32_t masked_crc(const std::string& bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const uint32_t value = crc.checksum();
  return ((value >> 15) | (value << 17)) + 0xa282ead8u;
}

std::string record(const std::string& event) {
  std::string length, out;
  append(length, static_cast<uint64_t>(event.size()));
  out = length;
  append(out, masked_crc(length));
  out += event;
  append(out, masked_crc(event));
  return out;
}

std::string event_at(double time, int64_t step) {
  std::string out(1, static_cast<char>(1 << 3 | 1));
  append(out, time);
  out += static_cast<char>(2 << 3);
  append_varint(out, static_cast<uint64_t>(step));
  return out;
}

std::string figure(double time, int64_t step, const std::string& tag, double value) {
  std::string item, summary, event = event_at(time, step);
  append_bytes(item, 1, tag);
  item += static_cast<char>(2 << 3 | 5);
  append(item, static_cast<float>(value));
  append_bytes(summary, 1, item);
  append_bytes(event, 5, summary);
  return record(event);
}

std::string first_record(double time) {
  std::string event(1, static_cast<char>(1 << 3 | 1));
  append(event, time);
  append_bytes(event, 3, "brain.Event:2");
  return record(event);
}

std::string events_of(const Store& store, const RunRecord& run) {
  const auto started = static_cast<double>(std::max<int64_t>(seconds_of(run.started), 0));
  std::string out = first_record(started);
  double time = started;
  int64_t step = 0;
  for (const EpochRow& row : store.epochs(run.id)) {
    time += std::isfinite(row.seconds) ? row.seconds : 0;
    const std::pair<const char*, double> values[] = {{"loss/train", row.train_loss},
                                                     {"loss/validation", row.validation_loss},
                                                     {"top1/train", row.train_top1},
                                                     {"top1/validation", row.validation_top1},
                                                     {"learning_rate", row.learning_rate}};
    for (const auto& [tag, value] : values)
      if (std::isfinite(value)) out += figure(time, step, tag, value);
    ++step;
  }
  const nlohmann::ordered_json summary = summary_json(run, store.result(run.id));
  for (const auto& [key, value] : summary.items()) {
    const bool fact = key == "id" || key == "repetition" || key == "seed";
    if (value.is_number() && !fact) out += figure(time, 0, "result/" + key, value.get<double>());
  }
  return out;
}

// Letters, digits and harmless signs only: names of methods come from stores.
std::string folder_of(const RunRecord& run) {
  std::string out;
  for (unsigned char c :
       fmt::format("{}_{}_{}_seed{}_{:.8}", run.method, run.model, run.dataset, run.seed, run.uid))
    out += std::isalnum(c) || c == '_' || c == '-' ? static_cast<char>(c) : '_';
  return out.substr(0, 200);
}

}  // namespace

void export_tensorboard(const Store& store, const RunFilter& filter, const fs::path& folder) {
  for (const RunRecord& run : store.runs(filter)) {
    const fs::path place = folder / folder_of(run);
    std::error_code code;
    fs::create_directories(place, code);
    require(!code, "Cannot make the folder {}: {}.", place.string(), code.message());
    write_atomically(place / fmt::format("events.out.tfevents.{}.quantbench",
                                         std::max<int64_t>(seconds_of(run.started), 0)),
                     events_of(store, run));
  }
}

}  // namespace quantbench
