"""make_resnet.py FILE: a small residual network in QDQ form as other toolkits write it, by hand.

Every tensor that an operator reads or gives goes through QuantizeLinear and DequantizeLinear: the input and each
convolution's output int8, sums and what follows a ReLU uint8, weights per channel, biases int32.
"""
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(7)
nodes, constants = [], []


def constant(name, array):
    constants.append(numpy_helper.from_array(array, name))
    return name


def quantized(x, scale, zero_point, kind):
    s = constant(x + "_scale", np.float32(scale).reshape(()))
    z = constant(x + "_zero_point", np.array(zero_point, kind))
    nodes.append(helper.make_node("QuantizeLinear", [x, s, z], [x + "_q"]))
    nodes.append(helper.make_node("DequantizeLinear", [x + "_q", s, z], [x + "_dq"]))
    return x + "_dq"


def conv(name, x, x_scale, inputs, outputs, stride=1):
    codes = random.integers(-127, 128, (outputs, inputs, 3, 3)).astype(np.int8)
    scale = (random.uniform(0.5, 1.5, outputs) / (127 * np.sqrt(9 * inputs) * 0.6)).astype(np.float32)
    bias_scale = scale * np.float32(x_scale)
    bias = np.round(random.normal(0, 0.1, outputs) / bias_scale).astype(np.int32)
    for part, array, by in (("w", codes, scale), ("b", bias, bias_scale)):
        nodes.append(
            helper.make_node(
                "DequantizeLinear",
                [
                    constant(f"{name}_{part}", array),
                    constant(f"{name}_{part}_scale", by),
                    constant(f"{name}_{part}_zero_point", np.zeros(outputs, array.dtype)),
                ],
                [f"{name}_{part}_dq"],
                axis=0,
            )
        )
    nodes.append(
        helper.make_node(
            "Conv",
            [x, f"{name}_w_dq", f"{name}_b_dq"],
            [name],
            name=name,
            kernel_shape=[3, 3],
            strides=[stride, stride],
            pads=[1, 1, 1, 1],
        )
    )
    return name


def node(operation, inputs, name, **attributes):
    nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
    return name


x = quantized("image", 0.016, 0, np.int8)
x = node("Relu", [conv("stem", x, 0.016, 3, 8)], "stem_relu")
x, s = quantized(x, 0.02, 0, np.uint8), 0.02
y = node("Relu", [conv("a1", x, s, 8, 8)], "a1_relu")
y = quantized(y, 0.015, 0, np.uint8)
y = quantized(conv("a2", y, 0.015, 8, 8), 0.03, 0, np.int8)
x = node("Relu", [node("Add", [y, x], "a_sum")], "a_relu")
x, s = quantized(x, 0.03, 0, np.uint8), 0.03
y = node("Relu", [conv("b1", x, s, 8, 16, 2)], "b1_relu")
y = quantized(y, 0.02, 0, np.uint8)
y = quantized(conv("b2", y, 0.02, 16, 16), 0.03, 3, np.int8)
z = quantized(conv("b0", x, s, 8, 16, 2), 0.03, -2, np.int8)
x = node("Relu", [node("Add", [y, z], "b_sum")], "b_relu")
x = quantized(x, 0.03, 0, np.uint8)
x = node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
x = quantized(x, 0.03, 0, np.uint8)
x = quantized(node("GlobalAveragePool", [x], "mean"), 0.02, 0, np.uint8)
x = node("Flatten", [x], "flat", axis=1)
w = random.integers(-127, 128, (16, 10)).astype(np.int8)
constant("fc_w", w)
constant("fc_scale", np.float32(0.01).reshape(()))
constant("fc_zero_point", np.int8(0).reshape(()))
nodes.append(helper.make_node("DequantizeLinear", ["fc_w", "fc_scale", "fc_zero_point"], ["fc_dq"]))
x = node("MatMul", [x, "fc_dq"], "fc")
x = node("Add", [x, constant("fc_bias", random.normal(0, 0.1, 10).astype(np.float32))], "sum")
x = quantized(x, 0.05, 0, np.int8)

graph = helper.make_graph(
    nodes,
    "resnet by hand",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 16, 16])],
    [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", 10])],
    constants,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="by hand")
model.ir_version = 7
with open(sys.argv[1], "wb") as file:
    file.write(model.SerializeToString())
