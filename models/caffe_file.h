// Weights of Caffe models (.caffemodel, a protocol buffer of type NetParameter), for networks that
// were published in that format only, such as SqueezeNext.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/torch.h"

namespace quantbench {

// The float32 tensors of all layers, as PyTorch would name them: "LAYER.weight" and "LAYER.bias" of
// Convolution, InnerProduct and Scale, "LAYER.running_mean" and "LAYER.running_var" of BatchNorm,
// divided by its third blob. Caffe's images are blue first: the input channels of a convolution of
// three are turned round. Throws Error on what is no such file, is cut off, or has blobs whose
// shapes and numbers do not agree; layers in the format of before 2014 are refused.
std::map<std::string, Tensor> parse_caffe_model(std::string_view bytes, const std::string& what);

}  // namespace quantbench
