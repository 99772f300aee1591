// Why two runs of one recipe may have come out different: everything of theirs that is known to
// change numbers, compared.
#pragma once

#include <string>
#include <vector>

#include "results/store.h"

namespace quantbench {

// A phrase each, "threads (2 / 4)", of what `a` and `b` differ in: recipe, plug-in, data, method's
// version, source, compiler, libraries, processor, vector unit, BLAS, threads, device. Empty: none
// of these.
std::vector<std::string> provenance_differences(const RunRecord& a, const RunRecord& b);

}  // namespace quantbench
