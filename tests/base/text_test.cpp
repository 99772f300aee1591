#include "base/text.h"

#include <gtest/gtest.h>

#include "base/safe_name.h"

namespace quantbench {
namespace {

TEST(Printable, PlainTextStays) {
  EXPECT_EQ(printable("a = 1\n\tü €\xf0\x9f\x98\x80"), "a = 1\n\tü €\xf0\x9f\x98\x80");
}

TEST(Printable, EscapeSequencesAndControlsAreReplaced) {
  EXPECT_EQ(printable("\x1b[31mred\x07\r\x7f"), "?[31mred???");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m");  // the one-character escape of Latin-1
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a?b");
}

TEST(Printable, DirectionOfWritingIsNotTurned) {
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b\xe2\x81\xa6"),
            "a?b?");
}

TEST(Printable, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(printable("\xff"), "?");
  EXPECT_EQ(printable("a\xe2\x82"), "a??");     // cut
  EXPECT_EQ(printable("\xc0\xaf"), "??");       // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(valid_utf8("a\xff\x1b"), "a\xef\xbf\xbd\x1b");
}

TEST(Printable, LineHasOneLine) { EXPECT_EQ(printable_line("a\nb\tc"), "a b c"); }

TEST(SafeName, IsOnePlainComponentOfAPath) {
  for (const char* name : {"uniform", "resnet20", "front-3_a.b", "_x", "0"})
    EXPECT_TRUE(is_safe_name(name)) << name;
  for (const char* name :
       {"", ".", "..", ".x", "a/b", "../x", "-x", "a b", "a\n", "ü", "a\\b", "a:b"})
    EXPECT_FALSE(is_safe_name(name)) << name;
  EXPECT_TRUE(is_safe_name(std::string(100, 'x')));
  EXPECT_FALSE(is_safe_name(std::string(101, 'x')));
  EXPECT_FALSE(is_safe_name(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace quantbench
