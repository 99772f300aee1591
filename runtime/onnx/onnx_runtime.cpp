#include "runtime/onnx/onnx_runtime.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/error.h"

namespace quantbench {
namespace fs = std::filesystem;
namespace {

// What the library's opaque pointers point to.
struct OrtEnv;
struct OrtStatus;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtShapeInfo;

// The version of the table that is asked for: the first with every function used here.
constexpr uint32_t kTableVersion = 5;

// Places in the table of functions (struct OrtApi of onnxruntime_c_api.h).
enum Place : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSessionFromArray = 8,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetOptimizedModelFilePath = 11,
  kSetSessionGraphOptimizationLevel = 23,
  kSetIntraOpNumThreads = 24,
  kSessionGetInputCount = 30,
  kSessionGetOutputCount = 31,
  kSessionGetInputName = 36,
  kSessionGetOutputName = 37,
  kCreateTensorWithDataAsOrtValue = 49,
  kGetTensorMutableData = 51,
  kGetTensorElementType = 60,
  kGetDimensionsCount = 61,
  kGetDimensions = 62,
  kGetTensorTypeAndShape = 65,
  kCreateCpuMemoryInfo = 69,
  kAllocatorFree = 76,
  kGetAllocatorWithDefaultOptions = 78,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTensorTypeAndShapeInfo = 99,
  kReleaseSessionOptions = 100,
  kAddSessionConfigEntry = 130,
};

struct ApiBase {
  const void* const* (*table)(uint32_t version);
  const char* (*version)();
};

constexpr int kLogErrors = 3;          // OrtLoggingLevel
constexpr int kAllOptimizations = 99;  // GraphOptimizationLevel
constexpr int kDeviceAllocator = 0, kDefaultMemory = 0;

// ONNXTensorElementDataType of what PyTorch has, too.
constexpr std::pair<int, torch::ScalarType> kTypes[] = {
    {1, torch::kFloat}, {2, torch::kByte}, {3, torch::kChar},    {6, torch::kInt},
    {7, torch::kLong},  {9, torch::kBool}, {11, torch::kDouble},
};

constexpr const char* kLibraryName = "libonnxruntime.so";

bool is_library(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.rfind(kLibraryName, 0) == 0;
}

#if defined(__aarch64__)
constexpr const char* kMachine = "arm64";
#else
constexpr const char* kMachine = "x64";
#endif

// The library for this machine below a folder: that under ".../linux/x64/" before any other.
std::optional<fs::path> library_below(const fs::path& folder) {
  std::error_code code;
  std::vector<fs::path> found;
  for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code))
    if (is_library(at->path())) found.push_back(at->path());
  if (found.empty()) return std::nullopt;
  std::sort(found.begin(), found.end());
  for (const fs::path& path : found)
    if (path.parent_path().filename() == kMachine) return path;
  return found.front();
}

fs::path named(const std::string& text, const char* who) {
  const fs::path path = text;
  if (!fs::is_directory(path)) {
    require(fs::exists(path), "{}: there is no {}.", who, text);
    return path;
  }
  const auto found = library_below(path);
  require(found.has_value(), "{}: there is no {} in {}.", who, kLibraryName, text);
  return *found;
}

}  // namespace

struct OnnxRuntime::Library {
  std::string version;
  const void* const* table = nullptr;
  OrtEnv* env = nullptr;
  OrtMemoryInfo* memory = nullptr;
  OrtAllocator* allocator = nullptr;

  // The function at a place, as what it is.
  template <typename Function>
  Function* at(Place place) const {
    return reinterpret_cast<Function*>(const_cast<void*>(table[place]));
  }

  void check(OrtStatus* status, const char* what) const {
    if (!status) return;
    const std::string words = at<const char*(const OrtStatus*)>(kGetErrorMessage)(status);
    at<void(OrtStatus*)>(kReleaseStatus)(status);
    fail("ONNX Runtime {} {}: {}", version, what, words);
  }

  template <typename... Args>
  void call(Place place, const char* what, Args... args) const {
    check(at<OrtStatus*(Args...)>(place)(args...), what);
  }

  template <typename Object>
  void release(Place place, Object* object) const {
    if (object) at<void(Object*)>(place)(object);
  }
};

std::optional<fs::path> OnnxRuntime::find(const std::string& asked) {
  if (!asked.empty()) return named(asked, "ONNX Runtime");
  const char* variable = std::getenv("QUANTBENCH_ONNXRUNTIME");
  if (variable != nullptr && *variable != '\0') return named(variable, "$QUANTBENCH_ONNXRUNTIME");
  if (const auto found = library_below(fs::path(".cache") / "peers")) return found;
  for (const char* name : {"libonnxruntime.so.1", "libonnxruntime.so"})
    if (void* handle = dlopen(name, RTLD_LAZY | RTLD_LOCAL)) {
      dlclose(handle);
      return name;
    }
  return std::nullopt;
}

std::shared_ptr<const OnnxRuntime> OnnxRuntime::load(const fs::path& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  require(handle != nullptr, "{} cannot be loaded: {}.", path.string(), dlerror());
  auto* get = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  require(get != nullptr, "{} is no ONNX Runtime: it has no OrtGetApiBase.", path.string());
  auto library = std::make_shared<Library>();
  const ApiBase* base = get();
  library->version = base->version();
  library->table = base->table(kTableVersion);
  require(library->table != nullptr, "ONNX Runtime {} ({}) has no version {} of its C functions.",
          library->version, path.string(), kTableVersion);
  library->call(kCreateEnv, "cannot be started", kLogErrors, "quantbench", &library->env);
  library->call(kCreateCpuMemoryInfo, "cannot be started", kDeviceAllocator, kDefaultMemory,
                &library->memory);
  library->call(kGetAllocatorWithDefaultOptions, "cannot be started", &library->allocator);
  return std::shared_ptr<const OnnxRuntime>(new OnnxRuntime(std::move(library)));
}

std::string OnnxRuntime::version() const { return library_->version; }

struct OnnxSession::State {
  std::shared_ptr<const OnnxRuntime> runtime;
  OrtSession* session = nullptr;
  std::vector<std::string> inputs, outputs;

  const OnnxRuntime::Library& library() const { return runtime->library(); }
  ~State() { library().release(kReleaseSession, session); }

  std::vector<std::string> names(Place count_at, Place name_at) const {
    size_t count = 0;
    const auto* asked = static_cast<const OrtSession*>(session);
    library().call(count_at, "cannot describe the model", asked, &count);
    std::vector<std::string> out;
    for (size_t i = 0; i < count; ++i) {
      char* name = nullptr;
      library().call(name_at, "cannot describe the model", asked, i, library().allocator, &name);
      out.emplace_back(name);
      library().call(kAllocatorFree, "cannot describe the model", library().allocator,
                     static_cast<void*>(name));
    }
    return out;
  }
};

namespace {

// Without VNNI, pairs of products are added in 16 bits.
bool products_saturate() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") == 0;
#else
  return false;
#endif
}

int onnx_type(torch::ScalarType type) {
  for (const auto& [onnx, ours] : kTypes)
    if (ours == type) return onnx;
  fail("ONNX Runtime is not given tensors of type {} here.", torch::toString(type));
}

torch::ScalarType torch_type(int type) {
  for (const auto& [onnx, ours] : kTypes)
    if (onnx == type) return ours;
  fail("ONNX Runtime gave a tensor of type {}, which is not known here.", type);
}

// Values of one call, released with it.
struct Values {
  explicit Values(const OnnxRuntime::Library& of) : library(of) {}
  ~Values() {
    for (OrtValue* value : all) library.release(kReleaseValue, value);
  }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  const OnnxRuntime::Library& library;
  std::vector<OrtValue*> all;
};

Tensor copied(const OnnxRuntime::Library& library, OrtValue* value) {
  constexpr const char* kWhat = "gave an answer that cannot be read";
  OrtShapeInfo* info = nullptr;
  library.call(kGetTensorTypeAndShape, kWhat, static_cast<const OrtValue*>(value), &info);
  const auto* asked = static_cast<const OrtShapeInfo*>(info);
  int type = 0;
  size_t count = 0;
  library.call(kGetTensorElementType, kWhat, asked, &type);
  library.call(kGetDimensionsCount, kWhat, asked, &count);
  std::vector<int64_t> shape(count);
  library.call(kGetDimensions, kWhat, asked, shape.data(), count);
  library.release(kReleaseTensorTypeAndShapeInfo, info);
  void* data = nullptr;
  library.call(kGetTensorMutableData, kWhat, value, &data);
  return torch::from_blob(data, shape, torch_type(type)).clone();
}

std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> out;
  for (const std::string& name : names) out.push_back(name.c_str());
  return out;
}

}  // namespace

OnnxSession::OnnxSession(std::shared_ptr<const OnnxRuntime> runtime, std::string_view model,
                         const OnnxSessionOptions& options)
    : state_(std::make_unique<State>()) {
  state_->runtime = std::move(runtime);
  const OnnxRuntime::Library& library = state_->library();
  constexpr const char* kWhat = "cannot take the options of a session";
  OrtSessionOptions* made = nullptr;
  library.call(kCreateSessionOptions, kWhat, &made);
  const auto drop = [&](OrtSessionOptions* o) { library.release(kReleaseSessionOptions, o); };
  const std::unique_ptr<OrtSessionOptions, decltype(drop)> owner(made, drop);
  library.call(kSetSessionGraphOptimizationLevel, kWhat, made, kAllOptimizations);
  library.call(kSetIntraOpNumThreads, kWhat, made, options.threads);
  if (products_saturate())
    library.call(kAddSessionConfigEntry, kWhat, made, "session.x64quantprecision", "1");
  if (!options.spin)
    library.call(kAddSessionConfigEntry, kWhat, made, "session.intra_op.allow_spinning", "0");
  if (!options.optimized_model.empty())
    library.call(kSetOptimizedModelFilePath, kWhat, made, options.optimized_model.c_str());
  library.call(kCreateSessionFromArray, "refuses the model", library.env,
               static_cast<const void*>(model.data()), model.size(),
               static_cast<const OrtSessionOptions*>(made), &state_->session);
  state_->inputs = state_->names(kSessionGetInputCount, kSessionGetInputName);
  state_->outputs = state_->names(kSessionGetOutputCount, kSessionGetOutputName);
}

OnnxSession::~OnnxSession() = default;
OnnxSession::OnnxSession(OnnxSession&&) noexcept = default;
OnnxSession& OnnxSession::operator=(OnnxSession&&) noexcept = default;

const std::vector<std::string>& OnnxSession::inputs() const { return state_->inputs; }
const std::vector<std::string>& OnnxSession::outputs() const { return state_->outputs; }

std::vector<Tensor> OnnxSession::run(const std::vector<Tensor>& inputs) const {
  require(inputs.size() == state_->inputs.size(), "The model takes {} inputs, not {}.",
          state_->inputs.size(), inputs.size());
  const OnnxRuntime::Library& library = state_->library();
  std::vector<Tensor> kept;  // alive during the call
  Values in(library), out(library);
  for (const Tensor& input : inputs) {
    kept.push_back(input.contiguous());
    const Tensor& x = kept.back();
    OrtValue* value = nullptr;
    library.call(kCreateTensorWithDataAsOrtValue, "does not take an input",
                 static_cast<const OrtMemoryInfo*>(library.memory), x.data_ptr(), x.nbytes(),
                 x.sizes().data(), static_cast<size_t>(x.dim()), onnx_type(x.scalar_type()),
                 &value);
    in.all.push_back(value);
  }
  out.all.assign(state_->outputs.size(), nullptr);
  const auto input_names = pointers(state_->inputs), output_names = pointers(state_->outputs);
  library.call(kRun, "fails", state_->session, static_cast<const OrtRunOptions*>(nullptr),
               input_names.data(), static_cast<const OrtValue* const*>(in.all.data()),
               in.all.size(), output_names.data(), output_names.size(), out.all.data());
  std::vector<Tensor> answers;
  for (OrtValue* value : out.all) answers.push_back(copied(library, value));
  return answers;
}

}  // namespace quantbench
