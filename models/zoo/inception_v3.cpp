// Inception-V3 (Szegedy et al. 2016, table 1) with torchvision's names and without the auxiliary
// classifier, which only training from scratch uses.
#include <array>

#include "models/builder.h"
#include "models/model.h"

namespace quantbench {
namespace {

class Inception {
 public:
  Inception(GraphBuilder& g, int x) : g_(g), x_(x) {}

  // Convolution, BatchNorm, ReLU: torchvision's BasicConv2d.
  int conv(const std::string& name, int x, int64_t out, Kernel kernel, int64_t stride = 1,
           std::array<int64_t, 2> border = {0, 0}) {
    const auto [rows, columns] = border;
    const op::Conv2d work{g_.size(x, 0),
                          out,
                          {kernel.height, kernel.width},
                          {stride, stride},
                          {rows, columns, rows, columns},
                          1,
                          false};
    const std::string at = block_ + name;
    x = g_.node(at + ".conv", work, {x});
    return g_.relu(at + ".relu", g_.batch_norm(at + ".bn", x, 1e-3));
  }

  void stem() {
    g_.block("stem");
    x_ = conv("Conv2d_1a_3x3", x_, 32, 3, 2);
    x_ = conv("Conv2d_2a_3x3", x_, 32, 3);
    x_ = conv("Conv2d_2b_3x3", x_, 64, 3, 1, {1, 1});
    x_ = g_.max_pool("maxpool1", x_, 3, 2);
    x_ = conv("Conv2d_3b_1x1", x_, 80, 1);
    x_ = conv("Conv2d_4a_3x3", x_, 192, 3);
    x_ = g_.max_pool("maxpool2", x_, 3, 2);
  }

  // 35 x 35: 1x1, 5x5, twice 3x3, and a pool.
  void a(const std::string& name, int64_t pooled) {
    begin(name);
    const int one = conv("branch1x1", x_, 64, 1);
    int five = conv("branch5x5_1", x_, 48, 1);
    five = conv("branch5x5_2", five, 64, 5, 1, {2, 2});
    int three = conv("branch3x3dbl_1", x_, 64, 1);
    three = conv("branch3x3dbl_2", three, 96, 3, 1, {1, 1});
    three = conv("branch3x3dbl_3", three, 96, 3, 1, {1, 1});
    end({one, five, three, pool_branch(pooled)});
  }

  // To 17 x 17.
  void b(const std::string& name) {
    begin(name);
    const int three = conv("branch3x3", x_, 384, 3, 2);
    int twice = conv("branch3x3dbl_1", x_, 64, 1);
    twice = conv("branch3x3dbl_2", twice, 96, 3, 1, {1, 1});
    twice = conv("branch3x3dbl_3", twice, 96, 3, 2);
    end({three, twice, g_.max_pool(block_ + "pool", x_, 3, 2)});
  }

  // 17 x 17: 7x7 in rows and columns, of `width` channels within.
  void c(const std::string& name, int64_t width) {
    begin(name);
    const int one = conv("branch1x1", x_, 192, 1);
    int seven = conv("branch7x7_1", x_, width, 1);
    seven = conv("branch7x7_2", seven, width, {1, 7}, 1, {0, 3});
    seven = conv("branch7x7_3", seven, 192, {7, 1}, 1, {3, 0});
    int twice = conv("branch7x7dbl_1", x_, width, 1);
    twice = conv("branch7x7dbl_2", twice, width, {7, 1}, 1, {3, 0});
    twice = conv("branch7x7dbl_3", twice, width, {1, 7}, 1, {0, 3});
    twice = conv("branch7x7dbl_4", twice, width, {7, 1}, 1, {3, 0});
    twice = conv("branch7x7dbl_5", twice, 192, {1, 7}, 1, {0, 3});
    end({one, seven, twice, pool_branch(192)});
  }

  // To 8 x 8.
  void d(const std::string& name) {
    begin(name);
    int three = conv("branch3x3_1", x_, 192, 1);
    three = conv("branch3x3_2", three, 320, 3, 2);
    int seven = conv("branch7x7x3_1", x_, 192, 1);
    seven = conv("branch7x7x3_2", seven, 192, {1, 7}, 1, {0, 3});
    seven = conv("branch7x7x3_3", seven, 192, {7, 1}, 1, {3, 0});
    seven = conv("branch7x7x3_4", seven, 192, 3, 2);
    end({three, seven, g_.max_pool(block_ + "pool", x_, 3, 2)});
  }

  // 8 x 8: 3x3 as a row and a column side by side.
  void e(const std::string& name) {
    begin(name);
    const int one = conv("branch1x1", x_, 320, 1);
    const int three = cross("branch3x3_2", conv("branch3x3_1", x_, 384, 1));
    int twice = conv("branch3x3dbl_1", x_, 448, 1);
    twice = conv("branch3x3dbl_2", twice, 384, 3, 1, {1, 1});
    end({one, three, cross("branch3x3dbl_3", twice), pool_branch(192)});
  }

  int value() const { return x_; }

 private:
  void begin(const std::string& name) {
    g_.block(name);
    block_ = name + ".";
  }

  void end(std::vector<int> branches) {
    x_ = g_.concat(block_ + "cat", std::move(branches));
    block_.clear();
  }

  int pool_branch(int64_t out) {
    const int mean = g_.node(block_ + "avgpool", op::AvgPool{3, 1, 1}, {x_});
    return conv("branch_pool", mean, out, 1);
  }

  int cross(const std::string& name, int x) {
    const int row = conv(name + "a", x, 384, {1, 3}, 1, {0, 1});
    const int column = conv(name + "b", x, 384, {3, 1}, 1, {1, 0});
    return g_.concat(block_ + name + ".cat", {row, column});
  }

  GraphBuilder& g_;
  int x_;
  std::string block_;  // prefix of names
};

Graph inception_v3(const ModelInput& input, const OptionValues&) {
  GraphBuilder g("inception_v3", input.shape, input.class_count);
  Inception net(g, g.input());
  net.stem();
  net.a("Mixed_5b", 32);
  net.a("Mixed_5c", 64);
  net.a("Mixed_5d", 64);
  net.b("Mixed_6a");
  net.c("Mixed_6b", 128);
  net.c("Mixed_6c", 160);
  net.c("Mixed_6d", 160);
  net.c("Mixed_6e", 192);
  net.d("Mixed_7a");
  net.e("Mixed_7b");
  net.e("Mixed_7c");
  g.block("head");
  const int x = g.dropout("dropout", g.global_avg_pool("avgpool", net.value()), 0.5);
  g.linear("fc", x, input.class_count);
  return std::move(g).build();
}

QUANTBENCH_MODEL(inception_v3,
                 (ModelEntry{"inception_v3",
                             "Inception-V3 for ImageNet at 299 x 299, torchvision's names",
                             "Szegedy et al. 2016",
                             false,
                             {},
                             inception_v3}));

}  // namespace
}  // namespace quantbench
