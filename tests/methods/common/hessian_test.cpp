#include "methods/common/hessian.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/interrupt.h"
#include "methods/common/exact_trace.h"
#include "methods/common/signs.h"
#include "models/builder.h"

namespace quantbench {
namespace {

// The loss w' A w / 2: its Hessian is A.
struct Quadratic {
  Tensor a, w;
  std::vector<Batch> batches;

  explicit Quadratic(Tensor matrix) : a(std::move(matrix)), batches(1) {
    w = torch::zeros({a.size(0)}, a.options()).requires_grad_();
    batches[0].target = torch::zeros({1}, torch::kLong);
  }
  BlockHessian hessian() const {
    return BlockHessian([this](const Batch&) { return w.dot(a.matmul(w)) / 2; }, batches, {w});
  }
};

Tensor with_spectrum(const Tensor& eigenvalues, uint64_t seed) {
  torch::manual_seed(seed);
  const int64_t n = eigenvalues.size(0);
  const Tensor q = std::get<0>(torch::linalg_qr(torch::randn({n, n}, torch::kDouble)));
  return q.matmul(torch::diag(eigenvalues)).matmul(q.t());
}

// A small network of every kind of layer that exact_traces() takes.
Graph small_net() {
  GraphBuilder b("small", {2, 6, 6}, 3);
  int x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", b.input(), 4, 3, {1, 1})));
  const int y = b.conv("conv2", x, 4, 3, {1, 1, 1, true});
  x = b.max_pool("pool", b.relu("relu2", b.add("add", x, y)), 2, 2);
  x = b.relu("relu3", b.conv("conv3", x, 6, 2));
  b.linear("linear", b.flatten("flatten", x), 3);
  return std::move(b).build();
}

struct SmallNet {
  Network network{small_net(), RandomStream(5, "init")};
  std::vector<Batch> batches;

  SmallNet() {
    torch::manual_seed(9);
    for (int i = 0; i < 2; ++i) {
      Batch batch;
      batch.input = 2 * torch::randn({i == 0 ? 5 : 3, 2, 6, 6});
      batch.target = torch::randint(3, {batch.input.size(0)}, torch::kLong);
      batches.push_back(batch);
    }
    network.eval();
  }
  Tensor loss(const Batch& batch) {
    return torch::cross_entropy_loss(network.forward(batch), batch.target);
  }
  std::vector<Tensor> weights() {
    std::vector<Tensor> out;
    for (const Site& site : weight_sites(network.graph()))
      out.push_back(network.parameter(site.point.node, "weight"));
    return out;
  }
  BlockHessian hessian() {
    return BlockHessian([this](const Batch& batch) { return loss(batch); }, batches, weights());
  }
};

// Row by row, from products with unit vectors.
Tensor explicit_hessian(const BlockHessian& hessian, size_t block, const Tensor& parameter) {
  const int64_t n = parameter.numel();
  Tensor out = torch::empty({n, n});
  for (int64_t i = 0; i < n; ++i) {
    Tensor unit = torch::zeros_like(parameter).flatten();
    unit[i] = 1;
    out[i] = hessian.product(block, unit.view(parameter.sizes())).flatten().detach();
  }
  return out;
}

TEST(Hessian, ProductsEqualDifferencesOfGradients) {
  torch::manual_seed(3);
  const Tensor x = torch::randn({16, 5}, torch::kDouble);
  const Tensor target = torch::randint(4, {16}, torch::kLong);
  Tensor w1 = torch::randn({7, 5}, torch::kDouble).requires_grad_();
  const Tensor w2 = torch::randn({4, 7}, torch::kDouble).requires_grad_();
  std::vector<Batch> batches(1);
  batches[0].target = target;
  const auto loss = [&](const Batch&) {
    return torch::cross_entropy_loss(torch::tanh(x.matmul(w1.t())).matmul(w2.t()), target);
  };
  const auto gradient = [&] { return torch::autograd::grad({loss(batches[0])}, {w1})[0]; };
  const BlockHessian hessian(loss, batches, {w1, w2});
  const Tensor v = torch::randn_like(w1);
  const Tensor product = hessian.product(0, v);

  double before = 0;
  for (const double step : {1e-3, 1e-4}) {
    torch::NoGradGuard no_grad;
    w1.add_(v, step);
    Tensor up, down;
    {
      torch::AutoGradMode on(true);
      up = gradient();
    }
    w1.sub_(v, 2 * step);
    {
      torch::AutoGradMode on(true);
      down = gradient();
    }
    w1.add_(v, step);
    const Tensor differences = (up - down) / (2 * step);
    const double error = ((differences - product).norm() / product.norm()).item<double>();
    EXPECT_LT(error, 1e-4);
    // The error falls with the square of the step.
    if (before > 0) {
      EXPECT_LT(error, before / 50);
    }
    before = error;
  }
}

TEST(Hessian, JointProductsAreProductsOfTheWholeNetwork) {
  SmallNet f;
  const BlockHessian hessian = f.hessian();
  const std::vector<Tensor> weights = f.weights();
  torch::manual_seed(4);
  std::vector<Tensor> v;
  for (const Tensor& w : weights) v.push_back(torch::zeros_like(w));
  v[1] = torch::randn_like(v[1]);

  // With one block's vector alone, its own part is the block's product.
  EXPECT_TRUE(torch::allclose(hessian.joint_product(v)[1], hessian.product(1, v[1]), 1e-4, 1e-7));
}

TEST(Hessian, BatchesCountByTheirSize) {
  SmallNet f;
  Batch all;
  all.input = torch::cat({f.batches[0].input, f.batches[1].input});
  all.target = torch::cat({f.batches[0].target, f.batches[1].target});
  const auto loss = [&](const Batch& batch) { return f.loss(batch); };
  const BlockHessian parts = f.hessian(), whole(loss, {all}, f.weights());
  const Tensor v = torch::ones_like(f.weights()[0]);

  EXPECT_NEAR(parts.loss(), whole.loss(), 1e-6);
  EXPECT_TRUE(torch::allclose(parts.product(0, v), whole.product(0, v), 1e-4, 1e-6));
}

TEST(PowerIteration, FindsTheTopEigenvalue) {
  const Tensor spectrum = torch::cat(
      {torch::linspace(0, 5, 999, torch::kDouble), torch::full({1}, 10.0, torch::kDouble)});
  const Quadratic q(with_spectrum(spectrum, 1));

  const Eigenvalue found = q.hessian().top_eigenvalue(0, RandomStream(1, "v"), 100, 1e-7);

  EXPECT_NEAR(found.largest, 10, 1e-3);  // 1e-4 of it
  EXPECT_EQ(found.largest, found.largest_abs);
  EXPECT_LT(found.products, 40);
}

TEST(PowerIteration, SeesBothEnds) {
  const Quadratic q(with_spectrum(torch::tensor({4.0, 1.0, 0.5, -1.0, -6.0}, torch::kDouble), 2));

  const Eigenvalue found = q.hessian().top_eigenvalue(0, RandomStream(1, "v"), 400, 1e-9);

  EXPECT_NEAR(found.largest_abs, -6, 1e-4);
  EXPECT_NEAR(found.largest, 4, 1e-4);
}

TEST(Hutchinson, OneSampleOfADiagonalMatrixIsExact) {
  const Quadratic q(torch::diag(torch::tensor({1.0, 2.0, -3.0, 10.0}, torch::kDouble)));

  EXPECT_NEAR(q.hessian().trace_sample(0, RandomStream(8, "v"), 0), 10, 1e-12);
}

TEST(Hutchinson, ErrorsAreAsPredictedAndFallWithTheRootOfTheSamples) {
  torch::manual_seed(6);
  const Tensor root = torch::randn({60, 60}, torch::kDouble);
  const Tensor a = root.matmul(root.t()) / 60;
  const Quadratic q(a);
  const BlockHessian hessian = q.hessian();
  const double trace = a.trace().item<double>();
  const double variance = 2 * (a.square().sum() - a.diagonal().square().sum()).item<double>();

  std::vector<double> samples;
  for (int64_t k = 0; k < 4000; ++k)
    samples.push_back(hessian.trace_sample(0, RandomStream(2, "v"), k));
  const TraceEstimate all = estimate_of(samples);
  const TraceEstimate few =
      estimate_of(std::vector<double>(samples.begin(), samples.begin() + 250));

  EXPECT_NEAR(all.error * std::sqrt(4000.0), std::sqrt(variance), 0.05 * std::sqrt(variance));
  EXPECT_NEAR(all.trace, trace, 4 * all.error);
  EXPECT_NEAR(few.error / all.error, 4, 0.6);
}

TEST(Hutchinson, GoesOnUntilEveryTraceIsKnown) {
  SmallNet f;
  const BlockHessian hessian = f.hessian();
  TraceTarget target;
  target.most = 2000;

  const auto traces = hutchinson_traces(hessian, RandomStream(3, "traces"), target);

  double largest = 0;
  for (const TraceEstimate& e : traces) largest = std::max(largest, e.trace);
  for (const TraceEstimate& e : traces) {
    EXPECT_TRUE(target.met(e, largest)) << e.trace << " +- " << e.error;
    EXPECT_GE(e.samples, target.least);
    EXPECT_LT(e.samples, target.most);
  }
}

TEST(Hessian, HoldsItsMemory) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "AddressSanitizer keeps what is freed in quarantine.";
#endif
#endif
  const auto resident = [] {
    std::ifstream in("/proc/self/statm");
    long total = 0, pages = 0;
    in >> total >> pages;
    return pages * 4096;
  };
  Network network(small_net(), RandomStream(5, "init"));
  network.eval();
  std::vector<Batch> batches(1);
  batches[0].input = torch::randn({256, 2, 6, 6});
  batches[0].target = torch::randint(3, {256}, torch::kLong);
  std::vector<Tensor> weights;
  for (const Site& site : weight_sites(network.graph()))
    weights.push_back(network.parameter(site.point.node, "weight"));
  const BlockHessian hessian(
      [&](const Batch& b) { return torch::cross_entropy_loss(network.forward(b), b.target); },
      batches, weights);
  const RandomStream stream(1, "memory");
  for (int64_t k = 0; k < 20; ++k) hessian.trace_sample(0, stream, k);
  const long before = resident();

  for (int64_t k = 0; k < 200; ++k) hessian.trace_sample(static_cast<size_t>(k) % 4, stream, k);

  // One kept graph would be 256 * 4 * 36 floats and more, 200 of them above 29 MB.
  EXPECT_LT(resident() - before, 8 << 20);
}

TEST(ExactTrace, EqualsTheExplicitHessian) {
  SmallNet f;
  const BlockHessian hessian = f.hessian();
  const std::vector<Tensor> weights = f.weights();
  const auto sites = weight_sites(f.network.graph());

  const auto traces = exact_traces(f.network, f.batches, sites, RandomStream(1, "t"));

  for (size_t i = 0; i < sites.size(); ++i) {
    const double trace = explicit_hessian(hessian, i, weights[i]).diagonal().sum().item<double>();
    EXPECT_NEAR(traces[i].trace, trace, 1e-4 * std::abs(trace)) << sites[i].name;
    EXPECT_EQ(traces[i].error, 0);
    EXPECT_EQ(traces[i].samples, 3);
  }
}

TEST(ExactTrace, OfTheLastLayerHasItsClosedForm) {
  SmallNet f;
  const Batch& batch = f.batches[0];
  std::vector<Tensor> values;
  f.network.run(batch, values, 0, f.network.graph().output(), /*keep=*/true);
  const Tensor p = torch::softmax(values.back(), 1);
  const Tensor h = values[values.size() - 2];
  const double expected = ((p * (1 - p)).sum(1) * h.square().sum(1)).mean().item<double>();

  const auto traces = exact_traces(f.network, {batch}, {weight_sites(f.network.graph()).back()},
                                   RandomStream(1, "t"));

  EXPECT_NEAR(traces[0].trace, expected, 1e-5 * expected);
}

// The batch's trace against the mean of single images' exact Hessians with respect to the map.
TEST(ExactTrace, OfAnActivationIsTheMeanOverImages) {
  SmallNet f;
  const Batch& batch = f.batches[0];
  const Graph& graph = f.network.graph();
  const int node = graph.index_of("relu2");
  Site site;
  for (const Site& candidate : all_sites(graph))
    if (candidate.point == Point{node, PointKind::Output}) site = candidate;

  double sum = 0;
  for (int64_t n = 0; n < batch.input.size(0); ++n) {
    Batch one;
    one.input = batch.input.narrow(0, n, 1);
    one.target = batch.target.narrow(0, n, 1);
    std::vector<Tensor> values;
    f.network.run(one, values, 0, graph.output(), /*keep=*/true);
    const Tensor a = values[static_cast<size_t>(node)];
    const Tensor loss = torch::cross_entropy_loss(values.back(), one.target);
    const Tensor g = torch::autograd::grad({loss}, {a}, {}, true, true)[0].flatten();
    for (int64_t i = 0; i < g.numel(); ++i)
      sum += torch::autograd::grad({g[i]}, {a}, {}, true)[0].flatten()[i].item<double>();
  }
  const double expected = sum / static_cast<double>(batch.input.size(0));

  const auto traces = exact_traces(f.network, {batch}, {site}, RandomStream(1, "t"));

  EXPECT_NEAR(traces[0].trace, expected, 1e-4 * expected);
}

TEST(ExactTrace, SamplesWhereThereAreManyClasses) {
  SmallNet f;
  const auto sites = weight_sites(f.network.graph());
  const auto exact = exact_traces(f.network, f.batches, sites, RandomStream(1, "t"));

  TraceTarget target;
  target.most = 4000;
  const auto sampled =
      exact_traces(f.network, f.batches, sites, RandomStream(2, "t"), target, /*most_classes=*/2);

  for (size_t i = 0; i < sites.size(); ++i) {
    EXPECT_GT(sampled[i].error, 0);
    EXPECT_NEAR(sampled[i].trace, exact[i].trace, 4 * sampled[i].error) << sites[i].name;
  }
}

TEST(ExactTrace, LeavesTheNetworkAsItWas) {
  SmallNet f;
  exact_traces(f.network, f.batches, weight_sites(f.network.graph()), RandomStream(1, "t"));

  for (const Tensor& parameter : f.network.parameters()) {
    EXPECT_TRUE(parameter.requires_grad());
    EXPECT_FALSE(parameter.grad().defined());
  }
}

TEST(ExactTrace, RefusesWhatIsNotPiecewiseLinear) {
  GraphBuilder b("curved", {4}, 2);
  b.linear("two", b.node("elu", op::Elu{}, {b.linear("one", b.input(), 8)}), 2);
  Network network(std::move(b).build());
  network.eval();
  Batch batch;
  batch.input = torch::randn({3, 4});
  batch.target = torch::zeros({3}, torch::kLong);

  EXPECT_FALSE(has_exact_traces(network.graph()));
  EXPECT_THROW(exact_traces(network, {batch}, weight_sites(network.graph()), RandomStream(1, "")),
               Error);
}

TEST(Signs, AreBalancedAndBelongToTheirStream) {
  const Tensor a = random_signs({100000}, RandomStream(1, "s"));

  EXPECT_TRUE(torch::equal(a, random_signs({100000}, RandomStream(1, "s"))));
  EXPECT_FALSE(torch::equal(a, random_signs({100000}, RandomStream(2, "s"))));
  EXPECT_TRUE(torch::equal(a.abs(), torch::ones_like(a)));
  EXPECT_LT(std::abs(a.mean().item<double>()), 0.02);
}

// Planning may take minutes; whoever asks it to stop does not wait for its end.
TEST(HutchinsonTraces, StopWhenAskedTo) {
  const Quadratic quadratic(torch::eye(3, torch::kDouble));
  const auto plan_after_a_signal = [&] {
    request_interrupt();
    try {
      quadratic.hessian();
    } catch (const Interrupted&) {
      std::exit(7);
    }
    std::exit(0);
  };

  EXPECT_EXIT(plan_after_a_signal(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace quantbench
