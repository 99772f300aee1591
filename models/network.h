// The executor: runs a Graph for training and evaluation, with taps where a method has put them. It
// alone decides memory format and compute type.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/batch.h"
#include "base/random.h"
#include "models/graph.h"
#include "models/tap.h"

namespace quantbench {

struct ComputeOptions {
  bool channels_last = true;  // 4-d tensors in NHWC; logits differ in rounding only
  bool bf16 = false;          // autocast of convolutions and matrix products
  // Activations reach their taps larger by this share: what moves then stood on an edge.
  double nudge = 0;
};

class Network : public torch::nn::Module {
 public:
  // Parameters are drawn from `init` (Kaiming uniform as PyTorch's layers, Glorot for graph ones).
  explicit Network(Graph graph, const RandomStream& init = RandomStream(0, "init"));

  const Graph& graph() const { return graph_; }
  ComputeOptions& compute() { return compute_; }

  // Output of the last node: logits [rows, classes].
  Tensor forward(const Batch& batch);

  // The values of all nodes, as a stage of execution that can be cut: runs nodes first..last of the
  // graph; `values` holds what earlier ones gave (undefined entries are not needed any more).
  void run(const Batch& batch, std::vector<Tensor>& values, int first, int last, bool keep = false);

  // The value that a point carries in one evaluation of `batch`, before its tap: used to calibrate.
  // Visits every requested point of each node in order; taps stay in force.
  using Observer = std::function<void(const Point&, const Tensor&, const TapContext&)>;
  Tensor observe(const Batch& batch, const std::vector<Point>& points, const Observer& observer);

  // Puts `tap` at `point` (registered as submodule "taps.<node>.<kind>"), or removes it (nullptr).
  // Throws Error when the node has no such point.
  void set_tap(const Point& point, std::shared_ptr<Tap> tap);
  std::shared_ptr<Tap> tap(const Point& point) const;
  void clear_taps();
  bool has_taps() const { return !taps_.empty(); }
  // While off, the network runs as if there were no taps.
  void enable_taps(bool on) { taps_on_ = on; }
  bool taps_enabled() const { return taps_on_; }

  // A node's own parameter or buffer: "weight", "bias", "running_mean", "att_src", "eps". Undefined
  // when the node has none of that name.
  Tensor parameter(int node, const std::string& name) const;
  bool has_weight(int node) const { return parameter(node, "weight").defined(); }

  // The network's own parameters and buffers (no taps) by PyTorch name, in graph order: what weight
  // files and packages hold.
  std::vector<std::pair<std::string, Tensor>> state() const;

 private:
  Tensor evaluate(int node, const Batch& batch, std::vector<Tensor>& values);
  bool is_observed(const Point& point) const;
  Tensor tapped(const Point& point, const Tensor& x, const TapContext& context);

  Graph graph_;
  ComputeOptions compute_;
  std::vector<std::map<std::string, Tensor>> own_;  // per node
  std::map<Point, std::shared_ptr<Tap>> taps_;
  std::vector<int> last_use_;  // per node: the last node that reads its value
  std::vector<Rows> rows_;     // per node: what a row of its value is
  bool taps_on_ = true;
  const std::vector<Point>* observed_ = nullptr;
  const Observer* observer_ = nullptr;
};

}  // namespace quantbench
