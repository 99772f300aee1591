// How formats and encodings stand in a package: a short description in JSON, equal for sites that
// are quantized alike, and their numbers in the streams. PACKAGE.md lists the fields.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "methods/encoding.h"
#include "runtime/package_streams.h"

namespace quantbench {

// `shape` is the weight's. Not for FloatEncoding, which is stored among the parameters.
nlohmann::json describe(const Encoding& encoding, const std::vector<int64_t>& shape);
void put(const Encoding& encoding, StreamWriter& streams);

nlohmann::json describe(const Format& format);
void put(const Format& format, StreamWriter& streams);

// The inverse: takes the numbers of one site from the streams. Throws Error, starting with `what`,
// on a description that is malformed or asks for more than the streams hold. Whether the outcome is
// consistent is for check() to say.
Encoding read_encoding(const nlohmann::json& description, const std::vector<int64_t>& shape,
                       StreamReader& streams, const std::string& what);
Format read_format(const nlohmann::json& description, StreamReader& streams,
                   const std::string& what);

}  // namespace quantbench
