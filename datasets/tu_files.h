// Graph collections in the text format of the TU Dortmund benchmark (Morris et al. 2020): one
// number, or several by commas, a line, in files NAME_A.txt, NAME_graph_indicator.txt,
// NAME_graph_labels.txt and, where there are any, NAME_node_labels.txt and
// NAME_node_attributes.txt.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/torch.h"

namespace quantbench {

struct TuCollection {
  std::vector<int64_t> labels;  // of each graph, as in the file
  std::vector<int64_t>
      first_node;  // [graphs+1]: graph g has nodes first_node[g]..first_node[g+1]-1
  std::vector<int64_t> first_edge;  // [graphs+1], likewise
  // Edges between nodes of the whole collection, by target and then by source, without self-loops
  // and duplicates, in the directions of the file.
  std::vector<int64_t> source, target;
  std::vector<int64_t> node_labels;  // empty: the collection has none
  Tensor attributes;                 // float [nodes, attributes]; undefined: it has none
  std::string fingerprint;           // SHA-256 of the bytes read

  int64_t graph_count() const { return static_cast<int64_t>(labels.size()); }
  int64_t node_count() const { return first_node.back(); }
  std::vector<int64_t> in_degrees() const;
};

// "" when the files of collection `name` lie under root/TUDataset/name/raw, else a sentence.
std::string missing_tu(const std::filesystem::path& root, const std::string& name);

// Throws Error naming file and line on anything that is not such a collection.
TuCollection read_tu(const std::filesystem::path& root, const std::string& name);

// The graphs (from 0) in root/TUDataset/name/10fold_idx/{part}_idx-{fold+1}.txt, part "train" or
// "test": the folds that Xu et al. (2019) published with GIN. Throws Error when the file is missing
// or names another graph.
std::vector<int64_t> read_tu_fold(const std::filesystem::path& root, const std::string& name,
                                  const std::string& part, int64_t fold, int64_t graph_count);

}  // namespace quantbench
