#include "results/leaderboard.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "results/board.h"
#include "results/site/page.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class Leaderboard : public StoreTest {
 protected:
  Leaderboard() : store_(path()) {}

  void SetUp() override {
    if (!site_page().missing.empty()) GTEST_SKIP() << site_page().missing;
  }

  std::string page(int64_t details = 10) const {
    LeaderboardConfig config;
    config.details = details;
    config.made = "2026-01-31 03:00 UTC";
    return leaderboard_html(store_, config);
  }

  // The data element of this id, as the page's script would read it.
  static Json data(const std::string& page, const std::string& id) {
    const std::string start = "<script type=\"application/json\" id=\"" + id + "\">";
    const size_t first = page.find(start);
    if (first == std::string::npos) return nullptr;
    const size_t from = first + start.size();
    return Json::parse(page.substr(from, page.find("</script>", from) - from));
  }

  Store store_;
};

TEST_F(Leaderboard, HoldsEveryRunByColumns) {
  SomeRun other;
  other.method = "hawq";
  other.latency_ms = 1.5;
  add_run(store_, {});
  add_run(store_, other);
  store_.end(begin_run(store_, {}).id, RunStatus::Failed, "No.");

  const Json runs = data(page(), "runs");

  EXPECT_EQ(runs.at("count"), 3);
  EXPECT_EQ(runs.at("numbers").at("id"), Json({1, 2, 3}));
  EXPECT_EQ(runs.at("numbers").at("top1_shipped"), Json({900000, 900000, nullptr}));
  EXPECT_EQ(runs.at("scales").at("top1_shipped"), 1e6);
  EXPECT_EQ(runs.at("numbers").at("latency_ms"), Json({nullptr, 1500000, nullptr}));
  EXPECT_EQ(runs.at("words").at("method").at("dictionary"), Json({"uniform", "hawq"}));
  EXPECT_EQ(runs.at("words").at("method").at("codes"), Json({0, 1, 0}));
  EXPECT_EQ(runs.at("contracts").size(), 1u);
  EXPECT_THAT(runs.at("latency_kinds").at(0), HasSubstr("fake_quantized (simulated, LibTorch"));
}

TEST_F(Leaderboard, RunsOnOtherSamplesAreOfAnotherGroup) {
  SomeRun few;
  few.target = few.predicted = {0, 1};
  add_run(store_, {});
  add_run(store_, few);

  const Json runs = data(page(), "runs");

  EXPECT_EQ(runs.at("numbers").at("contract"), Json({0, 1}));
  EXPECT_EQ(runs.at("contracts").at(1).at("samples"), 2);
}

TEST_F(Leaderboard, EmptyStoreIsAPageToo) { EXPECT_EQ(data(page(), "runs").at("count"), 0); }

TEST_F(Leaderboard, DetailsAreThereForAsManyRunsAsAsked) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SomeRun run;
    run.seed = seed;
    run.top1 = seed == 1 ? 0.95 : 0.9;
    add_run(store_, run);
  }

  const std::string some = page(2), none = page(0);

  EXPECT_EQ(data(some, "run-1").at("sites").size(), 3u);  // the best
  EXPECT_FALSE(data(some, "run-5").is_null());            // the newest
  EXPECT_TRUE(data(some, "run-3").is_null());
  EXPECT_TRUE(data(none, "run-1").is_null());
}

TEST_F(Leaderboard, NoTextOfAStoreCanEndItsElement) {
  SomeRun run;
  run.method = "</script><script>alert(1)</script><!--";
  run.settings = run.method + ".a = <b>\n";
  add_run(store_, run);

  const std::string html = page();

  EXPECT_THAT(html, Not(HasSubstr("alert(1)</script>")));
  EXPECT_EQ(data(html, "runs").at("words").at("method").at("dictionary").at(0), run.method);
  EXPECT_EQ(data(html, "run-1").at("method"), run.method);
}

TEST_F(Leaderboard, PageForbidsItselfEveryRequest) {
  const std::string html = page();

  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  EXPECT_THAT(html, Not(HasSubstr("unsafe-inline")));
  EXPECT_THAT(html, Not(HasSubstr("<script src")));
  EXPECT_THAT(html, Not(HasSubstr("<link rel=\"stylesheet\"")));
}

TEST(BoardTime, DaysAndTimesAreRead) {
  EXPECT_EQ(seconds_of("1970-01-02"), 86400);
  EXPECT_EQ(seconds_of("1970-01-02T00:00:01Z"), 86401);
  EXPECT_EQ(seconds_of("yesterday"), -1);
  EXPECT_EQ(seconds_of("2026-13-01"), -1);
  EXPECT_EQ(seconds_of("20x6-01-01"), -1);
}

}  // namespace
}  // namespace quantbench
