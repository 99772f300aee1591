#include "datasets/cifar.h"

#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using testing::HasSubstr;

const CifarLayout ten{"cifar10", 1, 10};
const CifarLayout hundred{"cifar100", 2, 100};

std::string record(const std::string& labels, char pixel) {
  return labels + std::string(3072, pixel);
}

ImageSet read(const std::filesystem::path& path, const CifarLayout& layout, int64_t records) {
  ImageSet images;
  Sha256 digest;
  read_cifar_file(path, layout, records, images, digest);
  return images;
}

TEST(Cifar, ReadsLabelsAndPixels) {
  TemporaryFolder folder;
  write_bytes(folder / "a.bin", record("\x07", 'a') + record("\x02", 'b'));

  const ImageSet images = read(folder / "a.bin", ten, 2);

  EXPECT_EQ(images.labels, (std::vector<uint8_t>{7, 2}));
  ASSERT_EQ(images.pixels.size(), 2u * 3072u);
  EXPECT_EQ(images.pixels[3071], 'a');
  EXPECT_EQ(images.pixels[3072], 'b');
}

TEST(Cifar, TakesTheFineLabelOfCifar100) {
  TemporaryFolder folder;
  write_bytes(folder / "a.bin", record("\x04\x63", 'a'));

  EXPECT_EQ(read(folder / "a.bin", hundred, 1).labels, (std::vector<uint8_t>{99}));
}

TEST(Cifar, RefusesATruncatedFile) {
  TemporaryFolder folder;
  write_bytes(folder / "a.bin", record("\x07", 'a'));

  const std::string sentence = error_of([&] { read(folder / "a.bin", ten, 2); });

  EXPECT_THAT(sentence, HasSubstr("a.bin should have 6146 bytes"));
  EXPECT_THAT(sentence, HasSubstr("has 3073"));
}

TEST(Cifar, RefusesTrailingBytes) {
  TemporaryFolder folder;
  write_bytes(folder / "a.bin", record("\x07", 'a') + "x");

  EXPECT_THROW(read(folder / "a.bin", ten, 1), Error);
}

TEST(Cifar, RefusesALabelOutOfRange) {
  TemporaryFolder folder;
  write_bytes(folder / "a.bin", record("\x01", 'a') + record("\x0a", 'a'));

  const std::string sentence = error_of([&] { read(folder / "a.bin", ten, 2); });

  EXPECT_THAT(sentence, HasSubstr("sample 1 has label 10"));
}

TEST(Cifar, SaysHowToGetFilesThatAreMissing) {
  TemporaryFolder folder;

  const std::string missing = datasets().get("cifar100").missing(folder.path());
  const std::string sentence = error_of([&] { open_dataset("cifar100", folder.path()); });

  EXPECT_THAT(missing, HasSubstr("cifar-100-binary/train.bin"));
  EXPECT_THAT(missing, HasSubstr("scripts/fetch_datasets.sh cifar100"));
  EXPECT_EQ(sentence, missing);
}

TEST(Cifar, SaysHowToReplaceADamagedFile) {
  TemporaryFolder folder;
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"})
    write_bytes(folder / "cifar-10-batches-bin" / name, "short");

  const std::string sentence = error_of([&] { open_dataset("cifar10", folder.path()); });

  EXPECT_THAT(sentence, HasSubstr("data_batch_1.bin"));
  EXPECT_THAT(sentence, HasSubstr("scripts/fetch_datasets.sh cifar10"));
}

}  // namespace
}  // namespace quantbench
