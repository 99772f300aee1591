#include <opencv2/imgcodecs.hpp>

#include "tests/datasets/support.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

void put(const fs::path& path, const cv::Scalar& colour) {
  fs::create_directories(path.parent_path());
  cv::imwrite(path.string(), cv::Mat(40, 30, CV_8UC3, colour));
}

std::unique_ptr<Dataset> open(const fs::path& root, std::map<std::string, std::string> options) {
  options.insert({{"resize", "24"}, {"crop", "16"}});
  return open_dataset("image_folder", root, options);
}

void fill(const fs::path& folder, int images) {
  for (int i = 0; i < images; ++i) {
    put(folder / "cat" / fmt::format("{:03}.png", i), {0, 0, 255});
    put(folder / "dog" / fmt::format("{:03}.png", i), {255, 0, 0});
  }
}

TEST(ImageFolder, ClassesAloneAreSplitByASeed) {
  const TemporaryFolder folder;
  fill(folder / "pets", 10);
  write_bytes(folder / "pets/.hidden/x.png", "no image");
  write_bytes(folder / "pets/cat/.DS_Store", "no image");

  const auto data = open(folder.path(), {{"path", "pets"}});

  EXPECT_EQ(data->class_count(), 2);
  EXPECT_EQ(data->size(Split::Test), 4);
  EXPECT_EQ(data->size(Split::Validation), 2);
  EXPECT_EQ(data->size(Split::Train), 14);
  for (int64_t i = 0; i < 4; ++i) {  // cats are red
    const Batch batch = data->batch(Split::Test, {{i}, false, RandomStream(0, "")});
    const bool red = batch.input[0][0][0][0].item<float>() > batch.input[0][2][0][0].item<float>();
    EXPECT_EQ(batch.target[0].item<int64_t>(), red ? 0 : 1);
  }
  EXPECT_EQ(open(folder.path(), {{"path", "pets"}})->fingerprint(), data->fingerprint());
  EXPECT_NE(open(folder.path(), {{"path", "pets"}, {"split_seed", "1"}})->fingerprint(),
            data->fingerprint());
}

TEST(ImageFolder, FoldersSplitWhereThereAreAny) {
  const TemporaryFolder folder;
  fill(folder / "image_folder/train", 5);
  fill(folder / "image_folder/val", 2);
  EXPECT_EQ(open(folder.path(), {})->size(Split::Test), 4) << "val is the test split";
  EXPECT_EQ(open(folder.path(), {})->size(Split::Validation), 1);

  fill(folder / "image_folder/test", 3);

  const auto data = open(folder.path(), {});
  EXPECT_EQ(data->size(Split::Train), 10);
  EXPECT_EQ(data->size(Split::Validation), 4);
  EXPECT_EQ(data->size(Split::Test), 6);
}

TEST(ImageFolder, AllOfItCanBeTheTestSplit) {
  const TemporaryFolder folder;
  fill(folder / "pets", 3);

  const auto data = open(folder.path(), {{"path", "pets"}, {"test_percent", "100"}});

  EXPECT_EQ(data->size(Split::Test), 6);
  EXPECT_EQ(data->size(Split::Train), 0);
  EXPECT_EQ(data->sample_name(Split::Test, 4), "dog/001.png");
}

TEST(ImageFolder, AFileCanLabelATestFolderWithoutClassFolders) {
  const TemporaryFolder folder;
  fill(folder / "pets/train", 2);
  put(folder / "pets/val/x.png", {0, 0, 255});
  put(folder / "pets/val/y.png", {255, 0, 0});
  write_bytes(folder / "pets/labels.txt", "y.png 1\nx.png cat a third column\n");
  const auto labelled = [&] {
    return open(folder.path(), {{"path", "pets"}, {"test_labels", "labels.txt"}});
  };
  const auto data = labelled();
  EXPECT_EQ(integers(data->batch(Split::Test, {{0, 1}, false, RandomStream(0, "")}).target),
            (std::vector<int64_t>{0, 1}));
  const std::string before = data->fingerprint();

  write_bytes(folder / "pets/labels.txt",
              "ImageId,PredictionString\nx,dog 1 2 3 4\ny,dog 5 6 7 8\n");
  EXPECT_EQ(integers(labelled()->batch(Split::Test, {{0, 1}, false, RandomStream(0, "")}).target),
            (std::vector<int64_t>{1, 1}));
  EXPECT_NE(labelled()->fingerprint(), before);

  write_bytes(folder / "pets/labels.txt", "x.png 0\n");
  EXPECT_THAT(error_of(labelled), HasSubstr("has no row for the image y.png"));
  write_bytes(folder / "pets/labels.txt", "x.png 0\ny.png 1\nz.png 1\n");
  EXPECT_THAT(error_of(labelled), HasSubstr("has a row for z.png"));
  write_bytes(folder / "pets/labels.txt", "x.png 0\ny.png 1\nx.png 1\n");
  EXPECT_THAT(error_of(labelled), HasSubstr("has two rows for 'x.png'"));
  write_bytes(folder / "pets/labels.txt", "x.png 0\ny.png 2\n");
  EXPECT_THAT(error_of(labelled), HasSubstr("row 2 names the class '2'"));
  write_bytes(folder / "pets/labels.txt", "x.png 0\ny.png\n");
  EXPECT_THAT(error_of(labelled), HasSubstr("row 2 gives 'y.png' no class"));
  fs::remove(folder / "pets/labels.txt");
  EXPECT_THAT(error_of(labelled), HasSubstr("is not there"));
}

TEST(ImageFolder, MistakesEndInASentence) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { open(folder.path(), {}); }), HasSubstr("--image_folder.path"));
  put(folder / "one/cat/a.png", {0, 0, 0});
  put(folder / "one/cat/b.png", {0, 0, 0});
  EXPECT_THAT(error_of([&] {
                open(folder.path(), {{"path", "one"}, {"test_percent", "50"}});
              }),
              HasSubstr("1 class"));
  fill(folder / "two/train", 2);
  EXPECT_THAT(error_of([&] { open(folder.path(), {{"path", "two"}}); }), HasSubstr("neither test"));
  put(folder / "two/test/cat/a.png", {0, 0, 0});
  EXPECT_THAT(error_of([&] {
                open(folder.path(), {{"path", "two"}});
              }),
              HasSubstr("the same classes"));
  fs::create_directories(folder / "none/cat");
  fs::create_directories(folder / "none/dog");
  EXPECT_THAT(error_of([&] {
                open(folder.path(), {{"path", "none"}});
              }),
              HasSubstr("holds no image"));
}

}  // namespace
}  // namespace quantbench
