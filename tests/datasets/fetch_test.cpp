// scripts/fetch_datasets.sh against small mirrors of its own making, by file://.
#include <sys/wait.h>

#include <cstdlib>

#include "base/file.h"
#include "base/sha256.h"
#include "tests/base/support.h"

namespace quantbench {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Outcome {
  int status = 0;
  std::string output;
};

// A mirror folder, a table of checksums and a destination.
class Fetch : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v curl >/dev/null") != 0)
      GTEST_SKIP() << "curl is not installed; scripts/install_deps.sh installs it.";
    fs::create_directories(root_ / "mirror");
  }

  Outcome shell(const std::string& command) const {
    const std::string log = (root_ / "log").string();
    const int status = std::system(fmt::format("({}) >'{}' 2>&1", command, log).c_str());
    return {WEXITSTATUS(status), read_file(log)};
  }

  Outcome fetch(const std::string& arguments) const {
    return shell(fmt::format(
        "QUANTBENCH_CHECKSUMS='{0}/checksums' '{1}/fetch_datasets.sh' --dest '{0}/data' "
        "--base 'file://{0}/mirror' {2}",
        root_.path().string(), QUANTBENCH_SCRIPTS, arguments));
  }

  // Puts a file on the mirror and its true checksum into the table.
  void serve(const std::string& name, const std::string& content) {
    write_bytes(root_ / "mirror" / name, content);
    table_ += fmt::format("sha256:{} {}\n", sha256(content), name);
    write_bytes(root_ / "checksums", table_);
  }

  // An archive of cifar10 with one small file in it.
  void serve_cifar10(const std::string& content = "pixels") {
    write_bytes(root_ / "stage/cifar-10-batches-bin/data_batch_1.bin", content);
    const Outcome packed = shell(fmt::format(
        "tar -czf '{0}/stage/archive' -C '{0}/stage' cifar-10-batches-bin", root_.path().string()));
    ASSERT_EQ(packed.status, 0) << packed.output;
    serve("cifar-10-binary.tar.gz", read_file(root_ / "stage/archive"));
  }

  void serve_planetoid(const std::string& graph) {
    for (const char* part : {"x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"})
      serve("ind." + graph + "." + part, std::string("content of ") + part);
  }

  fs::path data(const std::string& name) const { return root_ / "data" / name; }

  // Names of everything under the destination that no finished download leaves there.
  std::vector<std::string> leftovers() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / "data")) {
      const std::string name = entry.path().filename();
      if (entry.path().extension() == ".part" || name.rfind(".unpack", 0) == 0) out.push_back(name);
    }
    return out;
  }

  TemporaryFolder root_;
  std::string table_;
};

TEST_F(Fetch, UnpacksAnArchiveIntoItsFolder) {
  serve_cifar10();

  const Outcome outcome = fetch("cifar10");

  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(read_file(data("cifar-10-batches-bin/data_batch_1.bin")), "pixels");
  EXPECT_FALSE(fs::exists(data("cifar-10-binary.tar.gz")));
  EXPECT_TRUE(leftovers().empty());
}

TEST_F(Fetch, RefusesAnArchiveWithAWrongChecksumAndLeavesNothing) {
  serve_cifar10();
  write_bytes(root_ / "mirror/cifar-10-binary.tar.gz", "something else");

  const Outcome outcome = fetch("cifar10");

  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("wrong checksum"));
  EXPECT_FALSE(fs::exists(data("cifar-10-batches-bin")));
  EXPECT_TRUE(leftovers().empty());
}

TEST_F(Fetch, KnowsMd5ChecksumsToo) {
  serve_cifar10();
  write_bytes(root_ / "checksums", "md5:d41d8cd98f00b204e9800998ecf8427e cifar-10-binary.tar.gz\n");
  EXPECT_EQ(fetch("cifar10").status, 1);
  write_bytes(root_ / "mirror/cifar-10-binary.tar.gz", "");

  const Outcome outcome = fetch("cifar10");

  // The checksum of nothing fits; that nothing is no archive is found out next.
  EXPECT_THAT(outcome.output, HasSubstr("cannot be unpacked"));
}

TEST_F(Fetch, KeepsWhatIsAlreadyThere) {
  serve_cifar10();
  write_bytes(data("cifar-10-batches-bin/data_batch_1.bin"), "mine");

  const Outcome outcome = fetch("cifar10");

  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(read_file(data("cifar-10-batches-bin/data_batch_1.bin")), "mine");
}

TEST_F(Fetch, LaysPlanetoidFilesOutAsTheyAreRead) {
  serve_planetoid("cora");

  const Outcome outcome = fetch("cora");

  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(read_file(data("planetoid/cora/raw/ind.cora.test.index")), "content of test.index");
}

TEST_F(Fetch, GoesOnWhereADownloadWasCutOff) {
  serve_planetoid("cora");
  write_bytes(data("planetoid/cora/raw/ind.cora.allx.part"), "content");

  const Outcome outcome = fetch("cora");

  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(read_file(data("planetoid/cora/raw/ind.cora.allx")), "content of allx");
  EXPECT_TRUE(leftovers().empty());
}

TEST_F(Fetch, StartsAnewWhenThePartIsLongerThanTheFile) {
  serve_planetoid("cora");
  write_bytes(data("planetoid/cora/raw/ind.cora.y.part"), "a part of some other, longer file");

  const Outcome outcome = fetch("cora");

  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(read_file(data("planetoid/cora/raw/ind.cora.y")), "content of y");
}

TEST_F(Fetch, SaysWhatIsMissingOnTheMirrorAndKeepsTheRest) {
  serve_planetoid("cora");
  fs::remove(root_ / "mirror/ind.cora.ally");

  const Outcome outcome = fetch("cora");

  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("cannot download"));
  EXPECT_THAT(outcome.output, HasSubstr("ind.cora.ally"));
  EXPECT_TRUE(fs::exists(data("planetoid/cora/raw/ind.cora.ty")));
}

TEST_F(Fetch, RefusesAFileOnDiskThatIsNotTheRightOne) {
  serve_planetoid("cora");
  write_bytes(data("planetoid/cora/raw/ind.cora.x"), "edited");

  const Outcome outcome = fetch("cora");

  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("ind.cora.x is there, but is not the file it should be"));
}

TEST_F(Fetch, ChecksTheStructureOfPubMedAndSaysSo) {
  serve_planetoid("pubmed");
  write_bytes(root_ / "checksums", "");
  for (const char* part : {"x", "tx", "allx", "y", "ty", "ally", "graph"})
    write_bytes(root_ / "mirror" / (std::string("ind.pubmed.") + part), "\x80\x02N.");
  write_bytes(root_ / "mirror/ind.pubmed.test.index", "12\n7\n");

  const Outcome outcome = fetch("pubmed");

  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("no checksum is known"));
}

TEST_F(Fetch, RefusesAWebPageInPlaceOfPubMed) {
  serve_planetoid("pubmed");
  write_bytes(root_ / "checksums", "");
  write_bytes(root_ / "mirror/ind.pubmed.x", "<html>Not found</html>");

  const Outcome outcome = fetch("pubmed");

  EXPECT_EQ(outcome.status, 1);
  EXPECT_FALSE(fs::exists(data("planetoid/pubmed/raw/ind.pubmed.x")));
}

TEST_F(Fetch, FetchesTheFourFilesOfMnist) {
  for (const char* name :
       {"train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"})
    serve(std::string(name) + "-ubyte.gz", name);

  const Outcome outcome = fetch("mnist");

  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(read_file(data("MNIST/raw/t10k-labels-idx1-ubyte.gz")), "t10k-labels-idx1");
}

TEST_F(Fetch, ListsTheKnownNamesForAnUnknownOne) {
  const Outcome outcome = fetch("imagenet");

  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("'imagenet' is not known; there are cifar10"));
}

TEST_F(Fetch, ExplainsItselfWhenNothingIsAskedFor) {
  const Outcome outcome = fetch("");

  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.output, HasSubstr("NAME"));
}

TEST_F(Fetch, LaysOutATuCollection) {
  write_bytes(root_ / "stage/TINY/TINY_A.txt", "1, 2\n");
  const Outcome packed = shell(fmt::format(
      "cd '{0}/stage' && python3 -m zipfile -c archive.zip TINY", root_.path().string()));
  if (packed.status != 0) GTEST_SKIP() << "python3 makes the archive of this test.";
  write_bytes(root_ / "mirror/TINY.zip", read_file(root_ / "stage/archive.zip"));
  write_bytes(root_ / "checksums", "");

  const Outcome out = fetch("tu:TINY");

  EXPECT_EQ(out.status, 0) << out.output;
  EXPECT_EQ(read_file(root_ / "data/TUDataset/TINY/raw/TINY_A.txt"), "1, 2\n");
  EXPECT_FALSE(fs::exists(root_ / "data/TINY.zip"));
  EXPECT_THAT(fetch("tu:TINY").output, HasSubstr("already there"));
  EXPECT_NE(fetch("tu:../TINY").status, 0);
  write_bytes(root_ / "mirror/OTHER.zip", "this is no archive");
  EXPECT_NE(fetch("tu:OTHER").status, 0);
  EXPECT_FALSE(fs::exists(root_ / "data/TUDataset/OTHER"));
}

}  // namespace
}  // namespace quantbench
