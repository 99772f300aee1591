// A bit allocation as an artefact: the bits of each site with the evidence that chose them. Stored
// with the run that made it, and the input of any method with per-site bits.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "models/graph.h"

namespace quantbench {

struct BitAllocation {
  std::string method, model;                           // who made it, for which graph
  std::map<std::string, int64_t> bits;                 // by site name, weights and activations
  nlohmann::json evidence = nlohmann::json::object();  // traces, perturbations, budget, certificate

  // Its file: {"allocation": 1, "method", "model", "bits": {site: bits}, "evidence": {...}}.
  std::string text() const;
};

// Throws Error, starting with `what`, on text that is no allocation, sites that the graph does not
// have, weight sites without bits, and bits out of 1..16.
BitAllocation parse_allocation(const std::string& text, const std::string& what,
                               const Graph& graph);
BitAllocation read_allocation(const std::filesystem::path& path, const Graph& graph);

}  // namespace quantbench
