// Which bits each site has. As an artefact, with the evidence that chose them, stored with the run
// that made it; and as one line, "conv1.weight:8,conv2.weight:4", which is what methods with
// per-site bits take: an option's value, so that a recipe says by itself which bits they are.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "models/graph.h"

namespace quantbench {

using SiteBits = std::map<std::string, int64_t>;  // by site name

struct BitAllocation {
  std::string method, model;                           // who made it, for which graph
  SiteBits bits;                                       // of weights and activations
  nlohmann::json evidence = nlohmann::json::object();  // traces, perturbations, budget, certificate

  // Its file: {"allocation": 1, "method", "model", "bits": {site: bits}, "evidence": {...}}.
  std::string text() const;
};

// What such a file, or any JSON object with an object "bits", says of its sites. Throws Error,
// starting with `what`, when `text` is none, when a name cannot stand in a line or when bits are
// not whole numbers, 0..32.
SiteBits parse_site_bits(const std::string& text, const std::string& what);

std::string bits_line(const SiteBits& bits);
// Throws Error, starting with `what`, on what bits_line() does not write.
SiteBits parse_bits_line(const std::string& line, const std::string& what);

// Throws Error, starting with `what`, on sites that the graph does not have, weight sites without
// bits, and bits out of 1..16.
void require_bits_for(const Graph& graph, const SiteBits& bits, const std::string& what);

}  // namespace quantbench
