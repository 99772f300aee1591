#include "models/caffe_file.h"
#include "models/pytorch_file.h"
#include "models/safetensors.h"
#include "models/weight_file.h"
#include "models/weight_names.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {

const Registration safetensors("safetensors",
                               [](std::string_view bytes) { parse_safetensors(bytes, "it"); });

const Registration weight_file("weight_file", [](std::string_view bytes) {
  read_weight_file(file_of("weights", bytes));
});

const Registration caffe("caffe", [](std::string_view bytes) { parse_caffe_model(bytes, "it"); });

const Registration weight_names("weight_names", [](std::string_view bytes) {
  renamed({{"conv1.weight", torch::ones({1})}, {"fc.bias", torch::ones({1})}}, bytes, "it");
});

const Registration pytorch_legacy("pytorch_legacy", [](std::string_view bytes) {
  static const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  const bool there = bytes.substr(0, magic.size()) == magic;
  parse_pytorch_legacy(there ? std::string(bytes) : magic + std::string(bytes), "it");
});

}  // namespace quantbench::fuzz
