#include "base/error.h"
#include "base/file.h"
#include "datasets/arff.h"
#include "datasets/csv_rows.h"
#include "datasets/dataset.h"
#include "datasets/idx.h"
#include "datasets/image_header.h"
#include "datasets/image_labels.h"
#include "datasets/npz.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {
namespace {

void open_dataset(const std::string& name, const std::filesystem::path& root,
                  const std::map<std::string, std::string>& given) {
  const DatasetEntry& entry = datasets().get(name);
  const auto dataset = entry.open({root, OptionValues(name, entry.options, given), 1});
  if (dataset->input_shape()[0] > 4096) return;
  BatchRequest request;
  request.positions = {0};
  dataset->batch(Split::Train, request);
}

}  // namespace

const Registration arff("arff", [](std::string_view bytes) { parse_arff(bytes, "it"); });

const Registration csv_rows("csv_rows",
                            [](std::string_view bytes) { parse_csv_rows(bytes, "", "it"); });

const Registration npy("npy", [](std::string_view bytes) { parse_npy(std::string(bytes), "it"); });

const Registration npz("npz", [](std::string_view bytes) { read_npz(file_of("npz", bytes)); });

const Registration idx("idx", [](std::string_view bytes) {
  constexpr uint64_t most = uint64_t{1} << 24;
  parse_idx(read_gzip(file_of("idx", bytes), most), 3, "it");
});

const Registration image_header("image_header",
                                [](std::string_view bytes) { checked_image_size(bytes, "it"); });

const Registration image_labels("image_labels", [](std::string_view bytes) {
  read_label_file(file_of("image_labels", bytes), {"cat", "dog"}, "it");
});

const Registration tu("tu", [](std::string_view bytes) {
  const char* const names[] = {"A", "graph_indicator", "graph_labels", "node_labels",
                               "node_attributes"};
  const auto parts = parts_of(bytes, std::size(names));
  std::filesystem::path path;
  for (size_t i = 0; i < parts.size(); ++i) {
    path = file_of(std::string("TUDataset/MUTAG/raw/MUTAG_") + names[i] + ".txt", parts[i]);
    if (i > 2 && parts[i].empty()) std::filesystem::remove(path);
  }
  const auto root = path.parent_path().parent_path().parent_path().parent_path();
  open_dataset("mutag", root, {{"folds", "3"}});
});

const Registration planetoid("planetoid", [](std::string_view bytes) {
  const char* const names[] = {"x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"};
  const auto parts = parts_of(bytes, std::size(names));
  std::filesystem::path path;
  for (size_t i = 0; i < parts.size(); ++i)
    path = file_of(std::string("planetoid/cora/raw/ind.cora.") + names[i], parts[i]);
  open_dataset("cora", path.parent_path().parent_path().parent_path().parent_path(), {});
});

}  // namespace quantbench::fuzz
