// The leaderboard's page as it was bundled when quantbench was built.
#pragma once

#include <string>

namespace quantbench {

struct SitePage {
  std::string before, after;  // what stands around the data
  std::string missing;        // a sentence when the page was not built in; "" when it was
};
const SitePage& site_page();

}  // namespace quantbench
