// Whole runs of HGQ: what the loss and the packages promise, against integer arithmetic written
// out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "base/file.h"
#include "bench/data_source.h"
#include "bench/session.h"
#include "runtime/package.h"
#include "runtime/reference_executor.h"
#include "tests/base/support.h"

namespace quantbench {
namespace {

using Keys = std::map<std::string, std::string>;

Recipe recipe_with(const Keys& over) {
  RecipeText text;
  const Keys keys{{"method", "hgq"},
                  {"model", "mlp_jet"},
                  {"dataset", "synthetic_jets"},
                  {"seed", "3"},
                  {"batch", "256"},
                  {"latency", "no"},
                  {"calibration.samples", "1000000"},
                  {"fp32.epochs", "4"},
                  {"fp32.optimizer", "adam"},
                  {"fp32.lr", "0.004"},
                  {"train.epochs", "6"},
                  {"train.optimizer", "adam"},
                  {"train.lr", "0.004"},
                  {"mlp_jet.hidden", "24,16"},
                  {"synthetic_jets.train", "6000"},
                  {"synthetic_jets.validation", "1000"},
                  {"synthetic_jets.test", "1000"},
                  {"hgq.weight_init_bits", "3"},
                  {"hgq.activation_init_bits", "4"},
                  {"hgq.beta", "0:1e-6:1e-3"}};
  for (const auto& [key, value] : keys) text[key] = {value};
  for (const auto& [key, value] : over) text[key] = {value};
  return expand(text).at(0);
}

class HgqRun : public testing::Test {
 protected:
  SessionResult run(
      const Keys& over, const std::string& name = "run", bool resume = false,
      std::function<void(const EpochRow&)> on_epoch = [](const EpochRow&) {}) {
    torch::set_num_threads(2);
    const Recipe recipe = recipe_with(over);
    const auto dataset = open_dataset(recipe, "");
    SessionConfig config{folder_ / name, "", "cpu", 0.05, std::move(on_epoch)};
    std::filesystem::create_directories(config.folder);
    ProgressDisplay quiet(true);
    return Session(recipe, *dataset, config, quiet).run(resume);
  }

  void expect_fixed_point_hardware(const Keys& over);

  TemporaryFolder folder_;
};

// The rows of front.csv by column.
std::vector<Keys> rows_of(const std::string& csv) {
  std::vector<std::string> names;
  std::vector<Keys> out;
  std::stringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> cells;
    std::stringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) cells.push_back(cell);
    if (names.empty()) {
      names = cells;
      continue;
    }
    Keys row;
    for (size_t i = 0; i < names.size(); ++i) row[names[i]] = cells.at(i);
    out.push_back(row);
  }
  return out;
}

double ebops_of(const SessionResult& out) {
  return nlohmann::json::parse(out.artefacts.at("hgq.json")).at("ebops").get<double>();
}

// Integer arithmetic as fixed-point hardware does it.

struct Fixed {
  std::vector<int64_t> mantissa;
  std::vector<int> fraction;  // value = mantissa * 2^-fraction
};

int exponent_of(float power) { return static_cast<int>(std::lround(std::log2(power))); }

// `value` * 2^-from, rounded half up (or down) to a multiple of 2^-to.
int64_t shifted(int64_t value, int from, int to, bool half_up = true) {
  const int shift = from - to;
  if (shift <= 0) return value * (int64_t{1} << -shift);
  return (value + (half_up ? int64_t{1} << (shift - 1) : 0)) >> shift;
}

int64_t wrapped(int64_t value, int64_t bits, bool is_signed) {
  if (bits == 0) return 0;
  const int64_t period = int64_t{1} << bits, low = is_signed ? -period / 2 : 0;
  return ((value - low) % period + period) % period + low;
}

struct Register {  // where an activation is stored
  const UniformFormat& format;

  int fraction(int64_t i) const { return -exponent_of(at(format.scale, i).item<float>()); }
  int64_t store(int64_t value, int64_t i) const {
    const bool is_signed = format.is_signed || at(format.zero_point, i).item<int64_t>() > 0;
    return wrapped(value, at(format.bits, i).item<int64_t>(), is_signed);
  }
  static Tensor at(const Tensor& t, int64_t i) { return t.flatten()[t.numel() == 1 ? 0 : i]; }
};

// A Linear, its ReLU if there is one, and the register behind it.
Fixed layer(const Fixed& in, const UniformEncoding& weight, const UniformEncoding& bias, bool relu,
            const Register& out) {
  const auto outputs = weight.codes.size(0), inputs = weight.codes.size(1);
  const auto fraction = [](const UniformEncoding& e, int64_t i) {
    return -exponent_of(Register::at(e.format.scale, i).item<float>());
  };
  Fixed result;
  for (int64_t o = 0; o < outputs; ++o) {
    int aligned = fraction(bias, o);
    for (int64_t i = 0; i < inputs; ++i)
      aligned =
          std::max(aligned, in.fraction[static_cast<size_t>(i)] + fraction(weight, o * inputs + i));
    int64_t sum = shifted(bias.codes[o].item<int64_t>(), fraction(bias, o), aligned);
    for (int64_t i = 0; i < inputs; ++i) {
      const auto at = static_cast<size_t>(i);
      const int64_t product = weight.codes[o][i].item<int64_t>() * in.mantissa[at];
      sum += shifted(product, in.fraction[at] + fraction(weight, o * inputs + i), aligned);
    }
    const int64_t stored =
        out.store(shifted(relu ? std::max<int64_t>(sum, 0) : sum, aligned, out.fraction(o)), o);
    result.mantissa.push_back(stored);
    result.fraction.push_back(out.fraction(o));
  }
  return result;
}

TEST(FixedPointHardware, AlignsAddsRoundsAndWraps) {
  // 3/4 * 5/16 - 5/2 * 3/4 on a grid of 2^-6.
  const int64_t sum = shifted(3 * 5, 6, 6) + shifted(-5 * 3, 3, 6);
  EXPECT_EQ(sum, -105);
  EXPECT_EQ(shifted(sum, 6, 3), -13);
  EXPECT_EQ(shifted(sum, 6, 3, false), -14);
  EXPECT_EQ(wrapped(32, 6, true), -32);  // 4.0 -> -4.0 with two integer and three fractional bits
  EXPECT_EQ(wrapped(33, 6, true), -31);
  EXPECT_EQ(wrapped(-33, 6, true), 31);
  EXPECT_EQ(wrapped(31, 6, true), 31);
}

// `over`: keys of the run whose package is held against hardware.
void HgqRun::expect_fixed_point_hardware(const Keys& over) {
  const SessionResult out = run(over);
  EXPECT_TRUE(out.doubts.empty());
  EXPECT_EQ(*out.result.integer_share, 1);
  const Package package = read_package(folder_ / "run/package.safetensors");
  const ReferenceExecutor executor(package);
  const auto dataset = open_dataset(recipe_with({}), "");
  BatchRequest request;
  for (int64_t i = 0; i < 500; ++i) request.positions.push_back(i);
  const Batch batch = dataset->batch(Split::Test, request);

  const Tensor logits = executor.forward(batch);

  const Graph& graph = package.graph;
  const auto uniform = [&](const std::string& node) -> const UniformFormat& {
    return std::get<UniformFormat>(
        package.activations.at({graph.index_of(node), PointKind::Output}));
  };
  const auto encoding = [&](const std::string& node, PointKind kind) -> const UniformEncoding& {
    return std::get<UniformEncoding>(package.weights.at({graph.index_of(node), kind}));
  };
  for (int64_t row = 0; row < 500; ++row) {
    Fixed value;
    const Register input{uniform("input")};
    for (int64_t i = 0; i < 16; ++i) {
      const double x = batch.input[row][i].item<double>();
      value.fraction.push_back(input.fraction(i));
      value.mantissa.push_back(
          input.store(static_cast<int64_t>(std::floor(std::ldexp(x, input.fraction(i)) + 0.5)), i));
    }
    for (const char* number : {"1", "2", "3"}) {
      const std::string fc = std::string("fc") + number;
      const bool last = fc == "fc3";
      value = layer(value, encoding(fc, PointKind::Weight), encoding(fc, PointKind::Bias), !last,
                    Register{uniform(last ? fc : std::string("relu") + number)});
    }
    for (int64_t c = 0; c < 5; ++c) {
      const auto at = static_cast<size_t>(c);
      EXPECT_EQ(std::ldexp(static_cast<double>(value.mantissa[at]), -value.fraction[at]),
                logits[row][c].item<double>());
    }
  }
}

TEST_F(HgqRun, PackagesAreFixedPointHardwareBitForBit) {
  expect_fixed_point_hardware({{"synthetic_jets.test", "10000"}});
}

TEST_F(HgqRun, SoTheyAreWithABatchNormInEveryLayer) {
  expect_fixed_point_hardware({{"hgq.batch_norm", "yes"}, {"fp32.epochs", "0"}});
}

TEST_F(HgqRun, OneRunGivesAFrontOfPackages) {
  const SessionResult out =
      run({{"synthetic_jets.test", "10000"}, {"fp32.epochs", "30"}, {"hgq.beta", "0:1e-5:1e-2"}});

  const std::vector<Keys> rows = rows_of(out.artefacts.at("front.csv"));
  ASSERT_GE(rows.size(), 2u);
  double cost = 0, accuracy = 0;
  for (const Keys& row : rows) {
    EXPECT_EQ(row.at("mismatches"), "0");
    EXPECT_EQ(row.at("samples"), "10000");
    EXPECT_EQ(row.at("top1_simulated"), row.at("top1_shipped"));
    EXPECT_LE(std::stod(row.at("ebops")), std::stod(row.at("ebops_training")));
    const auto file = folder_ / ("run/front/" + row.at("state") + ".safetensors");
    EXPECT_EQ(std::to_string(std::filesystem::file_size(file)), row.at("size_bytes"));
    EXPECT_GE(std::stod(row.at("ebops")), cost);
    cost = std::stod(row.at("ebops"));
    if (row.at("on_front") != "yes") continue;
    EXPECT_GE(std::stod(row.at("validation_top1")), accuracy);
    accuracy = std::stod(row.at("validation_top1"));
  }
}

TEST_F(HgqRun, TheFrontIsTheSameAgainAndAfterACut) {
  const SessionResult whole = run({}, "whole");
  struct Cut {};
  int epochs = 0;
  EXPECT_THROW(run({}, "cut", false,
                   [&](const EpochRow&) {
                     if (++epochs == 8) throw Cut{};
                   }),
               Cut);

  const SessionResult resumed = run({}, "cut", true);

  EXPECT_EQ(resumed.artefacts.at("front.csv"), whole.artefacts.at("front.csv"));
  EXPECT_EQ(resumed.artefacts.at("hgq.json"), whole.artefacts.at("hgq.json"));
  EXPECT_EQ(resumed.result.package_hash, whole.result.package_hash);
}

TEST_F(HgqRun, ManyBitsForNothingAreAsGoodAsFloat) {
  const SessionResult out = run({{"hgq.beta", "0:0"},
                                 {"hgq.gamma", "0"},
                                 {"hgq.weight_init_bits", "12"},
                                 {"hgq.activation_init_bits", "12"},
                                 {"train.lr", "0.0005"}});
  EXPECT_TRUE(out.doubts.empty());
  EXPECT_GE(*out.result.top1_simulated, *out.result.top1_fp32 - 0.02);
}

TEST_F(HgqRun, AnAbsurdPriceLeavesNothing) {
  const SessionResult out =
      run({{"hgq.beta", "0:1"}, {"train.epochs", "40"}, {"train.lr", "0.05"}});
  EXPECT_TRUE(out.doubts.empty());
  EXPECT_EQ(ebops_of(out), 0);
  EXPECT_NEAR(*out.result.top1_simulated, 0.2, 0.02);
}

TEST_F(HgqRun, WithoutValidationThereIsNoFront) {
  const SessionResult out = run({{"synthetic_jets.validation", "0"}, {"train.epochs", "1"}});
  EXPECT_EQ(out.artefacts.count("front.csv"), 0u);
}

TEST_F(HgqRun, RangesThatAreTooNarrowOverflowInPackageAndSimulationAlike) {
  const SessionResult good = run({}, "good"), narrow = run({{"hgq.cover", "0.3"}}, "narrow");
  EXPECT_TRUE(narrow.doubts.empty());
  EXPECT_LT(*narrow.result.top1_simulated, *good.result.top1_simulated - 0.02);
  EXPECT_EQ(narrow.result.top1_simulated, narrow.result.top1_shipped);
  for (const Keys& row : rows_of(narrow.artefacts.at("front.csv")))
    EXPECT_EQ(row.at("mismatches"), "0");
}

}  // namespace
}  // namespace quantbench
