#include "models/weight_file.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <cstdlib>
#include <functional>

#include "base/file.h"
#include "models/builder.h"
#include "models/model.h"
#include "models/safetensors.h"
#include "tests/base/support.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Pickle opcodes, spelled out.
std::string raw(const void* data, size_t size) {
  return std::string(static_cast<const char*>(data), size);
}
std::string text(const std::string& value) {
  const auto size = static_cast<uint32_t>(value.size());
  return "X" + raw(&size, 4) + value;
}
std::string number(int32_t value) { return "J" + raw(&value, 4); }
std::string wide_number(int64_t value) { return "\x8a\x08" + raw(&value, 8); }
std::string tuple(const std::string& items) { return "(" + items + "t"; }
std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string call(const std::string& function, const std::string& arguments) {
  return function + tuple(arguments) + "R";
}
std::string ordered_dict(const std::string& entries) {
  return call(global("collections", "OrderedDict"), "") + "(" + entries + "u";
}
std::string document(const std::string& body) { return "\x80\x02" + body + "."; }

// A tensor as torch.save describes it.
struct Described {
  std::string storage_class = "FloatStorage", key = "0";
  int64_t count = 6, offset = 0;
  std::vector<int64_t> shape{2, 3}, strides{3, 1};

  std::string pickled() const {
    const auto numbers = [](const std::vector<int64_t>& values) {
      std::string items;
      for (int64_t value : values) items += wide_number(value);
      return tuple(items);
    };
    const std::string storage = tuple(text("storage") + global("torch", storage_class) + text(key) +
                                      text("cpu") + wide_number(count)) +
                                "Q";
    return call(global("torch._utils", "_rebuild_tensor_v2"),
                storage + wide_number(offset) + numbers(shape) + numbers(strides) + "\x89" +
                    call(global("collections", "OrderedDict"), ""));
  }
};

std::string six_floats() {
  const float values[] = {0, 1, 2, 3, 4, 5};
  return raw(values, sizeof(values));
}

using Entries = std::map<std::string, std::string>;

void write_zip(const fs::path& path, const Entries& entries, zip_int32_t method = ZIP_CM_STORE) {
  int code = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    const auto index = zip_file_add(zip, name.c_str(), source, 0);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), method, 0);
  }
  ASSERT_EQ(zip_close(zip), 0);
}

// A .pth file with one tensor "x".
Entries archive(const Described& tensor, const std::string& data = six_floats()) {
  return {{"archive/data.pkl", document(ordered_dict(text("x") + tensor.pickled()))},
          {"archive/data/0", data},
          {"archive/version", "3\n"}};
}

std::string legacy(const std::string& state, const std::string& keys, const std::string& storages) {
  const std::string magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  return document(magic) + document(number(1001)) + document("}") + document(state) +
         document("](" + keys + "e") + storages;
}

std::string sized(int64_t count, const std::string& bytes) { return raw(&count, 8) + bytes; }

class WeightFile : public ::testing::Test {
 protected:
  std::map<std::string, Tensor> read(const std::string& bytes) {
    fs::remove(folder_ / "w");  // truncating an old file waits for the disk
    write_bytes(folder_ / "w", bytes);
    return read_weight_file(folder_ / "w");
  }
  std::map<std::string, Tensor> read(const Entries& entries, zip_int32_t method = ZIP_CM_STORE) {
    write_zip(folder_ / "w", entries, method);
    return read_weight_file(folder_ / "w");
  }
  template <typename... What>
  std::string refusal(const What&... what) {
    return error_of([&] { read(what...); });
  }

  TemporaryFolder folder_;
};

TEST_F(WeightFile, ReadsZipArchives) {
  const auto weights = read(archive({}));

  ASSERT_EQ(weights.size(), 1u);
  EXPECT_TRUE(torch::equal(weights.at("x"), torch::arange(6, torch::kFloat).view({2, 3})));
}

TEST_F(WeightFile, ReadsTransposedAndShiftedViews) {
  Described tensor;
  tensor.offset = 1;
  tensor.shape = {2, 2};
  tensor.strides = {1, 3};

  const auto weights = read(archive(tensor));

  EXPECT_TRUE(torch::equal(weights.at("x"), torch::tensor({{1.f, 4.f}, {2.f, 5.f}})));
}

TEST_F(WeightFile, ReadsParameters) {
  const std::string parameter = call(global("torch._utils", "_rebuild_parameter"),
                                     Described().pickled() + "\x88" + ordered_dict(""));
  Entries entries = archive({});
  entries["archive/data.pkl"] = document(ordered_dict(text("p") + parameter));

  EXPECT_EQ(read(entries).at("p").numel(), 6);
}

TEST_F(WeightFile, ReadsLegacyFilesBelowStateDictWithoutTheModulePrefix) {
  const std::string state = ordered_dict(text("module.x") + Described().pickled());
  const std::string checkpoint =
      "}(" + text("epoch") + number(3) + text("state_dict") + state + "u";

  const auto weights = read(legacy(checkpoint, text("0"), sized(6, six_floats())));

  ASSERT_EQ(weights.size(), 1u);
  EXPECT_TRUE(torch::equal(weights.at("x"), torch::arange(6, torch::kFloat).view({2, 3})));
}

TEST_F(WeightFile, KeepsAPrefixThatNotAllShare) {
  const std::string state =
      ordered_dict(text("module.x") + Described().pickled() + text("y") + Described().pickled());

  const auto weights = read(legacy(state, text("0"), sized(6, six_floats())));

  EXPECT_EQ(weights.count("module.x"), 1u);
  EXPECT_EQ(weights.count("y"), 1u);
}

TEST_F(WeightFile, ReadsSafetensorsWhateverTheirExtension) {
  write_safetensors(folder_ / "w.pth", {{{"module.x", torch::ones({2})}}, {}});

  EXPECT_TRUE(torch::equal(read_weight_file(folder_ / "w.pth").at("x"), torch::ones({2})));
}

TEST_F(WeightFile, RefusesFilesOfAnotherKind) {
  EXPECT_TRUE(contains(refusal(std::string("hello, this is a text file")), "no weight file"));
  EXPECT_TRUE(contains(refusal(std::string()), "no weight file"));
}

TEST_F(WeightFile, RefusesFunctionsOtherThanThoseOfTensors) {
  Entries entries = archive({});
  entries["archive/data.pkl"] = document(call(global("os", "system"), text("true")));

  EXPECT_TRUE(contains(refusal(entries), "os"));
}

TEST_F(WeightFile, RefusesEntriesThatAreNoTensors) {
  Entries entries = archive({});
  entries["archive/data.pkl"] = document(ordered_dict(text("epoch") + number(3)));

  EXPECT_TRUE(contains(refusal(entries), "'epoch' is no tensor"));
}

TEST_F(WeightFile, RefusesAViewBeyondItsStorage) {
  Described tensor;
  tensor.offset = 1;
  EXPECT_TRUE(contains(refusal(archive(tensor)), "beyond the 6 elements"));

  tensor.offset = 0;
  tensor.strides = {4, 1};
  EXPECT_TRUE(contains(refusal(archive(tensor)), "beyond the 6 elements"));
}

TEST_F(WeightFile, RefusesShapesAndStridesThatOverflow) {
  Described tensor;
  tensor.shape = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_TRUE(contains(refusal(archive(tensor)), "absurdly large"));

  tensor.shape = {2, 3};
  tensor.strides = {INT64_MAX, 1};
  EXPECT_TRUE(contains(refusal(archive(tensor)), "absurdly large"));
}

TEST_F(WeightFile, RefusesTensorsThatRepeatTheirStorage) {
  Described tensor;
  tensor.shape = {1000000, 1000};
  tensor.strides = {0, 0};

  EXPECT_TRUE(contains(refusal(archive(tensor)), "more elements than its storage"));
}

TEST_F(WeightFile, RefusesNegativeSizes) {
  Described tensor;
  tensor.shape = {-2, -3};

  EXPECT_TRUE(contains(refusal(archive(tensor)), "no whole number"));
}

TEST_F(WeightFile, RefusesAStorageOfTheWrongLength) {
  Described tensor;
  tensor.count = int64_t{1} << 39;

  EXPECT_TRUE(contains(refusal(archive(tensor)), "has 24 bytes"));
}

TEST_F(WeightFile, RefusesAMissingStorage) {
  Entries entries = archive({});
  entries.erase("archive/data/0");

  EXPECT_TRUE(contains(refusal(entries), "no entry 'archive/data/0'"));
}

TEST_F(WeightFile, RefusesCompressedArchives) {
  EXPECT_TRUE(
      contains(refusal(archive({}, std::string(100000, '\0')), ZIP_CM_DEFLATE), "compressed"));
}

TEST_F(WeightFile, RefusesAnArchiveWithADamagedStorage) {
  write_zip(folder_ / "w", archive({}));
  std::string bytes = read_file(folder_ / "w");
  bytes[bytes.find(six_floats()) + 5] ^= 1;

  EXPECT_TRUE(contains(refusal(bytes), "damaged"));
}

TEST_F(WeightFile, RefusesBigEndianArchives) {
  Entries entries = archive({});
  entries["archive/byteorder"] = "big";

  EXPECT_TRUE(contains(refusal(entries), "big-endian"));
}

TEST_F(WeightFile, RefusesTruncatedFiles) {
  write_zip(folder_ / "whole", archive({}));
  const std::string zipped = read_file(folder_ / "whole");
  const std::string old =
      legacy(ordered_dict(text("x") + Described().pickled()), text("0"), sized(6, six_floats()));

  for (const std::string& bytes : {zipped, old})
    for (size_t cut = 0; cut < bytes.size(); cut += 7)
      EXPECT_THROW(read(bytes.substr(0, cut)), Error) << cut << " of " << bytes.size();
}

TEST_F(WeightFile, RefusesBytesBehindALegacyFile) {
  const std::string state = ordered_dict(text("x") + Described().pickled());

  EXPECT_TRUE(contains(refusal(legacy(state, text("0"), sized(6, six_floats()) + "x")),
                       "1 bytes too many"));
}

TEST_F(WeightFile, RefusesALegacyStorageWithAnotherCount) {
  const std::string state = ordered_dict(text("x") + Described().pickled());

  EXPECT_TRUE(contains(refusal(legacy(state, text("0"), sized(5, six_floats()))),
                       "6 elements that were announced"));
  EXPECT_TRUE(
      contains(refusal(legacy(state, text("7"), sized(6, six_floats()))), "list of storages"));
}

TEST_F(WeightFile, SurvivesFlippedBytes) {
  write_zip(folder_ / "whole", archive({}));
  const std::string zipped = read_file(folder_ / "whole");
  const std::string old =
      legacy(ordered_dict(text("x") + Described().pickled()), text("0"), sized(6, six_floats()));
  const RandomStream random(1, "flip");

  int refused = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    std::string bytes = i % 2 ? zipped : old;
    bytes[random.below(2 * i, bytes.size())] ^= static_cast<char>(1 + random.below(2 * i + 1, 255));
    try {
      read(bytes);
    } catch (const Error&) {
      ++refused;
    }
  }

  EXPECT_GT(refused, 0);
}

Network two_layers() {
  GraphBuilder g("two_layers", {4}, 2);
  g.linear("b", g.linear("a", g.input(), 3), 2);
  return Network(std::move(g).build());
}

TEST(LoadWeights, CopiesEveryTensor) {
  Network from = two_layers(), to = two_layers();
  std::map<std::string, Tensor> weights;
  for (const auto& [name, tensor] : from.state())
    weights[name] = torch::randn_like(tensor.detach());

  load_weights(to, weights, "w.pth");

  for (const auto& [name, tensor] : to.state()) EXPECT_TRUE(torch::equal(tensor, weights[name]));
}

TEST(LoadWeights, ListsAllThatIsMissingUnexpectedAndMisShaped) {
  Network network = two_layers();
  const std::map<std::string, Tensor> weights{{"a.weight", torch::zeros({3, 5})},
                                              {"a.bias", torch::zeros({3})},
                                              {"c.weight", torch::zeros({1})},
                                              {"d.weight", torch::zeros({1})}};

  const std::string error = error_of([&] { load_weights(network, weights, "w.pth"); });

  EXPECT_TRUE(contains(error, "w.pth do not fit the network two_layers")) << error;
  EXPECT_TRUE(contains(error, "missing: b.weight, b.bias")) << error;
  EXPECT_TRUE(contains(error, "unexpected: c.weight, d.weight")) << error;
  EXPECT_TRUE(contains(error, "mis-shaped: a.weight is [3, 5] instead of [3, 4]")) << error;
}

TEST(LoadWeights, LeavesTheNetworkAloneWhenTheyDoNotFit) {
  Network network = two_layers();
  const Tensor before = network.parameter(1, "bias").detach().clone();

  EXPECT_THROW(load_weights(network, {{"a.bias", torch::ones({3})}}, "w.pth"), Error);

  EXPECT_TRUE(torch::equal(network.parameter(1, "bias"), before));
}

TEST(LoadWeights, IgnoresCountersOfBatches) {
  Network network = two_layers();
  std::map<std::string, Tensor> weights;
  for (const auto& [name, tensor] : network.state()) weights[name] = tensor.detach().clone();
  weights["bn.num_batches_tracked"] = torch::tensor(7);

  EXPECT_NO_THROW(load_weights(network, weights, "w.pth"));
}

}  // namespace
}  // namespace quantbench
