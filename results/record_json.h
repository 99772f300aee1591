// The records of the store as JSON and back: one table of columns for both directions. `show`,
// exports and reference files have their columns from here.
#pragma once

#include <nlohmann/json.hpp>

#include "results/contract.h"
#include "results/json_fields.h"
#include "results/store.h"

namespace quantbench {

// What is absent, and numbers that JSON does not have (NaN, infinities), are null.
nlohmann::ordered_json result_json(const RunResult& result);
nlohmann::ordered_json latency_json(const LatencyRow& row);
nlohmann::ordered_json contract_json(const Contract& contract);
nlohmann::ordered_json provenance_json(const Provenance& provenance);

// The inverse. Throw Error as JsonFields does, and on shares and widths that cannot be.
RunResult result_of(const JsonFields& fields);
LatencyRow latency_of(const JsonFields& fields);
Contract contract_of(const JsonFields& fields);
Provenance provenance_of(const JsonFields& fields);

}  // namespace quantbench
