// Stores for tests of the leaderboard: make_store PATH board | hostile | RUNS. `board` is a small
// one as methods would fill it night after night, `hostile` one that somebody wished us ill with, a
// number one with that many plain runs.
#include <cmath>

#include "base/random.h"
#include "results/contract_rows.h"
#include "results/store_database.h"
#include "tests/results/board.h"

namespace quantbench {
namespace {

std::string recipe_of(const SomeRun& r, const RandomStream& random) {
  std::string out;
  for (int i = 0; i < 40; ++i)
    out += fmt::format("{}.option_{:02} = {}\n", r.method, i, random.bits(0) % 7);
  return out;
}

void start_at(const Store& store, int64_t run, int day) {
  const std::string time =
      fmt::format("2026-{:02}-{:02}T{:02}:00:00Z", 1 + day / 28, 1 + day % 28, run % 24);
  store.connection().prepare("UPDATE runs SET started = ? WHERE id = ?").bind(time, run).run();
}

void fill_details(Store& store, int64_t run, const SomeRun& r, int epochs) {
  for (int e = 1; e <= epochs; ++e) {
    const double x = static_cast<double>(e) / epochs;
    store.connection().insert("epochs",
                              "run, stage, epoch, train_loss, train_top1, validation_loss, "
                              "validation_top1, learning_rate, seconds",
                              run, e <= epochs / 2 ? "fp32 again" : "fine-tuning", e,
                              2.3 * std::exp(-2 * x) + 0.05 * std::sin(9 * x),
                              r.top1 * (1 - std::exp(-4 * x)), 2.3 * std::exp(-1.8 * x) + 0.1,
                              (r.top1 - 0.01) * (1 - std::exp(-4 * x)), 0.1 * (1 - x), 12.5);
  }
  for (int layer = 0; layer < 20; ++layer)
    store.connection().insert("sites", "run, name, kind, bits, elements, macs, levels, encoding",
                              run, fmt::format("layer{}.{}.conv1", 1 + layer / 7, layer % 7),
                              layer % 2 ? "output" : "weight",
                              layer % 2 ? 8.0 : r.weight_bits + (layer % 6 == 0 ? 2 : 0),
                              1000 * (layer + 1), 50000 * (layer + 1), 16, "uniform");
}

void make_board(Store& store) {
  const RandomStream random(3, "board");
  uint64_t draw = 0;
  for (const auto& [model, dataset, fp32] :
       {std::tuple{"resnet20", "cifar10", 0.926}, {"lenet5", "mnist", 0.992}}) {
    int method_number = 0;
    for (const char* method : {"fp32", "uniform", "hawq", "bsq", "degree_quant"}) {
      ++method_number;
      for (double bits : {8.0, 4.0, 3.0, 2.0}) {
        if (method_number == 1) bits = 32;
        for (uint64_t seed = 1; seed <= 3; ++seed)
          for (int night = 0; night < (bits == 4 ? 6 : 1); ++night) {
            SomeRun r;
            r.method = method;
            r.model = model;
            r.dataset = dataset;
            r.seed = seed;
            r.weight_bits = bits;
            r.activation_bits = method_number == 1 ? 32 : method_number == 4 ? 4 : 8;
            r.settings = fmt::format("{}.rule = {}\n{}.weight_bits = {}\n", method,
                                     method_number % 2 ? "lsq" : "dorefa", method, bits);
            r.top1_fp32 = fp32;
            r.top1 = fp32 - 0.02 / bits - 0.004 * (5 - method_number) / bits +
                     0.002 * random.normal(draw++);
            if (night == 5 && seed == 1 && method_number == 3) r.top1 -= 0.08;
            r.size_bytes = static_cast<int64_t>(270000 * bits / 8);
            r.bops = static_cast<int64_t>(4.1e7 * bits * r.activation_bits);
            r.latency_ms = 1.5 + 0.1 * bits + 0.02 * random.normal(draw++);
            const int64_t id = add_run(store, r);
            start_at(store, id, night);
            fill_details(store, id, r, 24);
          }
        if (method_number == 1) break;
      }
    }
  }
  SomeRun doubtful;
  doubtful.status = RunStatus::Mistrusted;
  doubtful.seed = 99;
  add_run(store, doubtful);
  store.end(begin_run(store, {}).id, RunStatus::Failed, "The loss is NaN after 3 steps.");
}

void make_hostile(Store& store) {
  const std::string names[] = {
      "<script>window.hacked = 1</script>",
      "</script><img src=x onerror=\"window.hacked = 1\">",
      "\"'`><b onmouseover=alert(1)>${window.hacked=1}",
      "<!--<script>",
      "\u202Egnp.exe \u2067\u05D0\u05D1\u05D2",
      "\U0001F4A3\U0001F469\u200D\U0001F52C",
      std::string(10000, 'x'),
      "javascript:window.hacked=1",
      std::string("nul\0byte", 8),
      "\xff\xfe not UTF-8",
      "]]>&lt;&amp;\\u003cscript\\u003e",
      "__proto__",
  };
  for (const std::string& name : names) {
    SomeRun r;
    r.method = r.model = name;
    r.settings = name + ".rule = " + name + "\n";
    r.preprocessing = name;
    r.latency_ms = 1;
    add_run(store, r);
    const RunRecord failed = begin_run(store, r);
    store.end(failed.id, RunStatus::Failed, name);
  }
  store.connection().execute("UPDATE sites SET name = (SELECT method FROM runs WHERE id = run)");
}

// All in one transaction: as a merge would leave them.
void make_many(Store& store, int64_t runs) {
  constexpr int kSeeds = 5;
  const Connection& c = store.connection();
  const RandomStream random(1, "many");
  add_run(store, {});
  c.execute("PRAGMA synchronous = OFF");
  Transaction transaction(c);
  const std::string models[] = {"resnet20", "resnet56", "vgg7", "lenet5"};
  const std::string methods[] = {"uniform", "hawq", "hawq_v2", "bsq", "alq", "hgq", "fp32", "srq"};
  const int64_t provenance = c.integer("SELECT provenance FROM runs LIMIT 1");
  std::vector<int64_t> contracts;
  for (int i = 0; i < 24; ++i) {
    c.insert("contracts",
             "sha256, baseline, float_layers, eight_bit_layers, activation_bits, "
             "calibration_hash, preprocessing_hash, training_budget",
             std::to_string(i), fmt::format("{} epochs (0badcafe)", 100 + i % 3), "none",
             i % 2 ? "conv1, fc" : "none", i % 4 < 2 ? "8.0" : "4.0", sha256("c"), sha256("p"),
             fmt::format("{} epochs, batch 128, augmented", 30 * (1 + i % 2)));
    contracts.push_back(c.last_id());
  }
  int64_t configuration = 0;
  for (int64_t i = 0; i < runs - 1; ++i) {
    const auto draw = static_cast<uint64_t>(8 * i);
    SomeRun r;
    const int64_t group = i / kSeeds;
    r.seed = static_cast<uint64_t>(1 + i % kSeeds);
    r.method = methods[group % 8];
    r.model = models[group / 8 % 4];
    r.dataset = r.model == "lenet5" ? "mnist" : "cifar10";
    r.weight_bits = static_cast<double>(2 + group % 7);
    if (i % kSeeds == 0) {
      c.insert("configurations", "sha256, settings", sha256("g" + std::to_string(group)),
               fmt::format("budget={} rule={} weight_bits={}", group, group % 3 ? "lsq" : "dorefa",
                           r.weight_bits));
      configuration = c.last_id();
    }
    const std::string recipe =
        fmt::format("dataset = {}\nmethod = {}\nmodel = {}\nseed = {}\ntrain.epochs = {}\n",
                    r.dataset, r.method, r.model, r.seed, group / 8) +
        recipe_of(r, random.child(static_cast<uint64_t>(group)));
    c.insert("recipes", "sha256, text", sha256(recipe), recipe);
    c.insert("runs",
             "uid, configuration, identity, repetition, status, method, method_version, model, "
             "dataset, dataset_fingerprint, preprocessing, seed, recipe, provenance, started, "
             "finished, folder",
             new_uid(), configuration, std::to_string(i), 0,
             i % 97 == 0   ? "mistrusted"
             : i % 89 == 0 ? "failed"
                           : "ok",
             r.method, 1, r.model, r.dataset, sha256("data"), "mean 0.5",
             static_cast<int64_t>(r.seed), c.last_id(), provenance,
             fmt::format("2026-{:02}-{:02}T03:00:00Z", 1 + i / 28 % 12, 1 + i % 28),
             "2026-12-31T03:00:00Z", "");
    const int64_t id = c.last_id();
    if (i % 89 == 0 && i % 97 != 0) continue;
    const double top1 = 0.93 - 0.1 * random.uniform(draw) / r.weight_bits;
    c.insert("results",
             "run, top1_fp32, top1_simulated, top1_shipped, test_samples, size_bytes, "
             "size_paper_bits, weight_bits_average, activation_bits_average, macs, bops, "
             "train_seconds, weights_hash, package_hash, predictions_hash, contract",
             id, 0.93, top1, top1, 10000,
             static_cast<int64_t>(33000 * r.weight_bits + random.below(draw + 1, 9000)),
             int64_t{270000}, r.weight_bits, 8.0, int64_t{41000000},
             static_cast<int64_t>(4.1e7 * 8 * r.weight_bits), 60.0, sha256("w"), sha256("p"),
             sha256("q"), contracts[static_cast<size_t>(group % 24)]);
    for (const char* subject : {"fp32", "fake_quantized"})
      c.insert("latencies",
               "run, subject, kind, engine, isa, threads, batch, median_ms, low_ms, high_ms, "
               "repetitions",
               id, subject, "simulated", "LibTorch", "AVX2", 1, 1, 1 + random.uniform(draw + 2),
               0.9, 2.2, 30);
    if (id % 10 == 0) fill_details(store, id, r, 30);
    if (group >= 64) continue;
    PredictionRow row{"shipped", {}, {}, {}};
    for (int32_t s = 0; s < 10000; ++s) {
      row.sample.push_back(s);
      row.target.push_back(s % 10);
      row.predicted.push_back(
          random.child(draw).uniform(static_cast<uint64_t>(s)) < top1 ? s % 10 : (s + 1) % 10);
    }
    c.insert("predictions", "run, kind, count, data", id, "shipped", int64_t{10000},
             Blob{pack_predictions(row)});
  }
  transaction.commit();
}

}  // namespace
}  // namespace quantbench

int main(int argc, char** argv) {
  using namespace quantbench;
  if (argc != 3) return 2;
  Store store(argv[1]);
  const std::string kind = argv[2];
  if (kind == "board")
    make_board(store);
  else if (kind == "hostile")
    make_hostile(store);
  else
    make_many(store, std::stoll(kind));
  return 0;
}
