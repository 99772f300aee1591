// Graph networks with the parameter names of PyTorch Geometric's layers.
#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

using op::Reduce;

// Kipf & Welling 2017, eq. 2: normalised propagation of x W, then the bias.
int gcn_layer(GraphBuilder& g, const std::string& name, int x, int64_t out) {
  g.block(name);
  x = g.linear(name + ".lin", x, out, false);
  x = g.node(name + ".propagate", op::Propagate{Reduce::Gcn, true}, {x});
  return g.node(name + ".update", op::Bias{out}, {x}, name);
}

Graph gcn2(const ModelInput& input, const OptionValues& options) {
  GraphBuilder g("gcn2", input.shape, input.class_count);
  const double p = options.real("dropout");
  int x = g.dropout("dropout1", g.input(), p);
  x = g.relu("relu1", gcn_layer(g, "conv1", x, options.integer("hidden")));
  gcn_layer(g, "conv2", g.dropout("dropout2", x, p), input.class_count);
  return std::move(g).build();
}

// Velickovic et al. 2018, eq. 1-6.
int gat_layer(GraphBuilder& g, const std::string& name, int x, int64_t heads, int64_t features,
              bool concat, double dropout) {
  g.block(name);
  x = g.linear(name + ".lin", x, heads * features, false);
  x = g.node(name + ".attention", op::Attention{heads, features, 0.2, dropout, concat}, {x}, name);
  return g.node(name + ".update", op::Bias{g.size(x, 0)}, {x}, name);
}

Graph gat2(const ModelInput& input, const OptionValues& options) {
  GraphBuilder g("gat2", input.shape, input.class_count);
  const double p = options.real("dropout");
  int x = g.dropout("dropout1", g.input(), p);
  x = gat_layer(g, "conv1", x, options.integer("heads"), options.integer("hidden"), true, p);
  x = g.dropout("dropout2", g.node("elu1", op::Elu{}, {x}), p);
  gat_layer(g, "conv2", x, 1, input.class_count, false, p);
  return std::move(g).build();
}

// Xu et al. 2019, eq. 4.1: an MLP on (1 + eps) x + sum of the neighbours.
int gin_layer(GraphBuilder& g, const std::string& name, int x, int64_t out) {
  g.block(name);
  const int sum = g.node(name + ".propagate", op::Propagate{Reduce::Sum, false}, {x});
  x = g.node(name + ".update", op::GinUpdate{true}, {x, sum}, name);
  x = g.relu(name + ".relu1", g.linear(name + ".nn.0", x, out));
  x = g.relu(name + ".relu2", g.linear(name + ".nn.2", x, out));
  return g.batch_norm(name + ".nn.4", x);
}

Graph gin5(const ModelInput& input, const OptionValues& options) {
  GraphBuilder g("gin5", input.shape, input.class_count);
  const int64_t hidden = options.integer("hidden");
  int x = g.input();
  for (int layer = 1; layer <= 5; ++layer)
    x = gin_layer(g, "conv" + std::to_string(layer), x, hidden);
  g.block("head");
  if (options.text("level") == "graph") x = g.node("pool", op::ReadOut{Reduce::Mean}, {x});
  x = g.relu("relu", g.linear("lin1", x, hidden));
  g.linear("lin2", g.dropout("dropout", x, options.real("dropout")), input.class_count);
  return std::move(g).build();
}

Graph gin2(const ModelInput& input, const OptionValues& options) {
  GraphBuilder g("gin2", input.shape, input.class_count);
  const int64_t hidden = options.integer("hidden");
  int x = g.input();
  for (const char* layer : {"conv1", "conv2"}) x = gin_layer(g, layer, x, hidden);
  g.block("head");
  g.linear("lin", g.dropout("dropout", x, options.real("dropout")), input.class_count);
  return std::move(g).build();
}

Option hidden(int64_t value) {
  return Option::integer("hidden", value, 1, 4096, "features of a hidden layer (of one head)");
}
Option dropout(double value) { return Option::real("dropout", value, 0, 0.95, "drop rate"); }

}  // namespace

QUANTBENCH_MODEL(gcn2, (ModelEntry{"gcn2",
                                   "graph convolutional network, two layers",
                                   "Kipf & Welling 2017",
                                   true,
                                   {hidden(16), dropout(0.5)},
                                   gcn2}));
QUANTBENCH_MODEL(gat2, (ModelEntry{"gat2",
                                   "graph attention network, two layers",
                                   "Velickovic et al. 2018",
                                   true,
                                   {hidden(8), dropout(0.6),
                                    Option::integer("heads", 8, 1, 64, "heads of the first layer")},
                                   gat2}));
QUANTBENCH_MODEL(gin2, (ModelEntry{"gin2",
                                   "graph isomorphism network, two layers, one answer a node",
                                   "Xu et al. 2019; sizes as in A2Q (Zhu et al. 2023)",
                                   true,
                                   {hidden(16), dropout(0.5)},
                                   gin2}));
QUANTBENCH_MODEL(gin5, (ModelEntry{"gin5",
                                   "graph isomorphism network, five layers",
                                   "Xu et al. 2019; sizes as in Degree-Quant's REDDIT recipe",
                                   true,
                                   {hidden(64), dropout(0.5),
                                    Option::choice("level", "graph", {"graph", "node"},
                                                   "one answer a graph, or one a node")},
                                   gin5}));

}  // namespace quantbench
