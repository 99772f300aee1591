#include "bench/checkpoint.h"

#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

// Under a seal that fits: what a damaged file never gets past is not what is looked for.
const Registration checkpoint("checkpoint", [](std::string_view bytes) {
  SafeTensors file = parse_safetensors(bytes, "it");
  file.metadata["sha256"] = checkpoint_checksum(file);
  unpack_checkpoint(file, "it", "method = fp32\n");
});

}  // namespace quantbench::fuzz
