#include "bench/launch.h"

#include <gmock/gmock.h>

#include <map>

#include "base/error.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

using Variables = std::map<std::string, std::string>;

std::optional<Launch> read(const Variables& variables) {
  return read_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

Variables sound(const Variables& over = {}) {
  Variables out{{"RANK", "3"},
                {"WORLD_SIZE", "4"},
                {"LOCAL_RANK", "1"},
                {"LOCAL_WORLD_SIZE", "2"},
                {"MASTER_ADDR", "node0"},
                {"MASTER_PORT", "29500"}};
  for (const auto& [name, value] : over) out[name] = value;
  return out;
}

TEST(Launch, IsWhatTorchrunSays) {
  const auto launch = read(sound());

  ASSERT_TRUE(launch.has_value());
  EXPECT_EQ(launch->rank, 3);
  EXPECT_EQ(launch->size, 4);
  EXPECT_EQ(launch->local_rank, 1);
  EXPECT_EQ(launch->local_size, 2);
  EXPECT_EQ(launch->address, "node0");
  EXPECT_EQ(launch->port, 29500);
  EXPECT_FALSE(launch->is_served);
  EXPECT_EQ(launch->attempt, "0");
}

TEST(Launch, TheLaunchersOwnMeetingPlaceIsTaken) {
  const auto launch =
      read(sound({{"TORCHELASTIC_USE_AGENT_STORE", "True"}, {"TORCHELASTIC_RESTART_COUNT", "2"}}));

  EXPECT_TRUE(launch->is_served);
  EXPECT_EQ(launch->attempt, "2");
}

TEST(Launch, OneProcessIsNoLaunch) {
  EXPECT_FALSE(read({}).has_value());
  EXPECT_FALSE(read({{"WORLD_SIZE", "1"}}).has_value());
  EXPECT_FALSE(read(sound({{"RANK", "0"}, {"WORLD_SIZE", "1"}})).has_value());
}

TEST(Launch, WhatContradictsItselfIsOneSentence) {
  const auto refused = [](const Variables& variables, const char* part) {
    EXPECT_THAT([&] { read(variables); }, ThrowsMessage<Error>(HasSubstr(part)));
  };
  refused({{"RANK", "0"}}, "WORLD_SIZE is not");
  refused({{"WORLD_SIZE", "2"}}, "RANK is not set");
  refused(sound({{"RANK", "4"}}), "RANK is 4, but WORLD_SIZE says that there are 4");
  refused(sound({{"WORLD_SIZE", "0"}}), "WORLD_SIZE must be a number from 1");
  refused(sound({{"WORLD_SIZE", "-2"}}), "WORLD_SIZE must be a number");
  refused(sound({{"WORLD_SIZE", "two"}}), "not 'two'");
  refused(sound({{"WORLD_SIZE", "99999999999999999999"}}), "WORLD_SIZE must be a number");
  refused(sound({{"RANK", ""}}), "RANK must be a number");
  refused(sound({{"MASTER_PORT", "0"}}), "MASTER_PORT must be a number");
  refused(sound({{"MASTER_PORT", "70000"}}), "MASTER_PORT must be a number");
  refused(sound({{"MASTER_ADDR", ""}}), "MASTER_ADDR and MASTER_PORT");
  refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "MASTER_ADDR and MASTER_PORT");
}

}  // namespace
}  // namespace quantbench
