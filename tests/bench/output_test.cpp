#include "bench/output.h"

#include <gmock/gmock.h>

#include "base/torch.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Sentence, OfLibTorchIsOneLineWithoutItsBacktrace) {
  std::string sentence;
  try {
    torch::ones({2}) + torch::ones({3});
  } catch (const std::exception& problem) {
    ASSERT_THAT(problem.what(), HasSubstr("\nException raised from"));
    sentence = sentence_of(problem);
  }
  EXPECT_THAT(sentence, testing::StartsWith("LibTorch: The size of tensor a (2) must match"));
  EXPECT_THAT(sentence, Not(HasSubstr("Exception raised")));
  EXPECT_THAT(sentence, Not(HasSubstr("frame #")));
  EXPECT_THAT(sentence, Not(HasSubstr("\n")));
}

TEST(Sentence, CannotSteerATerminal) {
  EXPECT_EQ(sentence_of(std::runtime_error("a\x1b[2J\nb")).find_first_of("\x1b\n"),
            std::string::npos);
}

}  // namespace
}  // namespace quantbench
