#include "base/pickle.h"

#include "base/error.h"
#include "datasets/numpy_pickle.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

const Registration pickle("pickle", [](std::string_view bytes) {
  const auto any = [](const std::string&, const std::string&) { return true; };
  const auto loaded = quantbench::pickle::load(bytes, "it", {any, true});
  try {
    read_array(*loaded.value, "it");
  } catch (const Error&) {
    // It may be a matrix.
  }
  read_csr(*loaded.value, "it");
});

}  // namespace quantbench::fuzz
