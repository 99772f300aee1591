// Whole runs of the program: package, ONNX file, ONNX Runtime's answers over the test split.
#include <gmock/gmock.h>

#include "runtime/package.h"
#include "tests/bench/program.h"
#include "tests/runtime/onnx/qonnx_evaluation.h"
#include "tests/runtime/pattern_batch.h"

namespace quantbench {
namespace {

using ::testing::HasSubstr;

class OnnxRuns : public Program {
 protected:
  // The package of the store's only run.
  fs::path package() const {
    return fs::path(show(1).at("folder").get<std::string>()) / "package.safetensors";
  }

  std::string converted(const std::string& kind, const std::string& more = "") const {
    const fs::path out = folder_ / (kind + ".onnx");
    const Answer answer =
        ask("convert " + package().string() + " --to=" + kind + " --out=" + out.string() + more);
    EXPECT_EQ(answer.code, 0) << answer.err;
    return out.string();
  }

  Json answers(const std::string& file, const std::string& keys) const {
    const auto library =
        std::getenv("QUANTBENCH_ONNXRUNTIME")
            ? std::string()
            : " --onnxruntime=" + std::string(QUANTBENCH_SOURCE_DIR) + "/.cache/peers";
    const Answer answer = ask("eval " + file + " --against=" + package().string() + keys + library +
                              " --format json");
    EXPECT_EQ(answer.code, 0) << answer.err;
    return answer.code == 0 ? Json::parse(answer.out) : Json();
  }
};

TEST_F(OnnxRuns, FileSaysWhereItCameFrom) {
  ASSERT_EQ(ask(small({{"uniform.mode", "ptq"}})).code, 0);
  const std::string bytes = read_file(converted("onnx-qdq"));
  EXPECT_THAT(bytes, HasSubstr("quantbench.run"));
  EXPECT_THAT(bytes, HasSubstr(package().parent_path().filename().string()));
  EXPECT_THAT(bytes, HasSubstr("quantbench.recipe"));
  EXPECT_THAT(bytes, HasSubstr("quantbench.package"));
  EXPECT_THAT(bytes, HasSubstr("quantbench.top1"));
}

TEST_F(OnnxRuns, RunLeavesTheFilesThatItsRecipeAsksFor) {
  ASSERT_EQ(ask(small({{"uniform.mode", "ptq"}})).code, 0);
  ASSERT_EQ(ask(small({{"uniform.mode", "ptq"}}, "--convert=qonnx,onnx-qdq")).code, 0);
  const Json without = show(1), with = show(2);
  const fs::path folder = with.at("folder").get<std::string>();

  EXPECT_THAT(read_file(folder / "package.onnx-qdq.onnx"), HasSubstr("quantbench.top1"));
  EXPECT_TRUE(fs::exists(folder / "package.qonnx.onnx"));
  EXPECT_FALSE(fs::exists(folder / "package.onnx-fp32.onnx"));
  const Json files = Json::parse(with.at("artefacts").at("onnx.json").get<std::string>());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].at("kind"), "qonnx");
  EXPECT_EQ(files[1].at("file"), "package.onnx-qdq.onnx");
  const std::string text = ask("show 2").out;
  EXPECT_THAT(text, HasSubstr((folder / "package.qonnx.onnx").string()));
  EXPECT_THAT(text, HasSubstr(files[1].at("check").get<std::string>()));
  // The same run, the same contract, the same package.
  EXPECT_EQ(with.at("identity"), without.at("identity"));
  EXPECT_EQ(with.at("contract"), without.at("contract"));
  EXPECT_EQ(with.at("package_hash"), without.at("package_hash"));
  EXPECT_EQ(without.at("artefacts").count("onnx.json"), 0u);
}

TEST_F(OnnxRuns, BadOptionsGetOneSentence) {
  EXPECT_THAT(ask(small({}, "--convert=qonnx,tflite")).err, HasSubstr("'tflite' is no kind"));
  EXPECT_THAT(ask("convert").err, HasSubstr("takes one package file"));
  EXPECT_THAT(ask("convert nothing --to=qonnx --out=x").err, HasSubstr("There is no package file"));
  EXPECT_THAT(ask("convert nothing --to=tflite --out=x").err, HasSubstr("onnx-qdq"));
  EXPECT_THAT(ask("import nothing --out=x").err, HasSubstr("There is no file nothing"));
  EXPECT_THAT(ask("import").err, HasSubstr("takes one .onnx or weight file"));
}

TEST_F(OnnxRuns, ImportedFileIsAPackageLikeAnyOther) {
  ASSERT_EQ(ask(small({{"uniform.mode", "ptq"}})).code, 0);
  const std::string file = converted("onnx-qdq");
  const std::string back = (folder_ / "back.safetensors").string();
  const Answer imported = ask("import " + file + " --out=" + back);
  ASSERT_EQ(imported.code, 0) << imported.err;
  EXPECT_THAT(imported.out, HasSubstr("100.0 % of the MACs on integers"));
  const std::string keys =
      " --dataset=synthetic_images --synthetic_images.train=600 --synthetic_images.test=100 "
      "--synthetic_images.validation=50 --synthetic_images.size=16 --format json";
  const Json a = Json::parse(ask("eval " + package().string() + keys).out);
  const Json b = Json::parse(ask("eval " + back + keys).out);
  EXPECT_NEAR(a.at("top1").get<double>(), b.at("top1").get<double>(), 0.011);
}

TEST_F(OnnxRuns, EveryMethodsPackagesAnswerAlikeInOnnxRuntime) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  const std::string keys =
      " --dataset=synthetic_images --synthetic_images.train=600 --synthetic_images.test=100 "
      "--synthetic_images.validation=50 --synthetic_images.size=16";
  for (const char* method : {"uniform", "bsq", "srq_dropbits", "quantization_networks"}) {
    SCOPED_TRACE(method);
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::map<std::string, std::string> over{{"method", method}};
    std::string run = small(over);
    if (std::string(method) != "uniform") {
      const auto at = run.find(" --uniform.weight_bits=4");
      run.erase(at, std::string(" --uniform.weight_bits=4").size());
    }
    const Answer made = ask(run);
    ASSERT_EQ(made.code, 0) << made.err;
    const Json a = answers(converted("onnx-qdq"), keys);
    ASSERT_FALSE(a.is_null());
    EXPECT_GE(a.at("equal_answers").get<double>(), 0.97) << a.dump(2);
    EXPECT_NEAR(a.at("top1").get<double>(), a.at("package_top1").get<double>(), 0.02);
  }
}

// What methods leave behind after a training, however short: widths of layers and of single
// weights, pruned groups, tables.
TEST_F(OnnxRuns, QonnxOfTrainedPackagesGivesTheirAnswers) {
  SKIP_WITHOUT_ONNX_PYTHON();
  for (const char* method : {"bsq", "quantization_networks", "alq", "hgq"}) {
    SCOPED_TRACE(method);
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::string run = small({{"method", method}, {"train.epochs", "3"}});
    const std::string own = " --uniform.weight_bits=4";
    run.erase(run.find(own), own.size());
    const Answer made = ask(run);
    ASSERT_EQ(made.code, 0) << made.err;
    const Package shipped = read_package(package());
    Evaluated e = evaluated(shipped, pattern_batch(shipped.graph.input_shape, 16, false));
    EXPECT_GE(equal_answers(e), 0.9);
    EXPECT_LT(difference(e), 0.03);
    EXPECT_GT(e.operators["IntQuant"] + e.operators["BipolarQuant"] + e.operators["Gather"], 0);
  }
}

// ResNet-20, post-training INT8 from public weights, over the whole test set of CIFAR-10.
TEST_F(OnnxRuns, ResNet20AnswersAlikeOnAllOfCifar10) {
  SKIP_WITHOUT_ONNX_RUNTIME();
  const char* data = std::getenv("QUANTBENCH_DATA");
  if (!data || !fs::exists(fs::path(data) / "weights" / "resnet20_cifar10.safetensors") ||
      !fs::exists(fs::path(data) / "cifar-10-batches-bin"))
    GTEST_SKIP() << "No CIFAR-10 with resnet20_cifar10.safetensors in $QUANTBENCH_DATA.";
  const Answer made = ask("run resnet20_cifar10_ptq --method=uniform --latency=no");
  ASSERT_EQ(made.code, 0) << made.err;
  const Json exact = answers(converted("onnx-qdq"), " --dataset=cifar10");
  // Nineteen layers of biases rounded to integers and scales multiplied in another order move three
  // answers in a thousand, as many to the right as to the wrong side.
  EXPECT_GE(exact.at("equal_answers").get<double>(), 0.99) << exact.dump(2);
  EXPECT_NEAR(exact.at("top1").get<double>(), exact.at("package_top1").get<double>(), 0.0005);
  EXPECT_EQ(exact.at("operators").count("Conv"), 0u) << exact.dump(2);
  EXPECT_EQ(exact.at("operators").count("FusedConv"), 0u) << exact.dump(2);
}

}  // namespace
}  // namespace quantbench
