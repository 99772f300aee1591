// The statistics of comparisons: exact where the field has an exact test. Pure functions of
// numbers; they know neither runs nor stores.
#pragma once

#include <cstdint>
#include <vector>

namespace quantbench {

struct Summary {
  int64_t n = 0;
  double mean = 0;  // NaN when n is 0
  double std = 0;   // unbiased (n - 1); NaN when n is below 2
};
Summary summarize(const std::vector<double>& values);

// Bounds of a two-sided interval.
struct Interval {
  double low = 0, high = 0;
};

// Student's interval of a mean (Student 1908); bounds are NaN when n is below 2. Throws Error when
// `confidence` is not within (0, 1).
Interval mean_interval(const Summary& summary, double confidence = 0.95);

// Two-sided p-value of the sign-flip permutation test (Fisher 1935): the share of the 2^n ways to
// flip the signs of paired `differences` whose sum is at least as far from 0 as theirs. Exact up to
// 40 differences; above, from 200,000 random flips (the observed one counted, so it is never 0). 1
// when there are none.
double sign_flip_p(const std::vector<double>& differences);

// The least number of pairs with which sign_flip_p can reach `threshold`: 2 / 2^n <= threshold. 6
// for 0.05. Throws Error unless 0 < threshold < 1.
int64_t pairs_needed(double threshold);

// Exact two-sided p-value of McNemar's test (McNemar 1947): `only_a` samples that A alone got right
// and `only_b` that B alone did are a binomial draw of share 1/2 where A and B are equally good.
// Throws Error when a count is negative.
double mcnemar_p(int64_t only_a, int64_t only_b);

// p-values adjusted for that many tests at once (Holm 1979), in the order given, at most 1.
std::vector<double> holm(const std::vector<double>& p);

// A percentile interval (Efron 1979) of the mean of `values`, from `replicates` draws with
// replacement; the draws depend on `seed` alone. What two networks answer is paired by giving the
// differences. Throws Error when there are no values or `confidence` is not within (0, 1).
Interval bootstrap_mean(const std::vector<double>& values, double confidence = 0.95,
                        int replicates = 10000, uint64_t seed = 0);

// Student's interval of the geometric mean of paired `ratios` (all above 0). One ratio has no
// interval of its own: both bounds are NaN.
struct RatioSummary {
  double ratio = 0;
  Interval interval;
};
RatioSummary mean_ratio(const std::vector<double>& ratios, double confidence = 0.95);

}  // namespace quantbench
