// Where Degree-Quant quantizes (dossier section 1): read off the graph, no layer is known by name.
#pragma once

#include <vector>

#include "methods/site.h"

namespace quantbench {

struct NodeSite {
  Site site;
  bool protects = false;  // protected rows pass it unchanged
  int layer = 0;          // number of the message-passing layer it belongs to, from 1; 0: none
};

// Products (Linear, Conv2d): operand, weight and result; propagation: norm, message and aggregate;
// attention: its vectors, logits, messages and aggregate; and what leaves a message-passing layer.
// Rows are protected at every one of these but weights, norms, attention vectors and products that
// do not feed messages directly (the MLP of GIN, the head), as in the authors' code. With
// `first_in_float` the first product that does not feed messages stays as it is: GIN's very first.
std::vector<NodeSite> node_sites(const Graph& graph, bool first_in_float);

}  // namespace quantbench
