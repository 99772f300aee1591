// Whether a package is consistent with its graph: checked before one is written, after one is read,
// and before one is run.
#pragma once

#include <string>

#include "runtime/package_content.h"

namespace quantbench {

// Throws Error, starting with `what`, when an encoding or a format stands at a point that the graph
// does not have, has another shape than the point, or is invalid in itself; when a plain parameter
// is missing, unexpected, mis-shaped or not float32.
void check(const Package& package, const std::string& what);

}  // namespace quantbench
