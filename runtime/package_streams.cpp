#include "runtime/package_streams.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace quantbench {
namespace {

constexpr Role kRoles[] = {role::kParameters, role::kScales,       role::kLevels,
                           role::kThresholds, role::kCoefficients, role::kZeroPoints,
                           role::kBits,       role::kCounts,       role::kCodes};

}  // namespace

void StreamWriter::put(const Role& role, const Tensor& values) {
  if (values.numel() > 0)
    pieces_[role.name].push_back(values.detach().cpu().to(role.type).flatten());
}

void StreamWriter::put(const Role& role, std::string_view bytes) {
  Tensor values = torch::empty({static_cast<int64_t>(bytes.size())}, torch::kByte);
  if (!bytes.empty()) std::memcpy(values.data_ptr(), bytes.data(), bytes.size());
  put(role, values);
}

std::vector<std::pair<std::string, Tensor>> StreamWriter::finish() const {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const Role& role : kRoles)
    if (auto found = pieces_.find(role.name); found != pieces_.end())
      tensors.emplace_back(role.name, torch::cat(found->second));
  return tensors;
}

StreamReader::StreamReader(const std::vector<std::pair<std::string, Tensor>>& tensors,
                           std::string what)
    : what_(std::move(what)) {
  for (const Role& role : kRoles) streams_[role.name].values = torch::empty({0}, role.type);
  for (const auto& [name, values] : tensors) {
    auto found = streams_.find(name);
    require(found != streams_.end(), "{}: a package has no tensor named '{}'.", what_, name);
    require(values.dim() == 1 && values.scalar_type() == found->second.values.scalar_type(),
            "{}: the tensor '{}' has the wrong shape or type.", what_, name);
    found->second.values = values;
  }
}

Tensor StreamReader::take(const Role& role, const std::vector<int64_t>& shape) {
  Stream& stream = streams_.at(role.name);
  const int64_t left = stream.values.numel() - stream.next;
  int64_t count = 1;
  for (int64_t size : shape) {
    require(size >= 0 && (size == 0 || count <= left / size),
            "{}: it ends within its {} ({} are left).", what_, role.name, left);
    count *= size;
  }
  require(count <= left, "{}: it ends within its {}.", what_, role.name);
  Tensor values = stream.values.narrow(0, stream.next, count).clone().view(shape);
  stream.next += count;
  return values;
}

std::string_view StreamReader::take_bytes(const Role& role, uint64_t count) {
  Stream& stream = streams_.at(role.name);
  require(count <= left(role), "{}: it ends within its {}.", what_, role.name);
  const auto* bytes = reinterpret_cast<const char*>(stream.values.data_ptr<uint8_t>());
  const std::string_view taken(bytes + stream.next, count);
  stream.next += static_cast<int64_t>(count);
  return taken;
}

uint64_t StreamReader::left(const Role& role) const {
  const Stream& stream = streams_.at(role.name);
  return static_cast<uint64_t>(stream.values.numel() - stream.next);
}

void StreamReader::announce_codes(uint64_t count, const std::string& what) {
  const auto bytes = static_cast<uint64_t>(streams_.at(role::kCodes.name).values.numel());
  const uint64_t most = 8 * bytes + kMostUnstored;
  require(count <= most - announced_,
          "{}: {} codes cannot come from the {} bytes of codes in the file.", what, count, bytes);
  announced_ += count;
}

void StreamReader::finish() const {
  for (const auto& [name, stream] : streams_)
    require(stream.next == stream.values.numel(), "{}: {} of its {} belong to nothing.", what_,
            stream.values.numel() - stream.next, name);
}

}  // namespace quantbench
