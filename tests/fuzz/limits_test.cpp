// The largest files that somebody may hand us, each made to cost as much as it can: every reader
// ends within 30 s of processor time and 2 GiB of memory beyond what the program itself takes.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/torch.h"
#include "tests/fuzz/target.h"

namespace quantbench::fuzz {
namespace {

constexpr size_t kLargest = size_t{8} << 20;

std::string repeated(const std::string& text, size_t bytes) {
  std::string out;
  out.reserve(bytes + text.size());
  while (out.size() + text.size() <= bytes) out += text;
  return out;
}

// Pieces that differ by a number: "a0,a1,a2,...".
std::string numbered(const std::string& before, const std::string& after, size_t bytes) {
  std::string out;
  for (size_t i = 0; out.size() < bytes; ++i) out += before + std::to_string(i) + after;
  return out;
}

std::string with_header(const std::string& json) {
  const uint64_t size = json.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + json;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) out += "\xff\xfe\xfd" + parts[i];
  return out;
}

uint64_t address_space() {
  std::ifstream in("/proc/self/statm");
  uint64_t pages = 0;
  in >> pages;
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// The wait status of a child that reads the bytes under the limits.
int status_of(const std::string& name, const std::string& bytes) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit time{30, 31};
    const rlimit memory{address_space() + (uint64_t{2} << 30), RLIM_INFINITY};
    ::setrlimit(RLIMIT_CPU, &time);
    ::setrlimit(RLIMIT_AS, &memory);
    int code = 3;
    try {
      for (const Target& target : targets())
        if (target.name == name) {
          call(target, bytes);
          code = 0;
        }
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "%s: %.300s\n", name.c_str(), problem.what());
      code = 1;
    }
    ::_exit(code);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

struct Case {
  const char* name;
  const char* target;
  std::function<std::string()> bytes;
};

class Limits : public testing::TestWithParam<Case> {};

TEST_P(Limits, AreKept) {
  const std::string bytes = GetParam().bytes();
  EXPECT_LE(bytes.size(), kLargest + 65536);
  EXPECT_EQ(status_of(GetParam().target, bytes), 0);
}

const Case kCases[] = {
    {"DeepJson", "json", [] { return repeated("[", kLargest); }},
    {"DeepObjects", "json", [] { return repeated("{\"a\":", kLargest); }},
    {"DeepAllocation", "allocation",
     [] {
       return "{\"allocation\": 1, \"bits\": {}, \"evidence\": " + repeated("[", kLargest / 2) +
              repeated("]", kLargest / 2) + "}";
     }},
    {"WideHeader", "safetensors",
     [] {
       const std::string entry = "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"";
       return with_header("{\"" + numbered("t", entry, kLargest - 65536) +
                          "end\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
     }},
    {"WideMetadata", "safetensors",
     [] {
       return with_header("{\"__metadata__\":{\"" + numbered("k", "\":\"\",\"", kLargest - 65536) +
                          "end\":\"\"}}");
     }},
    {"ManyCategories", "arff",
     [] {
       return "@relation r\n@attribute a {" + numbered("c", ",", kLargest / 2) + "end}\n@data\n" +
              repeated("end\n", kLargest / 2 - 100);
     }},
    {"ManyColumns", "arff",
     [] {
       return "@relation r\n" + numbered("@attribute a", " real\n", kLargest / 4) + "@data\n" +
              repeated("1,", kLargest / 2);
     }},
    {"OneLabelANode", "tu",
     [] {
       const size_t part = kLargest / 4;
       std::string graph_of_node, graphs;
       size_t nodes = 0;
       for (; graph_of_node.size() < part; ++nodes)
         graph_of_node += std::to_string(nodes / 2 + 1) + "\n";
       for (size_t i = 0; i < (nodes + 1) / 2; ++i) graphs += i % 2 ? "1\n" : "0\n";
       return joined({"", graph_of_node, graphs, numbered("", "\n", part), ""});
     }},
    {"OneClassAGraph", "tu",
     [] {
       std::string graph_of_node, labels = "0\n0\n0\n";
       for (size_t i = 1; graph_of_node.size() < kLargest / 2; ++i)
         graph_of_node += std::to_string(i) + "\n";
       const auto graphs = std::count(graph_of_node.begin(), graph_of_node.end(), '\n');
       for (int64_t i = 3; i < graphs; ++i) labels += std::to_string(i) + "\n";
       return joined({"", graph_of_node, labels, "", ""});
     }},
    {"GzipBomb", "idx",
     [] {
       const std::string zeros(size_t{1} << 30, '\0');
       std::string out(zeros.size() / 1000 + 4096, '\0');
       z_stream stream{};
       deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
       stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(zeros.data()));
       stream.avail_in = static_cast<uInt>(zeros.size());
       stream.next_out = reinterpret_cast<Bytef*>(out.data());
       stream.avail_out = static_cast<uInt>(out.size());
       deflate(&stream, Z_FINISH);
       out.resize(stream.total_out);
       deflateEnd(&stream);
       return out;
     }},
    {"Predictions", "predictions",
     [] {
       const int32_t count = 99999;
       return std::string(reinterpret_cast<const char*>(&count), sizeof(count)) +
              compress(std::string(12 * size_t{count}, '\0'));
     }},
    {"ManyQuotes", "csv", [] { return repeated("\"\"\"\",", kLargest); }},
    {"ManyMarkers", "image_header",
     [] { return "\xff\xd8" + repeated(std::string("\xff\xe0\0\2", 4), kLargest); }},
    {"ZeroBitWeights", "package",
     [] {
       // 4096 weights of 2^24 elements that take no room in the file.
       nlohmann::json graph{{"name", "g"}, {"input", {4096}}, {"classes", 2}};
       nlohmann::json& nodes = graph["nodes"] = nlohmann::json::array();
       nodes.push_back({{"name", "input"}, {"op", "Input"}});
       nlohmann::json coded = nlohmann::json::array();
       for (int i = 1; i <= 4096; ++i) {
         nodes.push_back({{"name", "fc" + std::to_string(i)},
                          {"op", "Linear"},
                          {"in", {i - 1}},
                          {"with", {{"in", 4096}, {"out", 4096}, {"bias", false}}}});
         coded.push_back(i);
       }
       const nlohmann::json weights{
           {{"at", "weight"},
            {"nodes", coded},
            {"as", {{"type", "uniform"}, {"bits", 0}, {"zero_point", 0}}}}};
       const size_t scales = 4 * 4096;
       const nlohmann::json header{
           {"__metadata__",
            {{"quantbench_package", "1"},
             {"graph", graph.dump()},
             {"weights", weights.dump()},
             {"activations", "[]"}}},
           {"scales", {{"dtype", "F32"}, {"shape", {4096}}, {"data_offsets", {0, scales}}}}};
       const std::string one("\0\0\x80\x3f", 4);
       return with_header(header.dump()) + repeated(one, scales);
     }},
};

std::string name_of(const testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Fuzz, Limits, testing::ValuesIn(kCases), name_of);

}  // namespace
}  // namespace quantbench::fuzz
