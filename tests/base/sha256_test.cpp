#include "base/sha256.h"

#include "tests/base/support.h"

namespace quantbench {
namespace {

// Examples of FIPS 180-2, appendix B.
constexpr const char* of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, AgreesWithThePublishedExamples) {
  EXPECT_EQ(sha256(""), of_nothing);
  EXPECT_EQ(sha256("abc"), of_abc);
}

TEST(Sha256, DoesNotDependOnHowTheBytesArrive) {
  Sha256 digest;

  digest.update("a").update("").update("bc");

  EXPECT_EQ(digest.hex(), of_abc);
}

TEST(Sha256, ReadsAFile) {
  TemporaryFolder folder;
  write_bytes(folder / "a", "abc");

  EXPECT_EQ(sha256_file(folder / "a"), of_abc);
}

TEST(Sha256, NamesAFileThatIsMissing) {
  TemporaryFolder folder;

  const std::string sentence = error_of([&] { sha256_file(folder / "absent"); });

  EXPECT_THAT(sentence, testing::HasSubstr("absent"));
}

}  // namespace
}  // namespace quantbench
