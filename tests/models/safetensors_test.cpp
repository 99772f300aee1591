#include "models/safetensors.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/base/support.h"

namespace quantbench {
namespace {

std::string container(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + header + data;
}

SafeTensors parse(const std::string& header, const std::string& data) {
  return parse_safetensors(container(header, data), "weights.safetensors");
}

std::string refusal(const std::string& header, const std::string& data) {
  return error_of([&] { parse(header, data); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

SafeTensors sample() {
  SafeTensors content;
  content.metadata = {{"quote", "a \"b\" \\ \n"}, {"plain", "text"}};
  content.tensors.emplace_back("float", torch::randn({2, 3}));
  content.tensors.emplace_back("scalar", torch::tensor(1.5, torch::kDouble));
  content.tensors.emplace_back("empty", torch::empty({0, 4}));
  content.tensors.emplace_back("truth", torch::tensor({true, false, true}));
  content.tensors.emplace_back("long", torch::arange(5));
  content.tensors.emplace_back("int", torch::arange(3, torch::kInt));
  content.tensors.emplace_back("short", torch::arange(3, torch::kShort));
  content.tensors.emplace_back("char", torch::arange(-1, 2, torch::kChar));
  content.tensors.emplace_back("byte", torch::arange(3, torch::kByte));
  content.tensors.emplace_back("half", torch::randn({3}).to(torch::kHalf));
  content.tensors.emplace_back("bfloat", torch::randn({3}).to(torch::kBFloat16));
  return content;
}

TEST(SafeTensors, EveryTypeComesBackInOrder) {
  const TemporaryFolder folder;
  const SafeTensors written = sample();

  write_safetensors(folder / "a.safetensors", written);
  const SafeTensors read = read_safetensors(folder / "a.safetensors");

  EXPECT_EQ(read.metadata, written.metadata);
  ASSERT_EQ(read.tensors.size(), written.tensors.size());
  for (size_t i = 0; i < read.tensors.size(); ++i) {
    EXPECT_EQ(read.tensors[i].first, written.tensors[i].first);
    EXPECT_EQ(read.tensors[i].second.scalar_type(), written.tensors[i].second.scalar_type());
    EXPECT_TRUE(torch::equal(read.tensors[i].second, written.tensors[i].second));
  }
}

TEST(SafeTensors, WritingAgainGivesTheSameBytes) {
  const TemporaryFolder folder;
  const uint64_t length = write_safetensors(folder / "a", sample());

  write_safetensors(folder / "b", read_safetensors(folder / "a"));

  EXPECT_EQ(read_file(folder / "a"), read_file(folder / "b"));
  EXPECT_EQ(length, std::filesystem::file_size(folder / "a"));
}

TEST(SafeTensors, HeaderIsPaddedToEightBytesWithSpaces) {
  const TemporaryFolder folder;

  write_safetensors(folder / "a", {{{"x", torch::zeros({1})}}, {}});

  const std::string bytes = read_file(folder / "a");
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof(size));
  EXPECT_EQ(size % 8, 0u);
  EXPECT_EQ(bytes.size(), 8 + size + 4);
  EXPECT_EQ(bytes.substr(8, size).find_last_not_of(' '), bytes.substr(8, size).rfind('}'));
}

TEST(SafeTensors, TransposedTensorsAreWrittenInTheirLogicalOrder) {
  const TemporaryFolder folder;
  const Tensor x = torch::arange(6).view({2, 3}).t();

  write_safetensors(folder / "a", {{{"x", x}}, {}});

  EXPECT_TRUE(torch::equal(read_safetensors(folder / "a").at("x"), x));
}

TEST(SafeTensors, AnUnknownNameIsAnError) {
  EXPECT_TRUE(contains(error_of([] { sample().at("nothing"); }), "'nothing'"));
}

TEST(SafeTensors, TheSameNameTwiceIsRefusedWhenWriting) {
  const TemporaryFolder folder;
  const SafeTensors twice{{{"x", torch::zeros({1})}, {"x", torch::zeros({1})}}, {}};

  EXPECT_TRUE(contains(error_of([&] { write_safetensors(folder / "a", twice); }), "two tensors"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
}

TEST(SafeTensors, AFileCutAnywhereIsRefused) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", sample());
  const std::string bytes = read_file(folder / "a");

  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_THROW(parse_safetensors(std::string_view(bytes).substr(0, cut), "a"), Error) << cut;
    if (cut % 16 == 0) {
      write_bytes(folder / "cut", bytes.substr(0, cut));
      EXPECT_THROW(read_safetensors(folder / "cut"), Error) << cut;
    }
  }
}

TEST(SafeTensors, BytesBehindTheLastTensorAreRefused) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";

  EXPECT_TRUE(contains(refusal(header, "12345"), "end at 4 of 5"));
}

TEST(SafeTensors, AHeaderLengthBeyondTheFileIsRefusedBeforeAllocation) {
  std::string bytes(64, '\0');
  const uint64_t size = uint64_t{1} << 62;
  std::memcpy(bytes.data(), &size, sizeof(size));

  EXPECT_TRUE(contains(error_of([&] { parse_safetensors(bytes, "a"); }), "header"));
}

TEST(SafeTensors, ShapesThatOverflowAreRefused) {
  const std::string header =
      R"({"x":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}})";

  EXPECT_TRUE(contains(refusal(header, ""), "absurdly large"));
}

TEST(SafeTensors, HugeDimensionsOfAnEmptyTensorAreRefused) {
  const std::string header =
      R"({"x":{"dtype":"F32","shape":[0,4611686018427387904,16],"data_offsets":[0,0]}})";

  EXPECT_TRUE(contains(refusal(header, ""), "absurdly large"));
}

TEST(SafeTensors, TensorsThatOverlapAreRefused) {
  const std::string header = R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                             R"("y":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}})";

  EXPECT_TRUE(contains(refusal(header, "12345"), "begins at 2 instead of 3"));
}

TEST(SafeTensors, AGapBetweenTensorsIsRefused) {
  const std::string header = R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                             R"("y":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})";

  EXPECT_TRUE(contains(refusal(header, "12345"), "begins at 3 instead of 2"));
}

TEST(SafeTensors, OffsetsOutsideTheDataAreRefused) {
  const std::string header = R"({"x":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})";

  EXPECT_TRUE(contains(refusal(header, "12345"), "outside the 5 bytes"));
}

TEST(SafeTensors, ALengthThatDoesNotFitTheShapeIsRefused) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}})";

  EXPECT_TRUE(contains(refusal(header, "12345"), "needs 4 bytes"));
}

TEST(SafeTensors, AnUnknownDtypeIsRefused) {
  const std::string header = R"({"x":{"dtype":"F12","shape":[1],"data_offsets":[0,4]}})";

  EXPECT_TRUE(contains(refusal(header, "1234"), "'F12'"));
}

TEST(SafeTensors, NegativeAndFractionalSizesAreRefused) {
  for (const char* size : {"-1", "1.5", "\"1\"", "99999999999999999999999"}) {
    const std::string header =
        fmt::format(R"({{"x":{{"dtype":"U8","shape":[{}],"data_offsets":[0,1]}}}})", size);

    EXPECT_TRUE(contains(refusal(header, "1"), "no whole number")) << size;
  }
}

TEST(SafeTensors, DeepNestingIsRefused) {
  EXPECT_TRUE(contains(refusal("{\"x\":" + std::string(100000, '['), ""), "too deeply"));
}

TEST(SafeTensors, ANameThatComesTwiceIsRefused) {
  const std::string header = R"({"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";

  EXPECT_TRUE(contains(refusal(header, "1"), "twice"));
}

TEST(SafeTensors, TextBehindTheHeaderObjectIsRefused) {
  EXPECT_TRUE(contains(refusal("{} {}", ""), "no valid JSON"));
  EXPECT_TRUE(contains(refusal(" {}", ""), "no JSON object"));
}

TEST(SafeTensors, TruthValuesOtherThanZeroAndOneAreRefused) {
  const std::string header = R"({"x":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})";

  EXPECT_TRUE(contains(refusal(header, "\x02"), "truth values"));
}

TEST(SafeTensors, AMissingFileIsNamed) {
  EXPECT_TRUE(contains(error_of([] { read_safetensors("/nowhere/a.safetensors"); }),
                       "/nowhere/a.safetensors"));
}

}  // namespace
}  // namespace quantbench
