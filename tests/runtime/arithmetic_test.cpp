// Whether a package is a function: the same bits on every vector width, with any number of threads,
// and from a program that was written from PACKAGE.md alone.
#include <array>
#include <cstdlib>

#include "models/model.h"
#include "tests/runtime/imagenet_operations.h"
#include "tests/runtime/quantized_package.h"
#include "tests/runtime/support.h"

namespace quantbench {
namespace {

struct Answer {
  int status = 0;
  std::string text;
};

Answer run_command(const std::string& command) {
  Answer answer;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 256> piece{};
  while (fgets(piece.data(), piece.size(), pipe)) answer.text += piece.data();
  answer.status = pclose(pipe);
  return answer;
}

// Fixed point, with formats of elements that wrap, as HGQ ships it.
Package fixed_point_package() {
  Package package;
  torch::manual_seed(11);
  const Network network(build_model("mlp_jet", {{16}, 5}));
  package.graph = network.graph();
  package.parameters = plain_parameters(network);
  for (int i = 0; i <= package.graph.output(); ++i) {
    const Node& node = package.graph.nodes[static_cast<size_t>(i)];
    auto* linear = std::get_if<op::Linear>(&node.operation);
    const bool last = i == package.graph.output();
    if (linear) {
      UniformFormat format;
      format.granularity = Granularity::Element;
      format.scale =
          torch::exp2(torch::randint(-7, -4, {linear->out, linear->in}).to(torch::kFloat));
      format.zero_point = torch::zeros({linear->out, linear->in}, torch::kInt);
      format.bits = torch::randint(0, 6, {linear->out, linear->in}).to(torch::kByte);
      format.is_signed = true;
      encode(package, node.name, PointKind::Weight,
             random_encoding(format, {linear->out, linear->in}));
      const UniformFormat bias = uniform_format({0x1p-6f}, {0}, 6);
      encode(package, node.name, PointKind::Bias, random_encoding(bias, {linear->out}));
    }
    if (i > 0 && linear && !last) continue;
    const int64_t size =
        i == 0 ? 16
        : last
            ? 5
            : std::get<op::Linear>(package.graph.nodes[static_cast<size_t>(i - 1)].operation).out;
    UniformFormat format;
    format.granularity = Granularity::Element;
    format.scale = torch::exp2(torch::randint(-6, -2, {size}).to(torch::kFloat));
    format.bits = torch::randint(1, 8, {size}).to(torch::kByte);
    format.zero_point = torch::exp2(format.bits.to(torch::kFloat) - 1).to(torch::kInt);
    format.rounding = Rounding::HalfUp;
    format.overflow = Overflow::Wrap;
    package.activations[{i, PointKind::Output}] = format;
  }
  return package;
}

struct Case {
  std::string name;
  Package package;
  int64_t rows = 4;
};

std::vector<Case> cases() {
  torch::manual_seed(7);
  const auto image = [](const std::string& model, int64_t bits) {
    const int64_t channels = model == "lenet5" ? 1 : 3, size = model == "lenet5" ? 28 : 32;
    return quantized_package(build_model(model, {{channels, size, size}, 10}), bits, bits);
  };
  const auto graph = [](const std::string& model) {
    return quantized_package(build_model(model, {{9}, 4}), 8, 8);
  };
  return {{"resnet20_w8a8", image("resnet20", 8), 4},
          {"resnet20_w4a4", image("resnet20", 4), 4},
          {"lenet5", image("lenet5", 8), 9},
          {"gcn2", graph("gcn2"), 40},
          {"gin2", graph("gin2"), 40},
          {"gat2", graph("gat2"), 40},
          {"hgq", fixed_point_package(), 50},
          {"small", small_package(), 9}};
}

std::string hash_under(const std::string& environment, const std::string& path, int64_t rows) {
  const Answer answer =
      run_command(fmt::format("{} '{}' '{}' {}", environment, EXECUTOR_HASH, path, rows));
  EXPECT_EQ(answer.status, 0) << answer.text;
  return answer.text;
}

TEST(Arithmetic, CodesAndLogitsAreTheSameOnEveryVectorWidthAndWithAnyNumberOfThreads) {
  const TemporaryFolder folder;
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    const std::string path = folder / (one.name + ".safetensors");
    write_package(path, one.package);
    const std::string expected = hash_under("OMP_NUM_THREADS=1", path, one.rows);
    EXPECT_GT(expected.size(), 128u);
    for (const char* environment :
         {"ATEN_CPU_CAPABILITY=default OMP_NUM_THREADS=1",
          "ATEN_CPU_CAPABILITY=avx2 OMP_NUM_THREADS=2",
          // The C library's own choices, among them its fma() without the instruction.
          "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2_Usable,-FMA_Usable,-FMA4_Usable,-AVX2,-FMA,-FMA4"})
      EXPECT_EQ(hash_under(environment, path, one.rows), expected) << environment;
  }
}

std::string python() {
  for (const char* name : {"python3", "/usr/bin/python3"})
    if (run_command(std::string(name) + " -c 'import numpy'").status == 0) return name;
  return "";
}

void expect_decoded(const Package& package, int64_t rows) {
  const std::string interpreter = python();
  if (interpreter.empty()) GTEST_SKIP() << "No python3 with numpy here (package python3-numpy).";
  const TemporaryFolder folder;
  const std::string path = folder / "package.safetensors";
  write_package(path, package);
  const Answer made = run_command(
      fmt::format("'{}' '{}' {} '{}'", EXECUTOR_HASH, path, rows, folder.path().string()));
  ASSERT_EQ(made.status, 0) << made.text;

  const Answer decoded = run_command(
      fmt::format("'{}' '{}' '{}' '{}'", interpreter, DECODER, path, folder.path().string()));

  EXPECT_EQ(decoded.status, 0) << decoded.text;
}

TEST(Decoder, FromThePageAloneGivesWeightsAndLogitsOfASmallCnn) {
  expect_decoded(small_package(), 6);
}

TEST(Decoder, FromThePageAloneGivesWeightsAndLogitsOfASmallGcn) {
  torch::manual_seed(8);
  expect_decoded(quantized_package(build_model("gcn2", {{9}, 4}), 8, 8), 30);
  expect_decoded(quantized_package(build_model("gcn2", {{9}, 4}), 4, 3), 30);
}

TEST(Decoder, FromThePageAloneGivesWeightsAndLogitsOfFixedPointNumbers) {
  expect_decoded(fixed_point_package(), 40);
}

TEST(Decoder, FromThePageAloneGivesWhatIsLeftInFloat) {
  Package package = small_package();
  const Point conv{package.graph.index_of("conv"), PointKind::Weight};
  package.parameters["conv.weight"] = decode(package.weights.at(conv));
  package.weights.erase(conv);
  expect_decoded(package, 4);
}

TEST(Decoder, FromThePageAloneGivesSignPlanesAndCodebooks) {
  torch::manual_seed(9);
  Package package = small_package();
  MultiBitEncoding planes;
  planes.shape = {4, 2, 3, 3};
  planes.grouping = Grouping::Pixel;
  planes.counts = torch::randint(0, 4, {36}).to(torch::kByte);
  const int64_t bases = planes.counts.sum(torch::kLong).item<int64_t>();
  planes.coefficients = torch::rand({bases});
  planes.signs = torch::rand({bases, 2}) < 0.5;
  package.weights[{package.graph.index_of("conv"), PointKind::Weight}] = planes;
  package.weights[{package.graph.index_of("linear"), PointKind::Weight}] =
      CodebookEncoding{{torch::tensor({-0.1f, 0.f, 0.2f}), {}, BitWidth(2)},
                       torch::randint(0, 3, {3, 64}, torch::kInt)};
  package.activations[{package.graph.index_of("relu"), PointKind::Output}] =
      CodebookFormat{torch::tensor({0.f, 0.01f, 0.02f, 0.03f}),
                     torch::tensor({0.004f, 0.016f, 0.2f}), BitWidth(2)};
  expect_decoded(package, 5);
}

// Convolutions of odd shapes, groups, uneven borders, residual sums, pools.
Graph random_graph(int64_t seed) {
  torch::manual_seed(static_cast<uint64_t>(seed));
  const auto any = [](int64_t from, int64_t to) {
    return torch::randint(from, to + 1, {1}).item<int64_t>();
  };
  const int64_t groups = any(1, 2);
  GraphBuilder g("random" + std::to_string(seed), {groups * any(1, 3), any(7, 11), any(7, 11)}, 3);
  const int64_t width = groups * any(1, 4);
  op::Conv2d first{g.size(0, 0),
                   width,
                   {any(1, 3), any(1, 3)},
                   {any(1, 2), any(1, 2)},
                   {any(0, 2), any(0, 2), any(0, 2), any(0, 2)},
                   groups,
                   any(0, 1) == 1};
  int x = g.node("first", first, {g.input()}, "first");
  if (any(0, 1)) x = g.batch_norm("bn", x);
  x = g.relu("relu", x);
  int y = g.conv("second", x, width, 3, {1, 1, width, any(0, 1) == 1});
  y = g.batch_norm("bn2", y);
  x = g.relu("relu2", g.add("add", any(0, 1) ? y : x, any(0, 1) ? x : y));
  if (any(0, 1)) x = g.node("pool", op::MaxPool{2, any(1, 2), any(0, 1), any(0, 1) == 1}, {x});
  if (any(0, 1)) x = g.node("mean_pool", op::AvgPool{2, any(1, 2), 1}, {x});
  if (any(0, 1)) x = g.pad_shortcut("shortcut", x, width + any(0, 2), any(1, 2));
  x = any(0, 1) ? g.global_avg_pool("mean", x) : g.flatten("flatten", x);
  g.linear("linear", x, 3);
  return std::move(g).build();
}

TEST(Decoder, FromThePageAloneGivesWhatImageNetworksHaveBeyondOthers) {
  torch::manual_seed(8);
  expect_decoded(quantized_package(imagenet_operations(), 6, 5), 3);
}

TEST(Decoder, FromThePageAloneGivesRandomNetworks) {
  for (int64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    expect_decoded(quantized_package(random_graph(seed), 2 + seed % 7, 2 + (3 * seed) % 7), 3);
  }
}

}  // namespace
}  // namespace quantbench
