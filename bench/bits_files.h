// Bits of sites that an option takes from a file: "--bsq.scheme=@scheme.json". The recipe gets the
// bits themselves, as the line of methods/common/bit_allocation.h, so that a run is what it says
// whatever becomes of the file.
#pragma once

#include "bench/recipe.h"

namespace quantbench {

// Puts the bits in the place of every "@FILE" among the options of methods. Throws Error, naming
// the file, when it is not there or says no bits.
void include_bits_files(RecipeText& text);

// Gives the bits in `file` to the recipe's methods, by their option "allocation". Throws Error when
// one has none.
void give_allocation(RecipeText& text, const std::string& file);

}  // namespace quantbench
