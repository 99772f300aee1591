// The bits of every site that a method quantizes: one width for weights, one for activations, and
// the customary exceptions; or what an allocation says.
#pragma once

#include <vector>

#include "base/options.h"
#include "methods/common/bit_allocation.h"
#include "methods/site.h"

namespace quantbench {

// The exceptions as options, with the same names in every method.
std::vector<Option> site_bits_options();

// Weights get `weight_bits`, the operands of Conv2d and Linear `activation_bits` (32: none of them
// is in the result), the network's input option input_bits. The first and the last layer's weights
// and the last one's operand get option first_last_bits unless it is 0. The bits of
// option allocation, a line of bit_allocation.h, take the place of all these. Throws Error when it
// is none for this graph.
SiteBits site_bits(const Graph& graph, int64_t weight_bits, int64_t activation_bits,
                   const OptionValues& options);

// The sites whose width is a matter of choice under these options: no allocation is given, and they
// are none of the exceptions.
std::vector<Site> free_weight_sites(const Graph& graph, const OptionValues& options);
std::vector<Site> free_activation_sites(const Graph& graph, const OptionValues& options);

}  // namespace quantbench
