#include "models/caffe_file.h"

#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace quantbench {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 30;

// Numbers of fields in Caffe's protocol, and ways in which fields are written.
enum Field : uint64_t {
  kOldLayers = 2,
  kLayer = 100,  // of NetParameter
  kLayerName = 1,
  kLayerType = 2,
  kLayerBlobs = 7,  // of LayerParameter
  kBlobSizes = 1,
  kBlobData = 5,
  kBlobShape = 7,  // of BlobProto; sizes 1..4: num to width
  kShapeDim = 1
};
enum Wire : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

uint64_t varint(ByteReader& reader) {
  uint64_t out = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(reader.take(1)[0]);
    out |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return out;
  }
  fail("{} is no Caffe model (or it is damaged).", reader.what());
}

// Calls act(field, wire, number, bytes) for each field of a message; `number` of a varint, `bytes`
// of all else.
template <typename Act>
void each_field(std::string_view message, const std::string& what, const Act& act) {
  ByteReader reader(message, what);
  while (reader.left() > 0) {
    const uint64_t key = varint(reader);
    const uint64_t field = key >> 3, wire = key & 7;
    require(
        field > 0 && (wire == kVarint || wire == kFixed64 || wire == kBytes || wire == kFixed32),
        "{} is no Caffe model (or it is damaged).", what);
    const uint64_t number = wire == kVarint || wire == kBytes ? varint(reader) : 0;
    std::string_view bytes;
    if (wire != kVarint) bytes = reader.take(wire == kFixed64 ? 8 : wire == kFixed32 ? 4 : number);
    act(field, wire, number, bytes);
  }
}

Tensor read_blob(std::string_view message, const std::string& what) {
  std::vector<int64_t> shape, sizes;
  std::string data;  // little-endian float32
  const auto add = [&](std::vector<int64_t>& to, uint64_t size) {
    require(to.size() < 8 && size <= static_cast<uint64_t>(kMostElements),
            "{} has a blob of an absurd shape.", what);
    to.push_back(static_cast<int64_t>(size));
  };
  each_field(message, what, [&](uint64_t field, uint64_t wire, uint64_t number, auto bytes) {
    if (field == kBlobData && wire != kVarint) data += bytes;
    if (field >= kBlobSizes && field <= 4 && wire == kVarint) add(sizes, number);
    if (field != kBlobShape || wire != kBytes) return;
    each_field(bytes, what, [&](uint64_t inner, uint64_t how, uint64_t dim, auto packed) {
      if (inner == kShapeDim && how == kVarint) add(shape, dim);
      if (inner != kShapeDim || how != kBytes) return;
      ByteReader dims(packed, what);
      while (dims.left() > 0) add(shape, varint(dims));
    });
  });
  if (shape.empty()) shape = sizes;
  int64_t elements = 1;
  for (int64_t size : shape) {
    require(size > 0 && elements <= kMostElements / size, "{} has a blob of an absurd shape.",
            what);
    elements *= size;
  }
  require(data.size() == static_cast<size_t>(elements) * sizeof(float),
          "{} has a blob whose shape wants {} numbers; it holds {}.", what, elements,
          data.size() / sizeof(float));
  Tensor out = torch::empty(shape);
  std::memcpy(out.data_ptr<float>(), data.data(), data.size());
  return out;
}

struct Layer {
  std::string name, type;
  std::vector<std::string_view> blobs;
};

class Weights {
 public:
  explicit Weights(std::string what) : what_(std::move(what)) {}

  void take(const Layer& layer) {
    const std::string what = what_ + ", layer " + layer.name;
    if (layer.type == "Convolution" || layer.type == "InnerProduct") {
      expect(layer, 1, 2, what);
      Tensor weight = read_blob(layer.blobs[0], what);
      if (layer.type == "InnerProduct") {
        // Old files write rows of features as images of one pixel.
        require(weight.dim() >= 2, "{} has a weight without rows.", what);
        weight = weight.reshape({weight.size(-2), weight.size(-1)});
      } else if (weight.dim() == 4 && weight.size(1) == 3) {
        weight = weight.flip({1}).contiguous();
      }
      put(layer.name + ".weight", weight);
      if (layer.blobs.size() > 1) put(layer.name + ".bias", flat(layer, 1, what));
    } else if (layer.type == "Scale") {
      expect(layer, 1, 2, what);
      put(layer.name + ".weight", flat(layer, 0, what));
      if (layer.blobs.size() > 1) put(layer.name + ".bias", flat(layer, 1, what));
    } else if (layer.type == "BatchNorm") {
      expect(layer, 3, 3, what);
      const Tensor count = flat(layer, 2, what);
      require(count.numel() == 1, "{} has no one number to divide its statistics by.", what);
      const float by = count.item<float>();
      const float factor = by == 0 ? 0 : 1 / by;
      put(layer.name + ".running_mean", flat(layer, 0, what) * factor);
      put(layer.name + ".running_var", flat(layer, 1, what) * factor);
    } else {
      fail("{} is of type {}, whose weights are not known here.", what, layer.type);
    }
  }

  std::map<std::string, Tensor> all;

 private:
  static void expect(const Layer& layer, size_t least, size_t most, const std::string& what) {
    require(layer.blobs.size() >= least && layer.blobs.size() <= most,
            "{} has {} blobs, which a {} cannot have.", what, layer.blobs.size(), layer.type);
  }
  static Tensor flat(const Layer& layer, size_t blob, const std::string& what) {
    return read_blob(layer.blobs[blob], what).flatten();
  }
  void put(const std::string& name, const Tensor& tensor) {
    require(all.emplace(name, tensor).second, "{} has two layers that would make {}.", what_, name);
  }

  std::string what_;
};

}  // namespace

std::map<std::string, Tensor> parse_caffe_model(std::string_view bytes, const std::string& what) {
  Weights out(what);
  each_field(bytes, what, [&](uint64_t field, uint64_t wire, uint64_t, std::string_view message) {
    require(field != kOldLayers || wire != kBytes,
            "{} has layers of Caffe's old format; Caffe's upgrade_net_proto_binary converts them.",
            what);
    if (field != kLayer || wire != kBytes) return;
    Layer layer;
    each_field(message, what, [&](uint64_t inner, uint64_t how, uint64_t, std::string_view value) {
      if (how != kBytes) return;
      if (inner == kLayerName) layer.name = value;
      if (inner == kLayerType) layer.type = value;
      if (inner == kLayerBlobs) layer.blobs.push_back(value);
    });
    if (!layer.blobs.empty()) out.take(layer);
  });
  require(!out.all.empty(), "{} holds no weights of a Caffe model.", what);
  return out.all;
}

}  // namespace quantbench
