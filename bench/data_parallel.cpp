#include "bench/data_parallel.h"

#include <cstring>

#include "base/error.h"
#include "base/interrupt.h"
#include "bench/output.h"
#include "bench/watchdog.h"

namespace quantbench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr auto kFirstPause = std::chrono::milliseconds(1);   // between two looks at the board,
constexpr auto kLastPause = std::chrono::milliseconds(250);  // which come ever more seldom
constexpr auto kLongestPause = std::chrono::seconds(10);     // between two signs of life
constexpr auto kLinger = std::chrono::seconds(5);            // for others to read the last words
constexpr int64_t kLargestStatistic = 64 << 10;              // bytes
constexpr char kOk[] = "ok", kStopped[] = "stopped ", kFailed[] = "failed ";

class Pause {
 public:
  void operator()() {
    std::this_thread::sleep_for(next_);
    next_ = std::min<std::chrono::milliseconds>(2 * next_, kLastPause);
  }

 private:
  std::chrono::milliseconds next_ = kFirstPause;
};

// Without the place in Gloo's sources that it begins with.
std::string sentence_of_c10d(const std::exception& failure) {
  const std::string all = sentence_of(failure);
  const size_t end = all.rfind('[', 0) == 0 ? all.find("] ") : std::string::npos;
  return end == std::string::npos ? all : all.substr(end + 2);
}

std::string words_of(const std::exception& why) {
  return (dynamic_cast<const Interrupted*>(&why) ? kStopped : kFailed) + sentence_of(why);
}

// Any tensor as its bytes.
Tensor bytes_of(const Tensor& x) {
  return x.detach().to(torch::kCPU).contiguous().reshape({-1}).view(torch::kUInt8);
}

Tensor joined_bytes(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> all;
  for (const Tensor& tensor : tensors) all.push_back(bytes_of(tensor));
  return torch::cat(all);
}

void copy_bytes(const Tensor& bytes, const std::vector<Tensor>& tensors) {
  const torch::NoGradGuard no_grad;
  int64_t at = 0;
  for (Tensor tensor : tensors) {
    const int64_t size = static_cast<int64_t>(tensor.nbytes());
    Tensor values = torch::empty(tensor.sizes(), tensor.scalar_type());
    if (size > 0)
      std::memcpy(values.data_ptr(), bytes.data_ptr<uint8_t>() + at, static_cast<size_t>(size));
    tensor.copy_(values);
    at += size;
  }
}

std::vector<Tensor> values_of(const NamedTensors& tensors) {
  std::vector<Tensor> out;
  for (const auto& [name, tensor] : tensors) out.push_back(tensor);
  return out;
}

}  // namespace

DataParallel::DataParallel(std::unique_ptr<ProcessGroup> group, std::chrono::seconds patience)
    : group_(std::move(group)), patience_(patience) {
  if (leads()) heart_ = std::thread([this] { beat(); });
}

DataParallel::~DataParallel() {
  try {
    finish(1);
  } catch (const std::exception&) {  // whom should it tell?
  }
  if (!heart_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  heart_.join();
}

void DataParallel::beat() {
  const auto pause = std::min<std::chrono::milliseconds>(patience_ / 4, kLongestPause);
  std::unique_lock lock(mutex_);
  try {
    for (int64_t count = 0; !over_; ++count) {
      group_->put("alive", std::to_string(count));
      changed_.wait_for(lock, pause);
    }
  } catch (const std::exception&) {  // the board has gone, which the next call will say
  }
}

template <typename Call>
void DataParallel::together(Call call) {
  std::string problem;
  try {
    call();
    return;
  } catch (const std::exception& failure) {
    problem = sentence_of_c10d(failure);
  }
  std::optional<std::string> words;
  try {
    words = group_->look("leaves");
  } catch (const std::exception&) {  // the board has gone as well
  }
  if (words) pass_on(*words);
  fail("Another of the {} processes ended or does not answer; process {} stops, too ({}).", size(),
       rank(), problem);
}

void DataParallel::pass_on(const std::string& words) {
  if (words.rfind(kStopped, 0) == 0) throw Interrupted(words.substr(sizeof(kStopped) - 1));
  throw Error(words.substr(sizeof(kFailed) - 1));
}

std::string DataParallel::wait_for(const std::string& key) {
  Watchdog watchdog(
      patience_,
      fmt::format("Process 0 of {} does not answer; process {} stops, too.", size(), rank()));
  std::string seen;
  Pause pause;
  for (int64_t round = 0;; ++round) {
    std::optional<std::string> text;
    try {
      text = group_->look(key);
      if (const auto alive = round % 8 ? std::nullopt : group_->look("alive");
          alive && *alive != seen) {
        seen = *alive;
        watchdog.renew();
      }
    } catch (const std::exception& failure) {
      fail("Process 0 of {} has gone; process {} stops, too ({}).", size(), rank(),
           sentence_of(failure));
    }
    if (text) return *text;
    pause();
  }
}

Tensor DataParallel::sum_flat(const Tensor& flat) {
  const int64_t count = flat.numel(), share = (count + size() - 1) / size();
  Tensor rows = torch::zeros({size(), share}, flat.options());
  rows.view({-1}).narrow(0, 0, count).copy_(flat);
  Tensor out;
  together([&] {
    const Tensor mine = group_->exchange(rows);
    Tensor sum = mine[0].clone();
    for (int i = 1; i < size(); ++i) sum.add_(mine[i]);
    out = torch::cat(group_->gather(sum)).narrow(0, 0, count);
  });
  return out;
}

Tensor DataParallel::sum(const Tensor& table) {
  const torch::NoGradGuard no_grad;
  return sum_flat(table.reshape({-1})).view(table.sizes());
}

void DataParallel::add_up(const std::vector<Tensor>& tensors, const std::vector<Tensor*>& numbers) {
  const torch::NoGradGuard no_grad;
  // By type, and which have a gradient at all, in one float each.
  std::map<torch::ScalarType, std::vector<Tensor>> pieces, learning;
  std::vector<float> has;
  for (const Tensor& tensor : tensors) {
    if (!tensor.requires_grad()) continue;
    const Tensor& gradient = tensor.grad();
    has.push_back(gradient.defined() ? 1 : 0);
    learning[tensor.scalar_type()].push_back(tensor);
    pieces[tensor.scalar_type()].push_back(
        (gradient.defined() ? gradient : torch::zeros_like(tensor)).reshape({-1}).to(torch::kCPU));
  }
  has.push_back(interrupt_requested() ? 1 : 0);
  std::vector<Tensor>& floats = pieces[torch::kFloat];
  floats.push_back(torch::tensor(has));
  for (const Tensor* number : numbers)
    floats.push_back(number->detach().reshape({1}).to(torch::kCPU, torch::kFloat));

  std::map<torch::ScalarType, Tensor> sums;
  for (const auto& [type, all] : pieces) sums[type] = sum_flat(torch::cat(all));

  int64_t of_gradients = 0;
  for (const Tensor& tensor : learning[torch::kFloat]) of_gradients += tensor.numel();
  const auto extras = static_cast<int64_t>(has.size() + numbers.size());
  const Tensor extra = sums[torch::kFloat].narrow(0, of_gradients, extras);
  const float* agreed = extra.data_ptr<float>();
  std::map<torch::ScalarType, int64_t> at;
  size_t index = 0;
  for (const Tensor& tensor : tensors) {
    if (!tensor.requires_grad()) continue;
    int64_t& first = at[tensor.scalar_type()];
    const Tensor whole = sums[tensor.scalar_type()].narrow(0, first, tensor.numel());
    first += tensor.numel();
    if (agreed[index++] == 0) continue;
    Tensor& gradient = tensor.mutable_grad();
    if (!gradient.defined()) gradient = torch::empty_like(tensor);
    gradient.copy_(whole.view(tensor.sizes()));
  }
  stop_ = stop_ || agreed[index] > 0;
  for (size_t i = 0; i < numbers.size(); ++i)
    *numbers[i] = extra[static_cast<int64_t>(has.size() + i)].clone();
}

void DataParallel::keep_statistics(torch::nn::Module& network) {
  NamedTensors statistics;  // by name, for taps may be registered in another order elsewhere
  for (const auto& buffer : network.named_buffers()) {
    const bool of_tap = buffer.key().rfind("taps.", 0) == 0;
    if (!buffer.value().defined()) continue;
    if (of_tap && static_cast<int64_t>(buffer.value().nbytes()) > kLargestStatistic) continue;
    statistics[buffer.key()] = buffer.value();
  }
  if (statistics.empty()) return;
  Tensor bytes = joined_bytes(values_of(statistics));
  together([&] { group_->broadcast(bytes); });
  if (!leads()) copy_bytes(bytes, values_of(statistics));
}

void DataParallel::send(std::string& text) {
  Tensor length = torch::tensor({static_cast<int64_t>(text.size())}, torch::kLong);
  together([&] { group_->broadcast(length); });
  text.resize(static_cast<size_t>(length.item<int64_t>()));
  if (text.empty()) return;
  Tensor bytes = torch::from_blob(text.data(), {length.item<int64_t>()}, torch::kUInt8);
  together([&] { group_->broadcast(bytes); });
}

void DataParallel::send(NamedTensors& tensors) {
  Json list = Json::array();
  for (const auto& [name, tensor] : tensors)
    list.push_back({name, static_cast<int>(tensor.scalar_type()), tensor.sizes().vec()});
  std::string text = list.dump();
  send(text);
  if (!leads()) {
    tensors.clear();
    for (const auto& one : Json::parse(text))
      tensors[one.at(0)] = torch::empty(one.at(2).get<std::vector<int64_t>>(),
                                        static_cast<torch::ScalarType>(one.at(1).get<int>()));
  }
  if (tensors.empty()) return;
  Tensor bytes = joined_bytes(values_of(tensors));
  together([&] { group_->broadcast(bytes); });
  if (!leads()) copy_bytes(bytes, values_of(tensors));
}

void DataParallel::send(SavedState& state) {
  send(state.network);
  send(state.method.tensors);
  std::string values = state.method.values.dump();
  send(values);
  if (!leads()) state.method.values = Json::parse(values);
}

void DataParallel::send_state(torch::nn::Module& network) {
  NamedTensors state;
  if (leads()) state = snapshot(network);
  send(state);
  if (!leads()) restore(network, state);
}

void DataParallel::first(const std::function<void()>& work) {
  const std::string key = fmt::format("turn/{}", turns_++);
  if (!leads()) {
    const std::string words = wait_for(key);
    if (words != kOk) pass_on(words);
    return;
  }
  try {
    work();
  } catch (const std::exception& why) {
    group_->put(key, words_of(why));
    throw;
  }
  group_->put(key, kOk);
}

void DataParallel::require_equal(const std::string& digest, const std::string& when) {
  std::vector<Tensor> all;
  const Tensor mine = torch::from_blob(const_cast<char*>(digest.data()),
                                       {static_cast<int64_t>(digest.size())}, torch::kUInt8);
  together([&] { all = group_->gather(mine.clone()); });
  std::string others;
  for (size_t i = 1; i < all.size(); ++i)
    if (!torch::equal(all[i], all[0])) others += fmt::format("{}{}", others.empty() ? "" : ", ", i);
  require(others.empty(),
          "The processes are no longer equal {}: {} of {} differ(s) from process 0. They must run "
          "the same program on processors of one kind, with a method that keeps no state of its "
          "own of the samples that it saw.",
          when, others, size());
}

void DataParallel::start(const std::string& work) {
  const int64_t number = works_++;
  group_->put(fmt::format("work/{}", number), "work " + work);
  std::string problem;
  const auto until = Clock::now() + patience_;
  for (int other = 1; other < size(); ++other) {
    const std::string key = fmt::format("ready/{}/{}", number, other);
    std::optional<std::string> answer;
    Pause pause;
    while (!(answer = group_->look(key)) && Clock::now() < until && !interrupt_requested()) pause();
    if (!answer && !interrupt_requested()) answer = "it does not answer.";
    if (answer && !answer->empty() && problem.empty())
      problem = fmt::format("{}Process {} of {} cannot begin: {}", kFailed, other, size(), *answer);
  }
  if (problem.empty() && interrupt_requested())
    problem = std::string(kStopped) + "Stopped on request, before it began.";
  group_->put(fmt::format("go/{}", number), problem.empty() ? kOk : problem);
  if (!problem.empty()) pass_on(problem);
}

std::optional<std::string> DataParallel::next() {
  const std::string text = wait_for(fmt::format("work/{}", works_++));
  if (text.rfind("work ", 0) == 0) return text.substr(5);
  exit_code_ = std::stoi(text);
  finished_ = true;
  group_->put(fmt::format("gone/{}", rank()), "");
  return std::nullopt;
}

void DataParallel::answer(const std::string& problem) {
  group_->put(fmt::format("ready/{}/{}", works_ - 1, rank()), problem);
  const std::string words = wait_for(fmt::format("go/{}", works_ - 1));
  if (words != kOk) pass_on(words);
}

void DataParallel::leave(const std::exception& why) {
  try {
    if (!group_->look("leaves")) group_->put("leaves", words_of(why));
    group_->close();
  } catch (const std::exception&) {  // the board has gone: so have the others
  }
}

void DataParallel::finish(int exit_code) {
  if (finished_) return;
  finished_ = true;
  if (!leads()) {
    group_->put(fmt::format("gone/{}", rank()), "");
    return;
  }
  group_->put(fmt::format("work/{}", works_), std::to_string(exit_code));
  const auto until = Clock::now() + kLinger;
  Pause pause;
  for (int other = 1; other < size(); ++other)
    while (!group_->look(fmt::format("gone/{}", other)) && Clock::now() < until) pause();
}

}  // namespace quantbench
