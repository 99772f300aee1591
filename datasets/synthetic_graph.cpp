// A stochastic block model with a given number of edges (Holland, Laskey and Leinhardt 1983): nodes
// of a class are linked more often, and carry noisy copies of the class's feature pattern.
#include "datasets/node_graph.h"

namespace quantbench {
namespace {

struct Settings {
  int64_t nodes, classes, features, train_per_class, validation;
  double degree, homophily, noise;
};

Settings settings_of(const OptionValues& options) {
  Settings out{options.integer("nodes"),      options.integer("classes"),
               options.integer("features"),   options.integer("train_per_class"),
               options.integer("validation"), options.real("degree"),
               options.real("homophily"),     options.real("noise")};
  const int64_t taken = out.classes * out.train_per_class + out.validation;
  require(out.nodes >= 2 * out.classes && taken < out.nodes,
          "Dataset synthetic_graph: {} nodes are too few for {} classes, {} training nodes of each "
          "and {} validation nodes; raise option nodes.",
          out.nodes, out.classes, out.train_per_class, out.validation);
  return out;
}

// Node v has class v % classes. The other end of an edge is of the same class with probability
// `homophily`, else of any other class.
std::shared_ptr<const Topology> draw_edges(const Settings& s, const RandomStream& random) {
  const int64_t count = static_cast<int64_t>(static_cast<double>(s.nodes) * s.degree / 2);
  auto below = [](const RandomStream& stream, uint64_t counter, int64_t bound) {
    return static_cast<int64_t>(stream.below(counter, static_cast<uint64_t>(bound)));
  };
  std::vector<std::pair<int64_t, int64_t>> edges;
  for (int64_t i = 0; i < count; ++i) {
    const RandomStream own = random.child(static_cast<uint64_t>(i));
    const int64_t from = below(own, 0, s.nodes);
    int64_t other_class = from % s.classes;
    if (own.uniform(1) >= s.homophily)
      other_class = (other_class + 1 + below(own, 2, s.classes - 1)) % s.classes;
    const int64_t members = (s.nodes - other_class + s.classes - 1) / s.classes;
    edges.emplace_back(from, other_class + s.classes * below(own, 3, members));
  }
  return undirected(s.nodes, std::move(edges));
}

// Each class has a random pattern of 0 and 1; a node's features are its pattern plus noise.
Tensor draw_features(const Settings& s, const RandomStream& random) {
  Tensor out = torch::empty({s.nodes, s.features});
  float* value = out.data_ptr<float>();
  const RandomStream patterns = random.child(0), noise = random.child(1);
  uint64_t counter = 0;
  for (int64_t node = 0; node < s.nodes; ++node) {
    const RandomStream pattern = patterns.child(static_cast<uint64_t>(node % s.classes));
    for (int64_t feature = 0; feature < s.features; ++feature)
      *value++ = static_cast<float>(pattern.below(static_cast<uint64_t>(feature), 2)) +
                 static_cast<float>(s.noise * noise.normal(counter++));
  }
  return out;
}

std::unique_ptr<Dataset> open(const DatasetConfig& config) {
  const Settings s = settings_of(config.options);
  const RandomStream random(static_cast<uint64_t>(config.options.integer("data_seed")),
                            "synthetic");
  NodeGraph graph;
  graph.class_count = s.classes;
  graph.topology = draw_edges(s, random.child(0));
  graph.features = draw_features(s, random.child(1));
  graph.labels = torch::arange(s.nodes, torch::kLong).remainder(s.classes);
  const int64_t training = s.classes * s.train_per_class;
  for (int64_t node = 0; node < s.nodes; ++node)
    (node < training                  ? graph.train
     : node < training + s.validation ? graph.validation
                                      : graph.test)
        .push_back(node);
  graph.fingerprint = synthetic_fingerprint("synthetic_graph", 1, config.options);
  graph.preprocessing = "none; undirected edges without self-loops and duplicates";
  return node_dataset(std::move(graph));
}

DatasetEntry entry() {
  DatasetEntry made;
  made.name = "synthetic_graph";
  made.help = "nodes of a stochastic block model, made on the spot: nothing to download";
  made.graphs = true;
  made.options = {
      Option::integer("nodes", 1000, 4, 1000000, "nodes"),
      Option::integer("classes", 5, 2, 100, "classes, of equal size"),
      Option::integer("features", 32, 1, 10000, "features of a node"),
      Option::integer("train_per_class", 20, 1, 100000, "training nodes of each class"),
      Option::integer("validation", 200, 1, 1000000, "validation nodes; the rest is for testing"),
      Option::real("degree", 6, 0, 1000, "mean number of neighbours"),
      Option::real("homophily", 0.75, 0, 1, "share of edges within a class"),
      Option::real("noise", 1.5, 0, 100, "deviation of the noise on features of 0 and 1"),
      Option::integer("data_seed", 0, 0, int64_t{1} << 31, "seed of the graph")};
  made.open = open;
  return made;
}

}  // namespace

QUANTBENCH_DATASET(entry());

}  // namespace quantbench
