// ALQ (Qu et al., arXiv 1912.08883): weights as short sums of scaled sign vectors, each group with
// a number of its own, pruned and trained against a quadratic model of the loss.
#pragma once

#include "methods/alq/prune.h"
#include "methods/alq/rounds.h"
#include "methods/method.h"

namespace quantbench {

MethodCard alq_card();

class Alq : public Method {
 public:
  // Throws Error on options that make no sense.
  explicit Alq(const OptionValues& options);

  void plan(MethodContext& context) override;
  void attach(Network& network) override;
  std::vector<Phase> phases(Network& network, const TrainingBudget& budget) override;
  void begin_phase(MethodContext& context, int phase) override;
  void after_backward(Network& network, const Progress& progress) override;
  EpochVerdict after_epoch(Network& network, const EpochReport& report) override;
  Figures figures() const override;
  // Signs and 32 bits a coordinate (the paper's convention).
  PaperSize paper_size(const Site& site, const Encoding& encoding) const override;
  MethodState save() const override { return {{{"latent", latent_}}, activations_}; }
  void load(const MethodState& state) override {
    latent_ = state.values.at("latent").get<bool>();
    activations_ = state.tensors;
  }
  std::map<std::string, std::string> artefacts() const override;

 private:
  // How the `index`-th weight of the network is cut.
  alq::Groups groups_at(const Graph& graph, const std::vector<Site>& sites, size_t index) const;
  std::vector<Site> activation_sites(const Graph& graph) const;
  void calibrate_activations(MethodContext& context);
  int bases() const { return static_cast<int>(options_.integer("bases")); }

  OptionValues options_;
  std::vector<int64_t> parts_;  // of Linear layers in order, as far as given
  double weight_decay_ = 0;     // of coordinates
  std::vector<alq::StagedPhase> stages_;
  std::vector<alq::Sketched> sketches_;        // between plan() and attach()
  std::map<std::string, Tensor> activations_;  // bases to start from, by site
  bool latent_ = false;                        // polishing has begun
  std::vector<Site> sites_;
  std::vector<std::shared_ptr<alq::MultiBitQuantizer>> weights_;
};

}  // namespace quantbench
