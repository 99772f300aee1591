#include "tests/bench/fake_methods.h"

#include <algorithm>
#include <set>

#include "base/interrupt.h"
#include "models/batch_norm.h"
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

int kill_at = 0;
Guillotine::Way kill_how = Guillotine::Way::Kill;
std::vector<std::string> moments_seen;

// A method whose every call is a moment.
class Watched : public Method {
 public:
  explicit Watched(std::unique_ptr<Method> inner) : inner_(std::move(inner)) {}

  void plan(MethodContext& c) override {
    Guillotine::moment("plan");
    MethodContext watched{c.network, c.calibration, c.random,
                          [&c](const Batch& batch) {
                            Guillotine::moment("loss");
                            return c.loss(batch);
                          },
                          [&c](const std::string& line) {
                            Guillotine::moment("log");
                            c.log(line);
                          }};
    inner_->plan(watched);
    Guillotine::moment("after plan");
  }
  void attach(Network& n) override {
    Guillotine::moment("attach");
    inner_->attach(n);
  }
  std::vector<Phase> phases(Network& n, const TrainingBudget& b) override {
    Guillotine::moment("phases");
    return inner_->phases(n, b);
  }
  void begin_phase(MethodContext& c, int phase) override {
    Guillotine::moment("begin_phase");
    inner_->begin_phase(c, phase);
    Guillotine::moment("after begin_phase");
  }
  void before_step(Network& n, const Progress& p) override {
    Guillotine::moment("before_step");
    inner_->before_step(n, p);
  }
  Tensor loss_term(Network& n, const Progress& p) override { return inner_->loss_term(n, p); }
  void after_backward(Network& n, const Progress& p) override {
    Guillotine::moment("after_backward");
    inner_->after_backward(n, p);
  }
  void after_step(Network& n, const Progress& p) override {
    inner_->after_step(n, p);
    Guillotine::moment("after_step");
  }
  void before_evaluation(MethodContext& c, const Progress& p) override {
    inner_->before_evaluation(c, p);
    Guillotine::moment("before_evaluation");
  }
  EpochVerdict after_epoch(Network& n, const EpochReport& r) override {
    EpochVerdict verdict = inner_->after_epoch(n, r);
    Guillotine::moment("after_epoch");
    return verdict;
  }
  void freeze(MethodContext& c) override {
    Guillotine::moment("freeze");
    inner_->freeze(c);
    Guillotine::moment("after freeze");
  }
  Figures figures() const override {
    Guillotine::moment("figures");
    return inner_->figures();
  }
  Encoding encode(const Network& n, const Site& s) const override { return inner_->encode(n, s); }
  Format format(const Network& n, const Site& s) const override { return inner_->format(n, s); }
  PaperSize paper_size(const Site& s, const Encoding& e) const override {
    Guillotine::moment("paper_size");
    return inner_->paper_size(s, e);
  }
  MethodState save() const override {
    Guillotine::moment("save");
    return inner_->save();
  }
  void load(const MethodState& state) override {
    Guillotine::moment("load");
    inner_->load(state);
  }
  std::map<std::string, std::string> artefacts() const override { return inner_->artefacts(); }

 private:
  std::unique_ptr<Method> inner_;
};

struct Replacing : Tap {
  Tensor value;  // what the weight is instead
  Tensor forward(const Tensor& x, const TapContext&) override {
    return value.defined() ? value.view_as(x) : x;
  }
};

std::vector<Phase> split(const std::vector<std::string>& names, const TrainingBudget& budget,
                         const std::vector<ParameterGroup>& groups) {
  std::vector<Phase> out;
  for (const std::string& name : names) {
    Phase phase;
    phase.name = name;
    phase.epochs = budget.epochs;
    phase.groups = groups;
    phase.schedule = budget.schedule;
    out.push_back(phase);
  }
  return out;
}

// Weights made of planes; each phase drops one, so the parameters lose a row. The last phase goes
// on with the optimizer of the one before, which has rows of the same number.
class Planes : public Method {
 public:
  explicit Planes(const OptionValues&) {}

  void attach(Network& network) override {
    for (const Site& site : weight_sites(network.graph())) {
      auto tap = std::make_shared<PlaneTap>();
      const Tensor weight = network.parameter(site.point.node, "weight").detach();
      tap->planes = tap->register_parameter(
          "planes", weight.flatten().unsqueeze(0).expand({count_, -1}).clone() / count_);
      network.set_tap(site.point, tap);
    }
  }
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override {
    ParameterGroup planes{"planes", {}, budget.optimizer};
    for (const auto& module : network.children())
      planes.parameters.push_back(std::dynamic_pointer_cast<PlaneTap>(module)->planes);
    auto out = split({"three", "two", "two-again"}, budget, {planes});
    out[2].keep_optimizer = true;
    return out;
  }
  void begin_phase(MethodContext& context, int phase) override {
    if (phase != 1) return;
    const torch::NoGradGuard no_grad;
    --count_;
    std::map<Point, Tensor> kept;
    for (const Site& site : weight_sites(context.network.graph())) {
      const Tensor all =
          std::dynamic_pointer_cast<PlaneTap>(context.network.tap(site.point))->planes.detach();
      kept[site.point] = all.slice(0, 0, count_) + all.slice(0, count_) / count_;
    }
    attach(context.network);
    for (const auto& [point, planes] : kept)
      std::dynamic_pointer_cast<PlaneTap>(context.network.tap(point))->planes.copy_(planes);
  }
  EpochVerdict after_epoch(Network&, const EpochReport& report) override {
    // One state of each number of planes.
    EpochVerdict verdict;
    if (report.progress.epoch == 0) verdict.keep = "planes-" + std::to_string(count_);
    return verdict;
  }
  void freeze(MethodContext& context) override {
    const torch::NoGradGuard no_grad;
    for (const Site& site : weight_sites(context.network.graph())) {
      Tensor weight = context.network.parameter(site.point.node, "weight");
      weight.copy_(context.network.tap(site.point)->forward(weight, {Batch{}}));
    }
    context.network.clear_taps();
  }
  Figures figures() const override { return {{"planes", count_}}; }
  MethodState save() const override {
    MethodState state;
    state.values["count"] = count_;
    return state;
  }
  void load(const MethodState& state) override { count_ = state.values.at("count"); }

 private:
  struct PlaneTap : Tap {
    Tensor planes;
    Tensor forward(const Tensor& x, const TapContext&) override { return planes.sum(0).view_as(x); }
  };
  int count_ = 3;
};

// Weights are leaves that the method makes and steps itself, by their gradients and a momentum of
// its own; rounds of phases that end early, the last of them left for the polishing.
class Rounds : public Method {
 public:
  explicit Rounds(const OptionValues&) {}

  void plan(MethodContext& context) override {
    for (const Site& site : weight_sites(context.network.graph())) {
      state_.tensors[site.name] =
          context.network.parameter(site.point.node, "weight").detach() * 1.0;
      state_.tensors["momentum " + site.name] = torch::zeros_like(state_.tensors[site.name]);
      context.log("planned " + site.name);
    }
    state_.values["rounds"] = 0;
  }
  void attach(Network& network) override {
    taps_.clear();
    for (const Site& site : weight_sites(network.graph())) {
      network.set_tap(site.point, taps_[site.name] = std::make_shared<Replacing>());
      compose(site.name);
    }
  }
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override {
    ParameterGroup biases{"biases", {}, budget.optimizer};
    for (const Site& site : bias_sites(network.graph()))
      biases.parameters.push_back(network.parameter(site.point.node, "bias"));
    return split({"round-1", "round-2", "round-3", "polish"}, budget, {biases});
  }
  void begin_phase(MethodContext&, int) override {
    for (const auto& [name, tap] : taps_) state_.tensors["momentum " + name].mul_(0.5);
  }
  void after_backward(Network&, const Progress& progress) override {
    const torch::NoGradGuard no_grad;
    for (const auto& [name, tap] : taps_) {
      Tensor& momentum = state_.tensors["momentum " + name];
      momentum.mul_(0.9).add_(tap->value.grad());
      state_.tensors[name].sub_(momentum, 0.1 * progress.learning_rate);
      compose(name);
    }
  }
  EpochVerdict after_epoch(Network&, const EpochReport& report) override {
    EpochVerdict verdict;
    if (report.progress.phase == 3) return verdict;
    const int rounds = state_.values["rounds"].get<int>() + 1;
    state_.values["rounds"] = rounds;
    verdict.end_phase = true;
    if (rounds == 2) verdict.next_phase = "polish";
    return verdict;
  }
  void freeze(MethodContext& context) override {
    const torch::NoGradGuard no_grad;
    for (const Site& site : weight_sites(context.network.graph()))
      context.network.parameter(site.point.node, "weight").copy_(state_.tensors[site.name]);
    context.network.clear_taps();
  }
  MethodState save() const override { return state_; }
  void load(const MethodState& state) override { state_ = state; }

 private:
  void compose(const std::string& name) {
    taps_.at(name)->value = state_.tensors.at(name).detach().clone().set_requires_grad(true);
  }
  MethodState state_;
  std::map<std::string, std::shared_ptr<Replacing>> taps_;
};

// Weights under masks that are drawn anew in every step; BatchNorm estimated before evaluations.
class Masks : public Method {
 public:
  explicit Masks(const OptionValues&) {}

  void attach(Network& network) override {
    taps_.clear();
    for (const Site& site : weight_sites(network.graph()))
      network.set_tap(site.point, taps_.emplace_back(std::make_shared<MaskTap>()));
  }
  void before_step(Network&, const Progress& progress) override {
    for (size_t i = 0; i < taps_.size(); ++i) taps_[i]->random = progress.random.child(i);
    mean_rate_ += progress.learning_rate * static_cast<double>(progress.global_step + 1);
  }
  void before_evaluation(MethodContext& context, const Progress&) override {
    reestimate_batch_norm(context.network, context.calibration);
  }
  void freeze(MethodContext& context) override {
    reestimate_batch_norm(context.network, context.calibration);
    context.network.clear_taps();
  }
  Figures figures() const override { return {{"rates", mean_rate_}}; }
  MethodState save() const override {
    MethodState state;
    state.values["rates"] = mean_rate_;
    return state;
  }
  void load(const MethodState& state) override { mean_rate_ = state.values.at("rates"); }

 private:
  struct MaskTap : Tap {
    RandomStream random{0, "none"};
    Tensor forward(const Tensor& x, const TapContext&) override {
      if (!is_training()) return x;
      Tensor mask = torch::empty(x.sizes());
      float* to = mask.data_ptr<float>();
      for (int64_t i = 0; i < mask.numel(); ++i)
        to[i] = random.uniform(static_cast<uint64_t>(i)) < 0.8 ? 1.25f : 0.0f;
      return x * mask;
    }
  };
  std::vector<std::shared_ptr<MaskTap>> taps_;
  double mean_rate_ = 0;
};

template <typename Class>
bool fake(const std::string& name) {
  MethodCard card;
  card.name = name;
  return methods().add(name, {card, [](const OptionValues& options) {
                                return std::make_unique<Watched>(std::make_unique<Class>(options));
                              }});
}

const bool fakes =
    fake<Planes>("fake_planes") && fake<Rounds>("fake_rounds") && fake<Masks>("fake_masks");

Graph tiny(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("fake_tiny", input.shape, input.class_count);
  int x = g.conv("conv1", g.input(), 4, 3, {4, 0});
  x = g.dropout("drop", g.relu("relu1", g.batch_norm("bn1", x)), 0.1);
  x = g.relu("relu2", g.conv("conv2", x, 4, 3, {2, 0}));
  g.linear("fc", g.global_avg_pool("pool", x), input.class_count);
  return std::move(g).build();
}

QUANTBENCH_MODEL(tiny, (ModelEntry{"fake_tiny", "for tests of the trainer", "", false, {}, tiny}));

}  // namespace

void Guillotine::set(int moment, Way way) {
  kill_at = moment;
  kill_how = way;
  moments_seen.clear();
}

const std::vector<std::string>& Guillotine::seen() { return moments_seen; }

void Guillotine::moment(const char* kind) {
  moments_seen.emplace_back(kind);
  if (static_cast<int>(moments_seen.size()) != kill_at) return;
  if (kill_how == Way::Kill) throw Cut{};
  request_interrupt();
}

std::vector<int> Guillotine::of_every_kind() {
  std::map<std::string, std::vector<int>> by_kind;
  for (size_t i = 0; i < moments_seen.size(); ++i)
    by_kind[moments_seen[i]].push_back(static_cast<int>(i) + 1);
  std::set<int> out;
  for (const auto& [kind, at] : by_kind) out.insert({at.front(), at[at.size() / 2], at.back()});
  return {out.begin(), out.end()};
}

void register_cut(const std::string& method) {
  const std::vector<std::string> known = methods().names();
  if (std::find(known.begin(), known.end(), "cut_" + method) != known.end()) return;
  MethodEntry entry = methods().get(method);
  entry.card.name = "cut_" + method;
  const auto make = entry.make;
  entry.make = [make](const OptionValues& options) {
    return std::make_unique<Watched>(make(options));
  };
  methods().add(entry.card.name, entry);
}

}  // namespace quantbench
