// Data of one's own: tables as CSV and .npz.
#include <zip.h>

#include "datasets/csv_rows.h"
#include "datasets/npz.h"
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A .npy file of version 1.
std::string npy(const std::string& type, const std::string& shape, const std::string& bytes,
                const std::string& order = "False") {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': (" + shape + "), }";
  header += std::string(64 - (10 + header.size() + 1) % 64, ' ') + "\n";
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  return out + header + bytes;
}

template <typename Number>
std::string bytes_of(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

void write_npz(const std::filesystem::path& path, const std::map<std::string, std::string>& files) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  for (const auto& [name, bytes] : files)
    zip_file_add(archive, (name + ".npy").c_str(),
                 zip_source_buffer(archive, bytes.data(), bytes.size(), 0), 0);
  zip_close(archive);
}

std::vector<float> floats(const Tensor& t) {
  const Tensor flat = t.contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

TEST(CsvRows, TheLastColumnIsTheLabelAndMayBeWords) {
  const CsvRows rows =
      parse_csv_rows("a,b,kind\r\n1,2,cat\r\n\r\n-3,4e1,\"dog, big\"\r\n", "", "f");

  EXPECT_THAT(floats(rows.features), ElementsAre(1, 2, -3, 40));
  EXPECT_THAT(rows.labels, ElementsAre("cat", "dog, big"));
}

TEST(CsvRows, TheLabelIsChosenByNameOrNumberAndSemicolonsSeparateToo) {
  const char* text = "y;a;b\n1;5;6\n0;7;8\n";

  EXPECT_THAT(parse_csv_rows(text, "y", "f").labels, ElementsAre("1", "0"));
  EXPECT_THAT(parse_csv_rows(text, "1", "f").labels, ElementsAre("1", "0"));
  EXPECT_THAT(parse_csv_rows("5,6,1\n7,8,0\n", "", "f").labels, ElementsAre("1", "0"));
  EXPECT_THAT(error_of([&] { parse_csv_rows(text, "z", "f"); }), HasSubstr("no column 'z'"));
}

TEST(CsvRows, MistakesNameTheirLine) {
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"", "no lines"},
      {"1\n2\n", "no lines"},
      {"1,2\n3,4,5\n", "line 2"},
      {"a,y\n1,0\nx,1\n", "line 3"},
      {"a,y\n,0\n", "no finite number"},
      {"a,y\ninf,0\n", "no finite number"},
      {"a,y\n1,\n", "no label"},
      {"a,y\n\"1,0\n", "not closed"},
      {"a,y\n\"1\"x,0\n", "quote"},
  };
  for (const auto& [text, expected] : mistakes)
    EXPECT_THAT(error_of([&text = text] { parse_csv_rows(text, "", "f"); }), HasSubstr(expected))
        << text;
}

TEST(Npy, NumbersOfEveryKindAreRead) {
  EXPECT_THAT(floats(parse_npy(npy("<f4", "2, 2", bytes_of<float>({1, 2, 3, 4})), "a")),
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(floats(parse_npy(npy("<f8", "2,", bytes_of<double>({0.5, -2})), "a")),
              ElementsAre(0.5, -2));
  EXPECT_THAT(integers(parse_npy(npy("<i4", "2,", bytes_of<int32_t>({7, -1})), "a")),
              ElementsAre(7, -1));
  EXPECT_THAT(integers(parse_npy(npy("|u1", "2,", bytes_of<uint8_t>({7, 255})), "a")),
              ElementsAre(7, 255));
}

TEST(Npy, WhatDoesNotFitIsRefused) {
  const std::string two = bytes_of<float>({1, 2});
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"", "truncated"},
      {"PNG of ten bytes", "no array"},
      {npy("<f4", "3,", two), "3 numbers"},
      {npy("<f4", "1,", two), "1 numbers"},
      {npy("<f4", "4000000000, 4000000000", two), "too large"},
      {npy("<f4", "99999999999999999999,", two), "too large"},
      {npy(">f4", "2,", two), "type"},
      {npy("<c8", "1,", two), "type"},
      {npy("|O", "2,", two), "header"},
      {npy("<f4", "1, 2", two, "True"), "Fortran"},
      {npy("<f4", "2,", two).substr(0, 40), "truncated"},
  };
  for (const auto& [bytes, expected] : mistakes)
    EXPECT_THAT(error_of([&bytes = bytes] { parse_npy(bytes, "a"); }), HasSubstr(expected));
}

TEST(TableData, ACsvFileIsSplitByASeed) {
  const TemporaryFolder folder;
  std::string text = "a,b,kind\n";
  for (int i = 0; i < 100; ++i) text += fmt::format("{},{},{}\n", i, 2 * i, i % 2 ? "odd" : "even");
  write_bytes(folder / "t.csv", text);
  const auto open = [&](std::map<std::string, std::string> options = {}) {
    options.insert({"path", "t.csv"});
    return open_dataset("table", folder.path(), options);
  };

  const auto data = open();

  EXPECT_EQ(data->class_count(), 2);
  EXPECT_EQ(data->input_shape(), (std::vector<int64_t>{2}));
  EXPECT_EQ(data->size(Split::Test), 20);
  EXPECT_EQ(data->size(Split::Validation), 12);
  EXPECT_EQ(data->size(Split::Train), 68);
  std::vector<int64_t> all(68);
  for (int64_t i = 0; i < 68; ++i) all[static_cast<size_t>(i)] = i;
  const Batch batch = data->batch(Split::Train, {all, false, RandomStream(0, "")});
  EXPECT_NEAR(batch.input.mean().item<double>(), 0, 1e-6);
  for (int64_t i = 0; i < 68; ++i)  // "even" is class 0
    EXPECT_EQ(batch.target[i].item<int64_t>(), batch.sample_ids[i].item<int64_t>() % 2);
  EXPECT_EQ(open()->fingerprint(), data->fingerprint());
  EXPECT_NE(open({{"split_seed", "3"}})->fingerprint(), data->fingerprint());
  write_bytes(folder / "t.csv", text + "7,7,odd\n");
  EXPECT_NE(open()->fingerprint(), data->fingerprint());
}

TEST(TableData, NumbersAsLabelsAreOrderedByValue) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 40; ++i) text += fmt::format("{},{}\n", i, i % 2 ? 10 : 9);
  write_bytes(folder / "t.csv", text);

  const auto data = open_dataset("table", folder.path(), {{"path", "t.csv"}});

  const Batch batch = data->batch(Split::Train, {{0}, false, RandomStream(0, "")});
  EXPECT_EQ(batch.target[0].item<int64_t>(), batch.sample_ids[0].item<int64_t>() % 2);
}

TEST(TableData, AnNpzHasItsOwnTestRows) {
  const TemporaryFolder folder;
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int i = 0; i < 20; ++i) {
    x.insert(x.end(), {static_cast<float>(i), 1.0f, 2.0f});
    y.push_back(i % 4);
  }
  write_npz(folder / "t.npz", {{"x_train", npy("<f4", "20, 3", bytes_of(x))},
                               {"y_train", npy("<i8", "20,", bytes_of(y))},
                               {"x_test", npy("<f4", "20, 3", bytes_of(x))},
                               {"y_test", npy("<i8", "20,", bytes_of(y))}});

  const auto data =
      open_dataset("table", folder.path(), {{"path", "t.npz"}, {"standardise", "no"}});

  EXPECT_EQ(data->class_count(), 4);
  EXPECT_EQ(data->size(Split::Train), 17);
  EXPECT_EQ(data->size(Split::Test), 20);
  const Batch batch = data->batch(Split::Test, {{7}, false, RandomStream(0, "")});
  EXPECT_THAT(floats(batch.input), ElementsAre(7, 1, 2));
  EXPECT_EQ(batch.target[0].item<int64_t>(), 3);
}

TEST(Npz, WhatUnfoldsFarBeyondTheFileIsRefused) {
  const TemporaryFolder folder;
  write_npz(folder / "t.npz", {{"x", npy("|u1", "90000000,", std::string(90000000, '\0'))}});

  ASSERT_LT(std::filesystem::file_size(folder / "t.npz"), 200000u);
  EXPECT_THAT(error_of([&] { read_npz(folder / "t.npz"); }), HasSubstr("at most"));
}

TEST(TableData, MistakesEndInASentence) {
  const TemporaryFolder folder;
  write_bytes(folder / "one.csv", "1,a\n2,a\n3,a\n");
  write_bytes(folder / "few.csv", "1,a\n2,b\n");
  write_bytes(folder / "broken.npz", "PK\x03\x04 and no more");
  const auto refusal = [&](const std::string& path) {
    return error_of([&] { open_dataset("table", folder.path(), {{"path", path}}); });
  };

  EXPECT_THAT(error_of([&] { open_dataset("table", folder.path()); }), HasSubstr("--table.path"));
  EXPECT_THAT(refusal("no.csv"), HasSubstr("no.csv"));
  EXPECT_THAT(refusal("one.csv"), HasSubstr("1 class"));
  EXPECT_THAT(refusal("few.csv"), HasSubstr("too few"));
  EXPECT_THAT(refusal("broken.npz"), HasSubstr("zip"));
}

}  // namespace
}  // namespace quantbench
