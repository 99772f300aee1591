#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "results/contract_rows.h"
#include "results/tables/csv.h"
#include "results/tables/grid.h"
#include "results/tables/reproduction.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kHeader =
    "paper,table,dataset,model,method,w_bits,a_bits,metric,value,size_mb,w_comp,a_comp,second_hand,"
    "source\n";

std::map<std::string, std::string> papers(const std::string& rows) {
  return {{"some", kHeader + rows},
          {"recipes",
           "file,dataset,model,method,w_bits,a_bits,recipe,keys\n"
           "some,MNIST,,Ours,,,ours,uniform.weight_bits=4\n"}};
}

class Tables : public StoreTest {
 protected:
  Tables() : store_(path()) {
    context_.configurations = [&](const std::string& recipe, const auto& keys) {
      EXPECT_EQ(recipe, "ours");
      EXPECT_EQ(keys.at("uniform.weight_bits"), "4");
      return std::vector<std::string>{configuration_digest(store_.run(1).recipe)};
    };
    context_.has_model = [](const std::string& name) { return name != "Unknown"; };
    context_.has_data = [](const std::string& name) { return name == "MNIST"; };
  }

  std::vector<TableRow> made(const std::string& rows) {
    return reproduce(&store_, paper_rows(papers(rows), "some"), context_);
  }

  Store store_;
  TableContext context_;
};

TEST_F(Tables, FigureWithinToleranceIsReproduced) {
  for (uint64_t seed : {1, 2, 3}) {
    SomeRun run;
    run.seed = seed;
    run.top1 = 0.910 + 0.0002 * static_cast<double>(seed);
    add_run(store_, run);
  }

  const auto rows = made(
      "P,1,MNIST,LeNet,Ours,4,8,top1,91.1,,8,,,text\n"
      "P,1,MNIST,LeNet,Ours,4,8,top1_err,7.5,,,,,text\n");

  const Cell& first = rows[0].cells[0];
  EXPECT_EQ(first.verdict, CellVerdict::Reproduced);
  EXPECT_NEAR(first.ours.mean, 91.04, 1e-9);
  EXPECT_EQ(first.ours.n, 3);
  EXPECT_NEAR(*first.difference, -0.06, 1e-9);
  EXPECT_EQ(rows[0].cells[1].metric, "w_comp");
  EXPECT_EQ(rows[0].cells[1].verdict, CellVerdict::Reproduced);
  EXPECT_EQ(rows[1].cells[0].verdict, CellVerdict::NotReproduced);
}

TEST(Judgement, BeyondTheToleranceIsBetterOrNot) {
  const Summary high{3, 92, 0.1}, low{3, 90, 0.1};

  EXPECT_EQ(judge_figure("top1", high, 91, 0, 0.5).verdict, CellVerdict::Better);
  EXPECT_EQ(judge_figure("top1", low, 91, 0, 0.5).verdict, CellVerdict::NotReproduced);
  EXPECT_EQ(judge_figure("top1_err", low, 91, 0, 0.5).verdict, CellVerdict::Better);
  EXPECT_EQ(judge_figure("size_mb", {1, 0.9, NAN}, 1, 0, 0.02).verdict, CellVerdict::Better);
}

TEST(Judgement, AWideIntervalIsUndecidedAndSaysHowManySeedsWouldDo) {
  const Judgement wide = judge_figure("top1", {3, 91.1, 0.6}, 91, 0, 0.5);

  EXPECT_EQ(wide.verdict, CellVerdict::Undecided);
  // t(0.95, n - 1) * 0.6 / sqrt(n) <= 0.4 from n = 9 on: 1.860 * 0.2 = 0.372; n = 8: 0.402.
  EXPECT_EQ(wide.seeds_needed, 9);
  EXPECT_EQ(judge_figure("top1", {1, 91, NAN}, 91, 0, 0.5).verdict, CellVerdict::Undecided);
}

TEST(Judgement, ThePapersOwnDeviationCounts) {
  const Summary ours{5, 91.1, 0.1};

  EXPECT_EQ(judge_figure("top1", ours, 91, 0, 0.5).verdict, CellVerdict::Reproduced);
  EXPECT_EQ(judge_figure("top1", ours, 91, 2, 0.5).verdict, CellVerdict::Undecided);
}

TEST_F(Tables, OneSetOfRunsIsJudgedAgainstOneFigure) {
  for (uint64_t seed : {1, 2}) {
    SomeRun run;
    run.seed = seed;
    add_run(store_, run);
  }

  const auto rows = made(
      "P,1,MNIST,LeNet,Ours,4,8,top1,85,,,,yes,a note\n"
      "P,2,MNIST,LeNet,Ours,4,8,top1,90,,,,,the paper\n");

  EXPECT_EQ(rows[0].cells[0].verdict, CellVerdict::SameRuns);
  EXPECT_EQ(rows[1].cells[0].verdict, CellVerdict::Reproduced);
}

TEST_F(Tables, WhatIsMissingSaysWhy) {
  context_.configurations = [](const auto&, const auto&) { return std::vector<std::string>(); };
  const auto rows = made(
      "P,1,MNIST,LeNet,Theirs,4,8,top1,91.4,,,,,\n"
      "P,1,ImageNet,ResNet,Theirs,4,8,top1,70,,,,,\n"
      "P,1,MNIST,Unknown,Theirs,4,8,top1,70,,,,,\n"
      "P,1,MNIST,LeNet,Ours,4,8,top1,70,,,,,\n"
      "P,1,MNIST,LeNet,Theirs,4,8,top1,,,,,,\n");

  EXPECT_EQ(rows[0].cells[0].verdict, CellVerdict::NoRecipe);
  EXPECT_EQ(rows[1].cells[0].verdict, CellVerdict::DataNotHere);
  EXPECT_EQ(rows[2].cells[0].verdict, CellVerdict::NoModel);
  EXPECT_EQ(rows[3].cells[0].verdict, CellVerdict::NotRun);
  EXPECT_EQ(rows[4].cells[0].verdict, CellVerdict::NoFigure);
}

TEST_F(Tables, MethodsAreRowsAndMetricsColumnsWithinTheWidth) {
  const auto rows = made(
      "P,2,ImageNet,ResNet,First,4,8,top1,70.1,,,,,the paper\n"
      "P,2,ImageNet,ResNet,First,4,8,top5,90.2,,,,,the paper\n"
      "P,2,ImageNet,ResNet,Second with a name as long as it gets and longer,4,8,top1,71.3,,,,,p\n");

  const std::string text = render_table(rows, "text", 100);

  EXPECT_THAT(text, HasSubstr("Table 2: ResNet on ImageNet"));
  EXPECT_THAT(text, ::testing::ContainsRegex("First +4/8 +70.1 +>90.2 +data not here"));
  EXPECT_THAT(text, HasSubstr(">71.3"));
  std::istringstream lines(text.substr(0, text.find("\n\n3 ")));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 100u) << line;
}

TEST_F(Tables, FigureThatTheProgramDoesNotHaveIsNotMeasured) {
  add_run(store_, {});

  EXPECT_EQ(made("P,1,MNIST,LeNet,Ours,4,8,lut_pct,7,,,,,\n")[0].cells[0].verdict,
            CellVerdict::NotMeasured);
}

TEST_F(Tables, DeviationsStandBesideEachOtherUnjudged) {
  for (uint64_t seed : {1, 2}) {
    SomeRun run;
    run.seed = seed;
    run.top1 = 0.90 + 0.02 * static_cast<double>(seed);
    add_run(store_, run);
  }

  const Cell cell = made("P,1,MNIST,LeNet,Ours,4,8,top1_std,1.2,,,,,\n")[0].cells[0];

  EXPECT_EQ(cell.verdict, CellVerdict::Spread);
  EXPECT_NEAR(cell.ours.mean, 100 * 0.02 / std::sqrt(2.0), 1e-9);
  EXPECT_NEAR(*cell.difference, cell.ours.mean - 1.2, 1e-9);
  EXPECT_EQ(cell.seeds_needed, 0);
}

TEST_F(Tables, AMethodsOwnFiguresStandBesideThePublishedOnes) {
  SomeRun run;
  run.figures = {{"ebops", 990}, {"ebops_training", 1200}};
  add_run(store_, run);

  const Cell cell = made("P,1,MNIST,LeNet,Ours,,,ebops,1000,,,,,\n")[0].cells[0];

  EXPECT_EQ(cell.verdict, CellVerdict::Reproduced);
  EXPECT_DOUBLE_EQ(cell.ours.mean, 990);
}

TEST_F(Tables, SizesAreInThePapersOwnUnitAndCompressionByItsOwnCount) {
  SomeRun run;
  run.size_bytes = 2 * 1048576;  // and as many paper bytes
  run.paper_parameters = 4 * 1048576;
  add_run(store_, run);
  const std::string row = "P,1,MNIST,LeNet,Ours,4,8,top1,90,2,8,,,\n";
  auto binary = papers(row);
  binary["units"] = "file,megabyte\nsome,1048576\n";

  const auto exact = reproduce(&store_, paper_rows(binary, "some"), context_);
  const auto decimal = made(row);

  ASSERT_EQ(exact[0].cells[1].metric, "size_mb");
  EXPECT_DOUBLE_EQ(exact[0].cells[1].ours.mean, 2);
  EXPECT_EQ(exact[0].cells[1].verdict, CellVerdict::Reproduced);
  EXPECT_EQ(decimal[0].cells[1].verdict, CellVerdict::NotReproduced);
  EXPECT_DOUBLE_EQ(exact[0].cells[2].ours.mean, 8) << "32 x parameters / bits";
}

TEST_F(Tables, OldVersionsOfAMethodAndDoubtfulRunsDoNotCount) {
  SomeRun old, current, doubtful;
  current.method_version = 2;
  current.seed = 2;
  current.top1 = 0.8;
  doubtful.seed = 3;
  doubtful.method_version = 2;
  doubtful.status = RunStatus::Mistrusted;
  add_run(store_, old);
  add_run(store_, current);
  add_run(store_, doubtful);

  const Cell cell = made("P,1,MNIST,LeNet,Ours,4,8,top1,80,,,,,\n")[0].cells[0];

  EXPECT_EQ(cell.ours.n, 1);
  EXPECT_DOUBLE_EQ(cell.ours.mean, 80);
}

TEST_F(Tables, SecondHandFiguresAreMarkedInEveryFormat) {
  const auto rows = made("P,1,MNIST,LeNet,A&B|<i>,4,8,top1,91.4,,,,yes,a note\n");

  EXPECT_THAT(render_table(rows, "text"), HasSubstr("91.4*"));
  EXPECT_THAT(render_table(rows, "markdown"), HasSubstr("91.4\\*"));
  EXPECT_THAT(render_table(rows, "markdown"), HasSubstr("A&B\\|\\<i\\>"));
  EXPECT_THAT(render_table(rows, "latex"), HasSubstr("A\\&B|\\textless{}i\\textgreater{}"));
  EXPECT_THAT(render_table(rows, "latex"), HasSubstr("\\toprule"));
  EXPECT_TRUE(nlohmann::json::parse(render_table(rows, "json"))[0].at("second_hand"));
  EXPECT_EQ(parse_csv(render_table(rows, "csv"), "x").at(1).at(4), "A&B|<i>");
  EXPECT_THAT(render_table(rows, "text"), HasSubstr("a note"));
  EXPECT_THROW(render_table(rows, "pdf"), Error);
}

TEST_F(Tables, OnlyOneFigureOfARowMayBeSecondHand) {
  const auto rows = made("P,1,MNIST,LeNet,T,4,8,top1,91.4,,9,,w_comp,\n");

  EXPECT_FALSE(rows[0].cells[0].second_hand);
  EXPECT_TRUE(rows[0].cells[1].second_hand);
}

TEST(Papers, EveryBuiltInFileIsReadAndEveryMappingFitsARow) {
  const auto& all = embedded_papers();

  size_t mapped = 0;
  for (const std::string& name : paper_names(all))
    for (const PaperRow& row : paper_rows(all, name)) mapped += !row.recipe.empty();

  EXPECT_EQ(paper_names(all).size(), 8u);
  EXPECT_GE(mapped, parse_csv(all.at("recipes"), "recipes").size() - 1);
}

TEST(Papers, OneTableIsChosenByItsNumber) {
  const auto rows = paper_rows(embedded_papers(), "quantization_networks", "2");

  EXPECT_EQ(rows.size(), 55u);
  EXPECT_THROW(paper_rows(embedded_papers(), "quantization_networks", "99"), Error);
  EXPECT_THROW(paper_rows(embedded_papers(), "no_such_paper"), Error);
}

TEST(Papers, DamagedFileIsOneSentence) {
  EXPECT_THAT(sentence_of([] { paper_rows(papers("P,1,MNIST\n"), "some"); }),
              HasSubstr("has 3 fields and the header 14"));
  EXPECT_THAT(sentence_of([] { paper_rows(papers("P,1,MNIST,L,M,4,8,top1,many,,,,,\n"), "some"); }),
              HasSubstr("'many' is not a number"));
}

TEST(Csv, QuotesCommasAndLineEndsSurvive) {
  const std::string nasty = "a \"b\", c\nd";

  EXPECT_THAT(parse_csv("x," + csv_field(nasty) + "\r\ny,\n", "t"),
              ElementsAre(ElementsAre("x", nasty), ElementsAre("y", "")));
  EXPECT_THROW(parse_csv("\"open", "t"), Error);
}

}  // namespace
}  // namespace quantbench
