#include "base/file.h"

#include <zlib.h>

#include "tests/base/support.h"

namespace quantbench {
namespace {

using testing::HasSubstr;

void write_gzip(const std::filesystem::path& path, const std::string& content) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
}

TEST(ReadFile, GivesTheWholeContent) {
  TemporaryFolder folder;
  write_bytes(folder / "a", std::string("a\0b\n", 4));

  const std::string content = read_file(folder / "a");

  EXPECT_EQ(content, std::string("a\0b\n", 4));
}

TEST(ReadFile, NamesAFileThatIsMissing) {
  TemporaryFolder folder;

  const std::string sentence = error_of([&] { read_file(folder / "absent"); });

  EXPECT_THAT(sentence, HasSubstr("absent"));
}

TEST(ReadFile, RefusesAFileAboveTheLimit) {
  TemporaryFolder folder;
  write_bytes(folder / "a", "12345");

  const std::string sentence = error_of([&] { read_file(folder / "a", 4); });

  EXPECT_THAT(sentence, HasSubstr("at most 4"));
}

TEST(ReadFile, RefusesAFolder) {
  TemporaryFolder folder;

  const std::string sentence = error_of([&] { read_file(folder / ""); });

  EXPECT_THAT(sentence, HasSubstr("is a folder"));
}

TEST(ReadGzip, UnfoldsACompressedFile) {
  TemporaryFolder folder;
  write_gzip(folder / "a.gz", std::string(1000000, 'x'));

  const std::string content = read_gzip(folder / "a.gz", 1000000);

  EXPECT_EQ(content, std::string(1000000, 'x'));
}

TEST(ReadGzip, PassesAPlainFileThrough) {
  TemporaryFolder folder;
  write_bytes(folder / "a", "plain");

  const std::string content = read_gzip(folder / "a", 100);

  EXPECT_EQ(content, "plain");
}

TEST(ReadGzip, StopsAtTheLimit) {
  TemporaryFolder folder;
  write_gzip(folder / "bomb.gz", std::string(1000000, 'x'));

  const std::string sentence = error_of([&] { read_gzip(folder / "bomb.gz", 999999); });

  EXPECT_THAT(sentence, HasSubstr("unfolds to more"));
}

TEST(ReadGzip, RefusesATruncatedFile) {
  TemporaryFolder folder;
  write_gzip(folder / "a.gz", "some content that is long enough to be cut in the middle");
  std::filesystem::resize_file(folder / "a.gz", 30);

  const std::string sentence = error_of([&] { read_gzip(folder / "a.gz", 1000); });

  EXPECT_THAT(sentence, HasSubstr("corrupt"));
}

TEST(Compress, ComesBackAsItWas) {
  const std::string content = "abcabcabcabc\0abc";

  const std::string back = decompress(compress(content), content.size());

  EXPECT_EQ(back, content);
}

TEST(Decompress, RefusesAnotherSizeThanTheBlobHas) {
  const std::string blob = compress("twelve bytes");

  EXPECT_THROW(decompress(blob, 11), Error);
  EXPECT_THROW(decompress(blob, 13), Error);
}

TEST(Decompress, RefusesASizeThatNoSuchBlobCanHave) {
  const std::string blob = compress("x");

  EXPECT_THROW(decompress(blob, uint64_t{1} << 60), Error);
}

TEST(WriteAtomically, ReplacesTheFile) {
  TemporaryFolder folder;
  write_bytes(folder / "a", "old");

  write_atomically(folder / "a", "new");

  EXPECT_EQ(read_file(folder / "a"), "new");
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"a"}));
}

TEST(WriteAtomically, LeavesTheOldFileWhenWritingFails) {
  TemporaryFolder folder;
  write_bytes(folder / "a", "old");

  EXPECT_THROW(write_atomically(folder / "a",
                                [](std::ostream& out) {
                                  out << "half";
                                  fail("The disk is full.");
                                }),
               Error);

  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"a"}));
}

TEST(WriteAtomically, NamesTheFolderThatIsMissing) {
  TemporaryFolder folder;

  const std::string sentence =
      error_of([&] { write_atomically(folder / "absent" / "a", "content"); });

  EXPECT_THAT(sentence, HasSubstr("absent/a"));
}

TEST(ByteReader, ReadsNumbersInBothByteOrders) {
  ByteReader reader(std::string_view("\x01\x00\x00\x00\x00\x00\x00\x02", 8), "bytes");

  const uint32_t little = reader.number<uint32_t>();
  const uint32_t big = reader.big_endian32();

  EXPECT_EQ(little, 1u);
  EXPECT_EQ(big, 2u);
  EXPECT_EQ(reader.left(), 0u);
}

TEST(ByteReader, RefusesToReadPastTheEnd) {
  ByteReader reader("1234", "short.bin");
  reader.take(3);

  const std::string sentence = error_of([&] { reader.take(~uint64_t{0}); });

  EXPECT_THAT(sentence, HasSubstr("short.bin is truncated"));
  EXPECT_EQ(reader.position(), 3u);
}

}  // namespace
}  // namespace quantbench
