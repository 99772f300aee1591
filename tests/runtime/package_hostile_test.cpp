// Packages that are damaged, inconsistent or made to do harm.
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/random.h"
#include "models/safetensors.h"
#include "runtime/package.h"
#include "runtime/reference_executor.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

using Json = nlohmann::json;

class HostilePackage : public ::testing::Test {
 protected:
  void SetUp() override {
    write_package(path_, small_package());
    content_ = read_safetensors(path_);
  }

  Json metadata(const std::string& key) const { return Json::parse(content_.metadata.at(key)); }

  std::string refusal_of(const SafeTensors& content) {
    write_safetensors(path_, content);
    return error_of([&] { read_package(path_); });
  }

  // The refusal after `change` was made to one JSON text of the header.
  std::string refusal(const std::string& key, const std::function<void(Json&)>& change) {
    SafeTensors content = content_;
    Json json = metadata(key);
    change(json);
    content.metadata[key] = json.dump();
    return refusal_of(content);
  }

  Tensor& tensor(SafeTensors& content, const std::string& name) const {
    for (auto& [known, value] : content.tensors)
      if (known == name) return value;
    throw std::logic_error(name);
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "p";
  SafeTensors content_;
};

TEST_F(HostilePackage, CutAtAnySixteenthIsRefused) {
  const std::string bytes = read_file(path_);

  for (size_t part = 0; part < 16; ++part) {
    write_bytes(path_, bytes.substr(0, bytes.size() * part / 16));
    EXPECT_FALSE(error_of([&] { read_package(path_); }).empty()) << part;
  }
}

TEST_F(HostilePackage, OneByteTooManyIsRefused) {
  write_bytes(path_, read_file(path_) + "x");

  EXPECT_TRUE(contains(error_of([&] { read_package(path_); }), path_.string()));
}

TEST_F(HostilePackage, FlippedBytesGiveAnErrorOrAPackageThatRuns) {
  const std::string bytes = read_file(path_);
  const RandomStream random(5, "flip");
  const Batch batch = image_batch(2, {2, 8, 8});

  int refused = 0, read = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    for (uint64_t flips = 0; flips <= i % 3; ++flips)
      damaged[random.below(8 * i + 2 * flips, bytes.size())] ^=
          static_cast<char>(1 + random.below(8 * i + 2 * flips + 1, 255));
    std::filesystem::remove(path_);  // truncating an old file waits for the disk
    write_bytes(path_, damaged);
    try {
      ReferenceExecutor(read_package(path_)).forward(batch);
      ++read;
    } catch (const Error&) {
      ++refused;
    }
  }

  EXPECT_GT(refused, 100);
  EXPECT_GT(read, 100);
}

TEST_F(HostilePackage, ANewerVersionIsNamed) {
  SafeTensors content = content_;
  content.metadata["quantbench_package"] = "3";

  EXPECT_TRUE(contains(refusal_of(content), "version 3"));
}

TEST_F(HostilePackage, TheOlderVersionIsRead) {
  SafeTensors content = content_;
  content.metadata["quantbench_package"] = "1";
  write_safetensors(path_, content);

  EXPECT_EQ(read_package(path_).graph.name, "small");
}

TEST_F(HostilePackage, AnotherSafetensorsFileIsNoPackage) {
  EXPECT_TRUE(contains(refusal_of({{{"x", torch::zeros({1})}}, {}}), "no quantbench package"));
}

TEST_F(HostilePackage, BitWidthsThatDoNotExistAreRefused) {
  for (const Json& bits : {Json(77), Json(-1), Json(17), Json("4"), Json(4.5), Json(UINT64_MAX)})
    EXPECT_TRUE(contains(refusal("weights", [&](Json& j) { j[0]["as"]["bits"] = bits; }), "'bits'"))
        << bits;
}

TEST_F(HostilePackage, MoreBitsThanThereAreCodesForAreRefused) {
  EXPECT_TRUE(contains(refusal("weights", [](Json& j) { j[0]["as"]["bits"] = 16; }), "codes"));
}

TEST_F(HostilePackage, FewerBitsThanThereAreCodesForAreRefused) {
  EXPECT_TRUE(contains(refusal("weights", [](Json& j) { j[1]["as"]["bits"] = 2; }), "codes"));
}

TEST_F(HostilePackage, ScalesThatAreNoPositiveNumbersAreRefused) {
  for (float scale : {NAN, INFINITY, 0.f, -1.f}) {
    SafeTensors content = content_;
    tensor(content, "scales")[1] = scale;

    EXPECT_TRUE(contains(refusal_of(content), "scale")) << scale;
  }
}

TEST_F(HostilePackage, CodesOutOfRangeAreRefused) {
  SafeTensors content = content_;
  tensor(content, "codes")[0] = 0xff;  // 15 of a narrow format with 15 codes

  EXPECT_TRUE(contains(refusal_of(content), "code"));
}

TEST_F(HostilePackage, AMissingParameterIsRefused) {
  SafeTensors content = content_;
  Tensor& parameters = tensor(content, "parameters");
  parameters = parameters.narrow(0, 0, parameters.numel() - 1).clone();

  EXPECT_TRUE(contains(refusal_of(content), "parameters"));
}

TEST_F(HostilePackage, NumbersThatBelongToNothingAreRefused) {
  SafeTensors content = content_;
  Tensor& scales = tensor(content, "scales");
  scales = torch::cat({scales, torch::ones({1})});

  EXPECT_TRUE(contains(refusal_of(content), "belong to nothing"));
}

TEST_F(HostilePackage, UnknownTensorsAndEntriesAreRefused) {
  SafeTensors content = content_;
  content.tensors.emplace_back("extra", torch::zeros({1}));
  EXPECT_TRUE(contains(refusal_of(content), "'extra'"));

  content = content_;
  content.metadata["extra"] = "x";
  EXPECT_TRUE(contains(refusal_of(content), "'extra'"));
}

TEST_F(HostilePackage, UnknownFieldsTypesAndKindsAreRefused) {
  const auto changed = [&](const char* field, const Json& value) {
    return refusal("weights", [&](Json& j) { j[0]["as"][field] = value; });
  };

  EXPECT_TRUE(contains(changed("colour", 1), "'colour'"));
  EXPECT_TRUE(contains(changed("type", "fractal"), "'fractal'"));
  EXPECT_TRUE(contains(changed("granularity", "planet"), "'planet'"));
  EXPECT_TRUE(contains(refusal("weights", [](Json& j) { j[0]["at"] = "soul"; }), "'soul'"));
}

TEST_F(HostilePackage, NodesThatDoNotExistAreRefused) {
  for (const Json& node : {Json(99), Json(-1), Json("conv"), Json(Json::array({1, 2, 3}))})
    EXPECT_FALSE(refusal("weights", [&](Json& j) { j[0]["nodes"] = {node}; }).empty()) << node;
}

TEST_F(HostilePackage, AWeightThatIsEncodedTwiceIsRefused) {
  const std::string error = refusal("weights", [](Json& j) { j.push_back(j[1]); });

  EXPECT_FALSE(error.empty());
}

TEST_F(HostilePackage, AFormatAtAPointThatDoesNotExistIsRefused) {
  EXPECT_TRUE(
      contains(refusal("activations", [](Json& j) { j[0]["at"] = "message"; }), "no such point"));
  EXPECT_TRUE(
      contains(refusal("activations", [](Json& j) { j[0]["at"] = "weight"; }), "no such point"));
}

TEST_F(HostilePackage, ForwardReferencesInTheGraphAreRefused) {
  const std::string error =
      refusal("graph", [](Json& j) { j["nodes"][1]["in"] = Json::array({3}); });

  EXPECT_TRUE(contains(error, "earlier node")) << error;
}

TEST_F(HostilePackage, ANodeThatReadsItselfIsRefused) {
  const std::string error =
      refusal("graph", [](Json& j) { j["nodes"][2]["in"] = Json::array({2}); });

  EXPECT_TRUE(contains(error, "earlier node")) << error;
}

TEST_F(HostilePackage, AGraphOfAbsurdSizeIsRefusedBeforeAllocation) {
  const std::string error = refusal("graph", [](Json& j) {
    for (Json& node : j["nodes"])
      if (node["op"] == "Conv2d") node["with"]["out"] = 1 << 24;
  });

  EXPECT_FALSE(error.empty());
}

TEST_F(HostilePackage, AHugeWeightOfZeroBitsIsRefusedBeforeAllocation) {
  Graph graph;
  graph.name = "huge";
  graph.input_shape = {1 << 20};
  graph.class_count = 1 << 20;
  graph.nodes = {{"input", "input", op::Input{}, {}, ""},
                 {"linear", "linear", op::Linear{1 << 20, 1 << 20, false}, {0}, ""}};
  SafeTensors content;
  content.metadata = {
      {"quantbench_package", "1"},
      {"graph", graph_to_json(graph).dump()},
      {"weights",
       R"([{"at":"weight","nodes":[1],"as":{"type":"uniform","bits":0,"zero_point":0}}])"},
      {"activations", "[]"}};
  content.tensors = {{"scales", torch::ones({1})}};

  EXPECT_TRUE(contains(refusal_of(content), "cannot come from"));
}

TEST_F(HostilePackage, PackedWidthsAndExponentsThatCannotBeAreRefused) {
  Package package = small_package();
  UniformFormat format;
  format.granularity = Granularity::Element;
  format.bits = torch::randint(0, 4, {3, 64}, torch::kByte);
  format.scale = torch::where(format.bits > 0, torch::full({3, 64}, 0.25f), torch::ones({3, 64}));
  format.zero_point = torch::zeros({3, 64}, torch::kInt);
  format.is_signed = true;
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] =
      random_encoding(format, {3, 64});
  package.activations[{0, PointKind::Output}] = uniform_format({0.02f}, {0}, 8);
  write_package(path_, package);
  content_ = read_safetensors(path_);
  const auto refused = [&](const char* field, const Json& value) {
    return refusal("weights", [&](Json& groups) {
      for (Json& group : groups)
        if (group["as"].contains("width_bits")) group["as"][field] = value;
    });
  };

  EXPECT_TRUE(contains(refused("width_bits", 0), "width_bits"));
  EXPECT_TRUE(contains(refused("width_bits", 6), "width_bits"));
  EXPECT_FALSE(refused("width_bits", 5).empty());
  EXPECT_TRUE(contains(refused("exponent_bits", 9), "exponent_bits"));
  EXPECT_FALSE(refused("exponent_bits", 8).empty());
  EXPECT_TRUE(contains(refused("lowest_exponent", -127), "lowest_exponent"));
  EXPECT_TRUE(contains(refused("lowest_exponent", "x"), "lowest_exponent"));
  EXPECT_TRUE(contains(refused("bits", 3), "width"));
  const std::string huge = refusal("activations", [](Json& groups) {
    groups[0]["as"] = {{"type", "uniform"},
                       {"granularity", "element"},
                       {"width_bits", 1},
                       {"zero_point", 0},
                       {"exponent_bits", 0},
                       {"lowest_exponent", 0},
                       {"shape", {uint64_t{1} << 40, uint64_t{1} << 40}}};
  });
  EXPECT_TRUE(contains(huge, "codes cannot come from")) << huge;
}

TEST_F(HostilePackage, HeaderTextsThatAreNoJsonAreRefused) {
  for (const char* key : {"graph", "weights", "activations"}) {
    SafeTensors content = content_;
    content.metadata[key] = "{";
    EXPECT_TRUE(contains(refusal_of(content), "no valid JSON")) << key;

    content.metadata[key] = "7";
    EXPECT_FALSE(refusal_of(content).empty()) << key;
  }
}

TEST_F(HostilePackage, WritingAnInconsistentPackageIsRefused) {
  Package package = small_package();
  package.parameters.erase("bn.bias");
  EXPECT_TRUE(contains(error_of([&] { write_package(path_, package); }), "'bn.bias' is missing"));

  package = small_package();
  package.parameters["other"] = torch::zeros({1});
  EXPECT_TRUE(contains(error_of([&] { write_package(path_, package); }), "no parameter 'other'"));

  package = small_package();
  package.parameters["bn.bias"] = torch::zeros({5});
  EXPECT_TRUE(contains(error_of([&] { write_package(path_, package); }), "of the shape [4]"));

  package = small_package();
  package.weights[{package.graph.index_of("conv"), PointKind::Weight}] =
      random_encoding(uniform_format({1.f}, {0}, 4), {4, 2, 3, 1});
  EXPECT_TRUE(contains(error_of([&] { write_package(path_, package); }), "instead of"));
}

}  // namespace
}  // namespace quantbench
