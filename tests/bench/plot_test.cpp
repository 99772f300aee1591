// Pictures, per-class accuracy and what they are made of.
#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "bench/gnuplot.h"
#include "results/confusion.h"
#include "results/plots/gnuplot.h"
#include "results/plots/plots.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

bool has_gnuplot() { return std::system("gnuplot --version >/dev/null 2>&1") == 0; }

class Plots : public StoreTest {
 protected:
  struct Answer {
    int code = 0;
    std::string out, err;
  };
  Answer ask(const std::string& words) const {
    const std::string out = path("out").string(), err = path("err").string();
    const std::string line = std::string(QUANTBENCH_PROGRAM) + " " + words +
                             " --threads 1 --store " + path().string() + " >" + out + " 2>" + err;
    const int status = std::system(line.c_str());
    return {WEXITSTATUS(status), read_file(out), read_file(err)};
  }

  // Two seeds of four configurations, with predictions of three classes.
  void fill() const {
    Store store(path());
    for (uint64_t seed : {1, 2})
      for (int bits : {2, 3, 4, 8}) {
        SomeRun run;
        run.seed = seed;
        run.settings = "uniform.weight_bits = " + std::to_string(bits) + "\n";
        run.weight_bits = bits;
        run.size_bytes = 1000 * bits;
        run.top1 = 0.8 + 0.02 * bits + 0.001 * static_cast<double>(seed);
        run.predicted = {0, 1, 2, 1, 0};
        run.target = {0, 1, 2, 2, 0};
        run.latency_ms = bits;
        run.latency_shipped = true;
        add_run(store, run);
      }
  }
};

TEST_F(Plots, EveryKindIsDrawnInEveryFormat) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed.";
  fill();
  for (const auto& [ending, magic] :
       std::map<std::string, std::string>{{"svg", "<?xml"}, {"pdf", "%PDF-"}, {"png", "\x89PNG"}})
    for (const std::string words : {"pareto", "pareto --cost=bops", "pareto --cost=latency",
                                    "bits 1", "bits 1 3", "curves 1 2", "confusion 1"}) {
      const fs::path out = path("picture." + ending);
      fs::remove(out);

      const Answer answer = ask("plot " + words + " --out=" + out.string());

      ASSERT_EQ(answer.code, 0) << words << ": " << answer.err;
      EXPECT_EQ(read_file(out).substr(0, magic.size()), magic) << words;
      EXPECT_GT(fs::file_size(out), 2000u) << words;
    }
}

TEST_F(Plots, MistakesEndInOneSentence) {
  fill();
  {
    Store store(path());
    SomeRun other;
    other.model = "vgg7";
    add_run(store, other);
  }
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {"plot", "takes pareto, bits"},
      {"plot pareto", "--out"},
      {"plot pie --out=a.svg", "There is no plot 'pie'"},
      {"plot parto --out=a.svg", "pareto"},
      {"plot pareto --out=a.svg", "--model=vgg7"},
      {"plot pareto 3 --out=a.svg", "takes no run"},
      {"plot pareto --model=lenet5 --out=a.jpeg", ".png"},
      {"plot bits --out=a.svg", "one to 8 runs"},
      {"plot bits 1 --model=lenet5 --out=a.svg", "no filter"},
      {"plot confusion 1 2 --out=a.svg", "one run"},
      {"plot curves 99 --out=a.svg", "99"},
      {"plot pareto --model=lenet5 --cost=money --out=a.svg", "--cost"},
      {"confusion 99", "99"},
  };
  for (const auto& [words, expected] : mistakes) {
    const Answer answer = ask(words);

    EXPECT_EQ(answer.code, 1) << words;
    EXPECT_THAT(answer.err, HasSubstr(expected)) << words;
    EXPECT_LE(std::count(answer.err.begin(), answer.err.end(), '\n'), 1) << answer.err;
  }
}

TEST_F(Plots, TextOfAStoreCannotSteerGnuplot) {
  EXPECT_EQ(plot_string("a`touch x`\"\n\\b$c'"), "\"a?touch x????b?c?\"");
  EXPECT_EQ(plot_string("gr\xc3\xbc\xc3\x9f"), "\"gr??\"");
}

TEST_F(Plots, TicksOfALogarithmicAxisAreRound) {
  EXPECT_EQ(logarithmic_ticks(900, 11000),
            "(\"1 k\" 1000, \"2 k\" 2000, \"5 k\" 5000, \"10 k\" 10000)");
}

TEST_F(Plots, TheFrontIsOfTheLargestGroupAlone) {
  fill();
  Store store(path());
  SomeRun other;  // its activations differ: not like for like
  other.activation_bits = 4;
  other.top1 = 0.99;
  other.size_bytes = 10;
  add_run(store, other);
  const Board board = read_board(store);
  const auto entries = board_entries(board);

  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].group, 0);
  EXPECT_GT(entries[4].group, 0);
  EXPECT_EQ(entries[0].runs.size(), 2u);
  EXPECT_NEAR(*entries[0].deviation, 0.001 / std::sqrt(2.0), 1e-9);
  const std::string script = pareto_script(entries, board, "size");
  const std::string front = script.substr(0, script.find("EOD\n", 20));
  EXPECT_THAT(front, HasSubstr("4000\t88.15"));
  EXPECT_THAT(front, Not(HasSubstr("10\t99")));
}

TEST(ConfusionMatrix, CountsAnswersOfEachTrueClass) {
  const Confusion c = confusion_of({"shipped", {0, 1, 2, 3, 4}, {0, 1, 2, 1, 0}, {0, 1, 2, 2, 0}});

  EXPECT_EQ(c.classes, 3);
  EXPECT_THAT(c.counts, ElementsAre(2, 0, 0, 0, 1, 0, 0, 1, 1));
  const Grid grid = class_grid(c, "");
  EXPECT_EQ(grid.rows[2].cells[3].text, "50.00");  // recall of class 2
  EXPECT_EQ(grid.rows[1].cells[4].text, "50.00");  // precision of class 1
  EXPECT_EQ(grid.rows[2].cells[5].text, "1 (1 times)");
  EXPECT_EQ(confusion_csv(c), "class,0,1,2\n0,2,0,0\n1,0,1,0\n2,0,1,1\n");
}

TEST(ConfusionMatrix, ClassesThatCannotBeAreRefused) {
  EXPECT_THROW(confusion_of({"shipped", {0}, {-1}, {0}}), Error);
  EXPECT_THROW(confusion_of({"shipped", {0}, {0}, {2000000000}}), Error);
}

TEST_F(Plots, PerClassAccuracyIsPrinted) {
  fill();

  const Answer text = ask("confusion 1"), json = ask("confusion 1 --format json");

  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("recall"));
  EXPECT_EQ(nlohmann::json::parse(json.out).at("confusion").at(2).at(1), 1);
}

}  // namespace
}  // namespace quantbench
