#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "tests/base/support.h"

namespace quantbench {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(WriteAtomically, ManyWritersOfOneFileNeverFailNorTearIt) {
  TemporaryFolder folder;
  std::vector<pid_t> children;
  for (char letter = 'a'; letter < 'i'; ++letter) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        for (int i = 0; i < 20; ++i) write_atomically(folder / "page", std::string(100000, letter));
      } catch (const std::exception&) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }

  for (pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const std::string whole = read_file(folder / "page");
  EXPECT_EQ(whole, std::string(100000, whole.at(0)));
  EXPECT_THAT(names_in(folder), ElementsAre("page"));
}

TEST(WriteAtomically, WhatAKilledWriterLeftIsRemovedByTheNext) {
  TemporaryFolder folder;
  write_bytes(folder / "page.0123456789abcdef.part", "half");
  write_bytes(folder / "page.mine.part", "somebody's own file");
  write_bytes(folder / "page.part", "somebody's own file");

  write_atomically(folder / "page", "whole");

  EXPECT_THAT(names_in(folder), ElementsAre("page", "page.mine.part", "page.part"));
}

TEST(WriteAtomically, LinkIsFollowedAndStays) {
  TemporaryFolder folder;
  fs::create_directory(folder / "there");
  fs::create_symlink("there/target", folder / "link");

  write_atomically(folder / "link", "new");  // the target is made
  write_atomically(folder / "link", "newer");

  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "there" / "target"), "newer");
}

TEST(WriteAtomically, CircleOfLinksIsRefused) {
  TemporaryFolder folder;
  fs::create_symlink("a", folder / "b");
  fs::create_symlink("b", folder / "a");

  EXPECT_NE(error_of([&] { write_atomically(folder / "a", "x"); }), "");
}

TEST(WriteAtomically, FolderIsNeverReplaced) {
  TemporaryFolder folder;
  fs::create_directory(folder / "page");

  EXPECT_THAT(error_of([&] { write_atomically(folder / "page", "x"); }), HasSubstr("is a folder"));
  EXPECT_THAT(names_in(folder), ElementsAre("page"));
}

TEST(WriteAtomically, DeviceIsWrittenToAndStaysOne) {
  TemporaryFolder folder;
  fs::create_symlink("/dev/null", folder / "null");

  write_atomically(folder / "null", "x");
  write_atomically("/dev/null", "x");

  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_TRUE(fs::is_symlink(folder / "null"));
}

TEST(WriteAtomically, FullDeviceIsSaidSoAndStays) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "There is no /dev/full here.";

  EXPECT_THAT(error_of([&] { write_atomically("/dev/full", "x"); }), HasSubstr("is it full"));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(WriteAtomically, PipeGetsTheBytes) {
  TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);

  write_atomically(folder / "pipe", "hello");

  char bytes[8] = {};
  EXPECT_EQ(::read(reader, bytes, sizeof(bytes)), 5);
  EXPECT_STREQ(bytes, "hello");
  ::close(reader);
}

TEST(WriteAtomically, PermissionsOfTheOldFileStay) {
  TemporaryFolder folder;
  write_bytes(folder / "page", "old");
  fs::permissions(folder / "page", fs::perms(0640));

  write_atomically(folder / "page", "new");

  EXPECT_EQ(fs::status(folder / "page").permissions(), fs::perms(0640));
}

TEST(WriteAtomically, LongNameIsWritten) {
  TemporaryFolder folder;

  write_atomically(folder / std::string(250, 'x'), "new");

  EXPECT_EQ(read_file(folder / std::string(250, 'x')), "new");
}

}  // namespace
}  // namespace quantbench
