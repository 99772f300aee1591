#include <zlib.h>

#include "base/file.h"
#include "datasets/idx.h"
#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

std::string big_endian(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string idx_labels(const std::string& labels) {
  return big_endian(0x801) + big_endian(static_cast<uint32_t>(labels.size())) + labels;
}

std::string idx_images(uint32_t count, uint32_t side = 28) {
  return big_endian(0x803) + big_endian(count) + big_endian(side) + big_endian(side) +
         std::string(count * side * side, 'a');
}

void write_gzip(const std::filesystem::path& path, const std::string& content) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
}

// Four training and two test images.
void write_mnist(const TemporaryFolder& root) {
  write_bytes(root / "MNIST/raw/train-images-idx3-ubyte", idx_images(4));
  write_bytes(root / "MNIST/raw/train-labels-idx1-ubyte", idx_labels("\x01\x02\x03\x09"));
  write_bytes(root / "MNIST/raw/t10k-images-idx3-ubyte", idx_images(2));
  write_bytes(root / "MNIST/raw/t10k-labels-idx1-ubyte", idx_labels("\x00\x05"s));
}

std::unique_ptr<Dataset> open_tiny(const TemporaryFolder& root) {
  return open_dataset("mnist", root.path(), {{"validation", "1"}});
}

TEST(Idx, GivesShapeAndData) {
  const std::string bytes =
      big_endian(0x803) + big_endian(1) + big_endian(2) + big_endian(3) + "abcdef";

  const IdxBytes idx = parse_idx(bytes, 3, "test");

  EXPECT_EQ(idx.shape, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(idx.data, "abcdef");
}

TEST(Idx, RefusesAnotherMagicNumber) {
  const std::string sentence = error_of([] { parse_idx(idx_labels("abc"), 3, "images"); });

  EXPECT_THAT(sentence, HasSubstr("images"));
  EXPECT_THAT(sentence, HasSubstr("0x00000801"));
}

TEST(Idx, RefusesTruncatedAndTrailingBytes) {
  const std::string whole = idx_labels("abc");

  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_THROW(parse_idx(whole.substr(0, length), 1, "labels"), Error) << length;
  EXPECT_THAT(error_of([&] { parse_idx(whole + "d", 1, "labels"); }), HasSubstr("too long"));
}

TEST(Idx, RefusesDimensionsThatOverflow) {
  const std::string huge = std::string(4, '\xff');
  const std::string bytes = big_endian(0x803) + huge + huge + huge + "abc";

  EXPECT_THAT(error_of([&] { parse_idx(bytes, 3, "bomb"); }), HasSubstr("bomb is truncated"));
}

TEST(Mnist, ReadsPlainFiles) {
  TemporaryFolder root;
  write_mnist(root);

  const auto dataset = open_tiny(root);

  EXPECT_EQ(dataset->size(Split::Train), 3);
  EXPECT_EQ(dataset->size(Split::Validation), 1);
  EXPECT_EQ(integers(dataset->batch(Split::Test, {{0, 1}, false, {0, ""}}).target),
            (std::vector<int64_t>{0, 5}));
  EXPECT_EQ(dataset->input_shape(), (std::vector<int64_t>{1, 28, 28}));
}

TEST(Mnist, ReadsGzippedFilesAsTheSameData) {
  TemporaryFolder root;
  write_mnist(root);
  const std::string plain = open_tiny(root)->fingerprint();
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    const std::filesystem::path path = root.path() / "MNIST/raw" / name;
    write_gzip(path.string() + ".gz", read_file(path));
    std::filesystem::remove(path);
  }

  EXPECT_EQ(open_tiny(root)->fingerprint(), plain);
}

TEST(Mnist, RefusesImagesOfAnotherSize) {
  TemporaryFolder root;
  write_mnist(root);
  write_bytes(root / "MNIST/raw/t10k-images-idx3-ubyte", idx_images(2, 32));

  EXPECT_THAT(error_of([&] { open_tiny(root); }), HasSubstr("32 x 32"));
}

TEST(Mnist, RefusesImagesWithoutLabels) {
  TemporaryFolder root;
  write_mnist(root);
  write_bytes(root / "MNIST/raw/train-images-idx3-ubyte", idx_images(5));

  EXPECT_THAT(error_of([&] { open_tiny(root); }), HasSubstr("5 images"));
}

TEST(Mnist, RefusesALabelOutOfRangeAndSaysWhatToDo) {
  TemporaryFolder root;
  write_mnist(root);
  write_bytes(root / "MNIST/raw/t10k-labels-idx1-ubyte", idx_labels("\x05\x0a"));

  const std::string sentence = error_of([&] { open_tiny(root); });

  EXPECT_THAT(sentence, HasSubstr("t10k-labels-idx1-ubyte: sample 1 has label 10"));
  EXPECT_THAT(sentence, HasSubstr("scripts/fetch_datasets.sh mnist"));
}

TEST(Mnist, RefusesACorruptGzip) {
  TemporaryFolder root;
  write_mnist(root);
  std::filesystem::remove(root / "MNIST/raw/t10k-labels-idx1-ubyte");
  write_bytes(root / "MNIST/raw/t10k-labels-idx1-ubyte.gz", "\x1f\x8b\x08 not gzip");

  EXPECT_THAT(error_of([&] { open_tiny(root); }), HasSubstr("t10k-labels-idx1-ubyte.gz"));
}

TEST(Mnist, SaysHowToGetFilesThatAreMissing) {
  TemporaryFolder root;

  EXPECT_THAT(error_of([&] { open_tiny(root); }), HasSubstr("scripts/fetch_datasets.sh mnist"));
}

TEST(Mnist, RefusesToHoldEverythingOut) {
  TemporaryFolder root;
  write_mnist(root);

  const std::string sentence = error_of([&] { open_dataset("mnist", root.path()); });

  EXPECT_THAT(sentence, HasSubstr("option validation holds out 5000 of 4"));
}

}  // namespace
}  // namespace quantbench
