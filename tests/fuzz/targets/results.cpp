#include <cstring>

#include "base/file.h"
#include "results/merge.h"
#include "results/reference_file.h"
#include "results/store_database.h"
#include "results/tables/csv.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

const Registration predictions("predictions", [](std::string_view bytes) {
  int32_t count = 0;
  if (bytes.size() < sizeof(count)) return;
  std::memcpy(&count, bytes.data(), sizeof(count));
  unpack_predictions("simulated", count % 100000, std::string(bytes.substr(sizeof(count))), "it");
});

const Registration reference("reference", [](std::string_view bytes) {
  reference_text(parse_reference(bytes, "it"));
});

const Registration csv("csv", [](std::string_view bytes) {
  for (const auto& record : parse_csv(bytes, "it"))
    for (const std::string& field : record) csv_field(field);
});

const Registration store("store", [](std::string_view bytes) {
  check_shard(file_of("shard.db", bytes));
  Store into(file_of("into.db", ""));
  merge(into, file_of("shard.db", bytes));
});

}  // namespace quantbench::fuzz
