// The command line: what each command takes, and what it says of what it does not.
#include <gmock/gmock.h>

#include "base/sha256.h"
#include "bench/arguments.h"
#include "bench/help.h"
#include "tests/bench/program.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string refusal(const std::vector<std::string>& words) {
  return sentence_of([&] { parse_arguments(words); });
}

TEST(CommandLine, EveryCommandRefusesWhatItDoesNotTake) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes{
      {{"runs", "resnet20"}, "did you mean --model=resnet20?"},
      {{"runs", "--batch=4"}, "takes no option --batch"},
      {{"runs", "--method=fp32", "--method=uniform"}, "once"},
      {{"leaderboard", "--tag=paper"}, "takes no option --tag"},
      {{"history", "--method=uniform"}, "takes no option --method"},
      {{"history", "--sinse=2026-01-01"}, "did you mean --since?"},
      {{"runs", "--details=3"}, "takes no option --details"},
      {{"run", "--threads=0"}, "1..4096"},
      {{"run", "--threads=many"}, "1..4096"},
      {{"runs", "--limit=-1"}, "--limit takes an integer 1.."},
      {{"run", "--checkpoint-seconds=-1"}, "--checkpoint-seconds"},
      {{"run", "--weigth_bits=2"}, "There is no option --weigth_bits"},
      {{"run", "--uniform.weigth_bits=2"}, "did you mean --uniform.weight_bits?"},
      {{"comprae", "1", "2"}, "did you mean compare?"},
      {{"show", "1", "2"}, "'2' is more than that"},
      {{"leaderboard", "--format=json"}, "markdown"},
      {{"list", "--format=xml"}, "text | json"},
  };
  for (const auto& [words, expected] : mistakes)
    EXPECT_THAT(refusal(words), HasSubstr(expected)) << words[0] << " " << words[1];
}

TEST(CommandLine, TakesWhatEachCommandTakes) {
  const Arguments runs = parse_arguments({"runs", "--model=resnet20", "--limit=3", "--status=ok"});
  const Arguments sweep = parse_arguments({"run", "--seed=1", "--seed=2", "--threads=2"});

  EXPECT_EQ(runs.filter.model, "resnet20");
  EXPECT_EQ(runs.filter.limit, 3);
  EXPECT_EQ(sweep.recipe.at("seed").size(), 2u);
  EXPECT_EQ(sweep.threads, 2);
}

// Whether the page has the option as a word of its own: "--all" is no part of "--allocation".
bool shows(const std::string& page, const std::string& option) {
  const std::string word = "--" + option;
  for (size_t at = page.find(word); at != std::string::npos; at = page.find(word, at + 1))
    if (std::string("= \n").find(page[at + word.size()]) != std::string::npos) return true;
  return false;
}

TEST(CommandLine, HelpOfACommandShowsItsOwnOptionsOnly) {
  for (const Command& command : command_table())
    for (const Option& option : program_options())
      EXPECT_EQ(shows(usage(command), option.name), takes(command, option.name))
          << command.name << " --" << option.name << "\n"
          << usage(command);
  EXPECT_TRUE(parse_arguments({"runs", "--help"}).help);
}

TEST(CommandLine, ManualAndCompletionsKnowEveryCommand) {
  for (const Command& command : command_table()) {
    EXPECT_THAT(manual_page(), HasSubstr(".SS quantbench " + command.name));
    for (const char* shell : {"bash", "zsh", "fish"})
      EXPECT_THAT(completion(shell), HasSubstr(command.name)) << shell;
  }
  EXPECT_THAT(completion("bash"), HasSubstr("--checkpoint-seconds="));
  EXPECT_THROW(completion("tcsh"), Error);
}

TEST_F(Program, AKeyThatNoRunUsesIsRefused) {
  const Answer answer = ask(small({{"hawq.weight_bits", "4"}}));

  EXPECT_NE(answer.code, 0);
  EXPECT_THAT(answer.err, HasSubstr("--hawq.weight_bits"));
  EXPECT_THAT(answer.err, HasSubstr("did you mean --uniform.weight_bits?"));
  EXPECT_FALSE(fs::exists(folder_ / "q.db"));
}

TEST_F(Program, AFilterThatNamesNothingIsRefused) {
  Store(folder_ / "q.db");

  const Answer answer = ask("runs --method=unifrom");

  EXPECT_NE(answer.code, 0);
  EXPECT_THAT(answer.err, HasSubstr("did you mean uniform?"));
}

TEST_F(Program, OptionsAloneStartFromTheDefaultsAndNotFromTheDemo) {
  const Answer answer = ask(
      "run --method=fp32 --model=lenet5 --dataset=synthetic_images --latency=no "
      "--synthetic_images.train=600 --synthetic_images.test=100 --synthetic_images.validation=50 "
      "--synthetic_images.size=16");
  ASSERT_EQ(answer.code, 0) << answer.err;

  const std::string recipe = show(1).at("recipe");

  EXPECT_THAT(recipe, HasSubstr("\nfp32.epochs = 0\n"));
  EXPECT_THAT(recipe, HasSubstr("\nfp32.lr = 0.1\n"));
  EXPECT_THAT(recipe, HasSubstr("\ntrain.epochs = 0\n"));
}

TEST_F(Program, TwoStoresInOneFolderKeepTheirFilesApart) {
  ASSERT_EQ(ask(small()).code, 0);
  const Json first = show(1);
  const fs::path other = folder_ / "other.db";
  const std::string line = std::string(QUANTBENCH_PROGRAM) + " " + small({{"seed", "2"}}) +
                           " --quiet --threads 1 --store " + other.string() + " >/dev/null 2>&1";
  ASSERT_EQ(std::system(line.c_str()), 0);

  EXPECT_EQ(sha256_file(fs::path(first.at("folder")) / "package.safetensors"),
            first.at("package_hash"));
  EXPECT_THAT(ask("show 1").out, HasSubstr(first.at("folder").get<std::string>()));
}

TEST_F(Program, ReplayThatComesOutDifferentSaysWhatDiffers) {
  ASSERT_EQ(ask(small()).code, 0);
  {
    Store store(folder_ / "q.db");
    store.connection().execute("UPDATE results SET weights_hash = 'other'");
    store.connection().execute(
        "UPDATE provenances SET sha256 = 'other', cpu = 'a much older CPU', threads = 7");
  }

  const Answer answer = ask("replay 1");

  EXPECT_THAT(answer.out, HasSubstr("replay of run 1: within noise"));
  EXPECT_THAT(answer.out, HasSubstr("processor (a much older CPU / "));
  EXPECT_THAT(answer.out, HasSubstr("threads (7 / 1)"));
}

TEST_F(Program, ReplayOfEqualGroundsSaysThatNothingKnownDiffers) {
  ASSERT_EQ(ask(small()).code, 0);
  Store(folder_ / "q.db").connection().execute("UPDATE results SET weights_hash = 'other'");

  EXPECT_THAT(ask("replay 1").out, HasSubstr("Nothing that is kept of the two differs"));
}

TEST_F(Program, DryRunSaysWhatWouldRunAndMakesNothing) {
  const Answer plan = ask(small({}, "--dry-run --uniform.weight_bits=2"));
  const Answer missing =
      ask("run --dataset=cifar10 --seed=1 --seed=2 --dry-run --data=/no/such/folder");

  EXPECT_EQ(plan.code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("1 of 2: uniform on lenet5 / synthetic_images, seed 1"));
  EXPECT_THAT(plan.out, HasSubstr("uniform.weight_bits=2"));
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.out.find("obstacle: "), std::string::npos) << missing.out;
  EXPECT_EQ(missing.out.find("obstacle: "), missing.out.rfind("obstacle: ")) << missing.out;
  EXPECT_FALSE(fs::exists(folder_ / "q.db"));
}

TEST_F(Program, AModelThatDoesNotTakeTheDataIsToldBeforeThereIsARun) {
  ASSERT_EQ(ask(small()).code, 0);

  const Answer kind = ask("run --model=gcn2 --dataset=synthetic_images --dry-run");
  const Answer small_images = ask(small({{"synthetic_images.size", "8"}}));

  EXPECT_EQ(kind.code, 1);
  EXPECT_THAT(kind.out, HasSubstr("obstacle: The model gcn2 runs on graphs"));
  EXPECT_NE(small_images.code, 0);
  EXPECT_EQ(Json::parse(ask("runs --format json").out).size(), 1u) << small_images.err;
}

TEST_F(Program, AMissingWeightFileIsToldBeforeThereIsARun) {
  const Answer answer = ask(small({{"fp32.weights", "no/such.pt"}}));

  EXPECT_NE(answer.code, 0);
  EXPECT_THAT(answer.err, HasSubstr("There is no weight file no/such.pt"));
  EXPECT_FALSE(fs::exists(folder_ / "q.db"));
}

TEST_F(Program, NamesTagsAndRemoval) {
  ASSERT_EQ(ask(small({{"name", "mine"}})).code, 0);
  const fs::path files = show(1).at("folder").get<std::string>();

  ASSERT_EQ(ask("tag 1 paper table2").code, 0);
  const Json found = Json::parse(ask("runs --tag=paper --format json").out);
  const Json others = Json::parse(ask("runs --tag=pap --format json").out);
  const Answer evaluated = ask("eval " + (files / "package.safetensors").string() +
                               " --dataset=synthetic_images --synthetic_images.train=600 "
                               "--synthetic_images.test=100 --synthetic_images.validation=50 "
                               "--synthetic_images.size=16 --format json");

  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(others.empty());
  EXPECT_THAT(show(1).at("name").get<std::string>(), HasSubstr("mine"));
  EXPECT_EQ(Json::parse(evaluated.out).at("top1"), show(1).at("top1_shipped")) << evaluated.err;
  EXPECT_EQ(ask("rm 1").code, 0);
  EXPECT_FALSE(fs::exists(files));
  EXPECT_NE(ask("show 1").code, 0);
}

class Plugins : public Program {
 protected:
  static std::map<std::string, std::string> ternary() {
    return {{"method", "ternary_example"}, {"train.epochs", "0"}};
  }
  // The small recipe without the keys of the built-in method.
  static std::string run_with(const fs::path& plugin) {
    std::string words = small(ternary(), "--plugin " + plugin.string());
    words.erase(words.find(" --uniform.weight_bits=4"), 24);
    return words;
  }
};

TEST_F(Plugins, ArePartOfARunAndFoundAgain) {
  const Answer run = ask(run_with(EXAMPLE_PLUGIN));
  ASSERT_EQ(run.code, 0) << run.err;

  const std::string expected = "ternary_example 1 " + sha256_file(EXAMPLE_PLUGIN);
  const Answer replay = ask("replay 1");

  EXPECT_EQ(show(1).at("plugin"), expected);
  EXPECT_THAT(ask("show 1").out, HasSubstr(expected));
  EXPECT_EQ(replay.code, 0) << replay.err;
  EXPECT_THAT(replay.out, HasSubstr("replay of run 1: exact"));
  EXPECT_EQ(show(2).at("repetition"), 1);
}

TEST_F(Plugins, AChangedOneIsNoRepetition) {
  ASSERT_EQ(ask(run_with(EXAMPLE_PLUGIN)).code, 0);
  const fs::path changed = folder_ / "changed.so";
  fs::copy_file(EXAMPLE_PLUGIN, changed);
  std::ofstream(changed, std::ios::app) << "one byte more";

  ASSERT_EQ(ask(run_with(changed)).code, 0);
  const Answer compared = ask("compare 1 2 --explain --plugin " + changed.string());

  EXPECT_EQ(show(2).at("repetition"), 0);
  EXPECT_NE(show(1).at("identity"), show(2).at("identity"));
  EXPECT_THAT(compared.out, HasSubstr("plug-in")) << compared.err;
}

TEST_F(Plugins, AMissingOneIsNamed) {
  ASSERT_EQ(ask(run_with(EXAMPLE_PLUGIN)).code, 0);
  fs::remove_all(folder_ / "plugins");

  const Answer answer = ask("replay 1");

  EXPECT_NE(answer.code, 0);
  EXPECT_THAT(answer.err, HasSubstr("The method ternary_example (version 1) came from a plug-in"));
  EXPECT_THAT(answer.err, HasSubstr(sha256_file(EXAMPLE_PLUGIN)));
}

}  // namespace
}  // namespace quantbench
