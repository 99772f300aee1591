// The plug-in interface of quantbench: a quantization method takes part in a run at fixed moments,
//
//   plan -> attach -> for each phase: { epochs of steps, with hooks } -> freeze -> encode
//
// and never knows a dataset, a concrete network, the store or the command line.
//
// plan() is the moment that may be long; its outcome is the method's own state (saved with every
// checkpoint), from which attach() builds the quantizers again when a run resumes. Nothing of a
// method outlives a checkpoint but save() and the network's parameters and buffers (taps included),
// so whatever a hook or begin_phase() changes has to be in one of the two.
//
// Registration is one macro in the method's own .cpp:  QUANTBENCH_METHOD(card, Class)
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/random.h"
#include "base/registry.h"
#include "methods/quantizer.h"
#include "methods/site.h"
#include "methods/training.h"
#include "models/network.h"

namespace quantbench {

struct MethodCard {
  std::string name;
  int version = 1;  // raised by every change of the method's numbers; versions are never pooled
  std::string title, paper, arxiv;
  int year = 0;
  std::string quantizes;  // "weights, activations"
  std::vector<Option> options;
};

// What a method may look at before and after training.
struct MethodContext {
  Network& network;
  const std::vector<Batch>& calibration;  // training images without augmentation, with targets
  RandomStream random;                    // the run's "method" stream
  // Mean loss of a batch under the current network, differentiable twice (no hooks, no loss term).
  std::function<Tensor(const Batch&)> loss;
  std::function<void(const std::string&)> log;  // one line for the person who watches
};

// Where training stands, for hooks.
struct Progress {
  int phase = 0;
  int64_t epoch = 0, epochs = 0;              // within the phase
  int64_t step = 0, steps = 0;                // within the epoch
  int64_t global_epoch = 0, global_step = 0;  // since the first phase began
  double learning_rate = 0;                   // of the first group, at this step
  RandomStream random{0, "hooks"};            // a stream of its own for each global step
};

// One evaluation at the end of an epoch, on the validation split.
struct EpochReport {
  Progress progress;
  double train_loss = 0, validation_loss = 0, validation_top1 = 0;
};

struct EpochVerdict {
  std::string keep;  // a name: the trainer and its checkpoints keep this state (Pareto fronts)
  std::vector<std::string> drop;  // kept states that are dominated now
  bool end_phase = false;
  std::string next_phase;  // with end_phase, the name of a later phase to go on with; "": the next
};

// A method's own numbers beside the network's and the quantizers'.
struct MethodState {
  nlohmann::json values = nlohmann::json::object();
  std::map<std::string, Tensor> tensors;
};

// Named numbers in a method's own measure ("ebops").
using Figures = std::vector<std::pair<std::string, double>>;

// What one weight or bias adds to the size by the paper's own convention.
struct PaperSize {
  double bits = 0;
  int64_t parameters = 0;  // counted; 0: the paper leaves this one out
};

class Method {
 public:
  virtual ~Method() = default;

  // Decides what goes where; calibration ranges, bit allocation. Taps are not there yet.
  virtual void plan(MethodContext&) {}
  // Puts quantizers on the network from the state that plan() or load() left. Cheap, deterministic.
  virtual void attach(Network& network) = 0;

  // The training phases, given the recipe's budget; none: post-training. Called after attach(), and
  // again after each begin_phase(), so that the groups name the tensors of that moment: the names
  // and epochs of the phases are the same each time.
  virtual std::vector<Phase> phases(Network& network, const TrainingBudget& budget);

  // Called once, when a phase begins; not when a run resumes inside it. May look at data, replace
  // taps, give tensors of the state another shape.
  virtual void begin_phase(MethodContext&, int) {}

  // Hooks. after_backward sees the gradients, after_step the new parameters. before_evaluation
  // comes before each evaluation of an epoch on the validation split; what it changes stays.
  virtual void before_step(Network&, const Progress&) {}
  virtual Tensor loss_term(Network&, const Progress&) { return {}; }  // undefined: none
  virtual void after_backward(Network&, const Progress&) {}
  virtual void after_step(Network&, const Progress&) {}
  virtual void before_evaluation(MethodContext&, const Progress&) {}
  virtual EpochVerdict after_epoch(Network&, const EpochReport&) { return {}; }

  // After the last phase: ranges fixed, soft functions hardened, statistics estimated again. Called
  // again for each kept state, once it is back in the network.
  virtual void freeze(MethodContext&) {}

  // What the state that freeze() saw last is and costs, beside accuracy and size. The first one is
  // the cost over which the front of the kept states is drawn; without any it is the size.
  virtual Figures figures() const { return {}; }

  // What the weight or bias ships as. The default asks the Quantizer that sits on it.
  virtual Encoding encode(const Network& network, const Site& site) const;
  virtual Format format(const Network& network, const Site& site) const;

  // What a weight or bias, encoded so, adds to the size that the method's paper reports. The
  // default counts the code bits of every weight (FP32 ones at 32) and no bias.
  virtual PaperSize paper_size(const Site& site, const Encoding& encoding) const;

  // State for checkpoints, complete after plan(). Network, taps and optimizers are saved for it.
  virtual MethodState save() const { return {}; }
  virtual void load(const MethodState&) {}

  // Named texts that belong to the result (a bit allocation with its inputs): name -> content.
  virtual std::map<std::string, std::string> artefacts() const { return {}; }
};

struct MethodEntry {
  MethodCard card;
  std::function<std::unique_ptr<Method>(const OptionValues&)> make;
};

Registry<MethodEntry>& methods();

template <typename Class>
bool register_method(MethodCard card) {
  std::string name = card.name;
  return methods().add(name, {std::move(card), [](const OptionValues& options) {
                                return std::unique_ptr<Method>(new Class(options));
                              }});
}

#define QUANTBENCH_METHOD(card, Class) \
  static const bool quantbench_method_registered = ::quantbench::register_method<Class>(card)

}  // namespace quantbench
