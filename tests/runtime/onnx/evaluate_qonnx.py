"""evaluate_qonnx.py MODEL INPUT OUTPUT: the logits of a QONNX file, by nothing but the definitions of its nodes.

INPUT and OUTPUT are raw little-endian float32; the input's shape is the model's, of as many samples as there are.
IntQuant and BipolarQuant follow the operators' description in QONNX's documentation: the first rounds
x / scale + zero point after it was held within the integers that the bits allow. All is computed in float64.
"""
import sys

import numpy as np
import onnx
from onnx import numpy_helper


def int_quant(x, scale, zero_point, bits, signed=1, narrow=0, rounding_mode="ROUND"):
    if signed:
        least = -(2.0 ** (bits - 1)) + (1 if narrow else 0)
        most = 2.0 ** (bits - 1) - 1
    else:
        least = 0.0
        most = 2.0**bits - 1 - (1 if narrow else 0)
    q = np.clip(x / scale + zero_point, least, most)
    q = {"ROUND": np.round, "FLOOR": np.floor, "CEIL": np.ceil}[rounding_mode](q)
    return (q - zero_point) * scale


def bipolar_quant(x, scale):
    return np.where(x >= 0, scale, -scale)


def windows(x, kernel, strides, pads, border):
    """[N, C, H, W] -> [N, C, rows, columns, kh, kw]"""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=border)
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return view[:, :, :: strides[0], :: strides[1]]


def conv(x, w, b=None, kernel_shape=None, strides=(1, 1), pads=(0, 0, 0, 0), group=1):
    inputs, outputs = w.shape[1], w.shape[0] // group
    parts = []
    for g in range(group):
        part = windows(x[:, g * inputs : (g + 1) * inputs], w.shape[2:], strides, pads, 0.0)
        rows = w[g * outputs : (g + 1) * outputs]
        parts.append(np.einsum("ncyxij,ocij->noyx", part, rows, optimize=True))
    y = np.concatenate(parts, axis=1)
    return y if b is None else y + b[:, None, None]


def slice_(x, starts, ends, axes, steps):
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        index[int(axis)] = slice(int(start), int(end), int(step))
    return x[tuple(index)]


def pad(x, pads):
    half = len(pads) // 2
    return np.pad(x, [(int(a), int(b)) for a, b in zip(pads[:half], pads[half:])])


CASTS = {1: np.float64, 6: np.int64, 7: np.int64, 11: np.float64}
OPERATORS = {
    "IntQuant": int_quant,
    "BipolarQuant": bipolar_quant,
    "Conv": conv,
    "Gemm": lambda a, b, c=0.0, transB=0: a @ (b.T if transB else b) + c,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Floor": np.floor,
    "Round": np.round,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Cast": lambda x, to: x.astype(CASTS[to]),
    "Relu": lambda x: np.maximum(x, 0),
    "Clip": lambda x, low, high: np.clip(x, low, high),
    "Elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "MaxPool": lambda x, kernel_shape, strides=(1, 1), pads=(0, 0, 0, 0): windows(
        x, kernel_shape, strides, pads, -np.inf
    ).max(axis=(4, 5)),
    "AveragePool": lambda x, kernel_shape, strides=(1, 1), pads=(0, 0, 0, 0), count_include_pad=0: windows(
        x, kernel_shape, strides, pads, 0.0
    ).mean(axis=(4, 5)),
    "GlobalAveragePool": lambda x: x.mean(axis=(2, 3), keepdims=True),
    "Flatten": lambda x, axis=1: x.reshape(x.shape[0], -1),
    "Reshape": lambda x, shape: x.reshape(tuple(int(s) for s in shape)),
    "Transpose": lambda x, perm: x.transpose(perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(int(a) for a in axes)),
    "ReduceSum": lambda x, axes, keepdims=1: x.sum(
        axis=tuple(int(a) for a in axes), keepdims=bool(keepdims)
    ),
    "Gather": lambda table, index, axis=0: np.take(table, index, axis=axis),
    "Concat": lambda *parts, axis: np.concatenate(parts, axis=axis),
    "Slice": slice_,
    "Pad": pad,
    "Identity": lambda x: x,
}


def number(array):
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def attribute(a):
    value = onnx.helper.get_attribute_value(a)
    return value.decode() if isinstance(value, bytes) else value


def main(model_path, input_path, output_path):
    model = onnx.load(model_path)
    graph = model.graph
    known = {t.name: number(numpy_helper.to_array(t)) for t in graph.initializer}
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim[1:]]
    x = np.fromfile(input_path, "<f4").reshape([-1] + shape)
    known[graph.input[0].name] = x.astype(np.float64)
    for node in graph.node:
        assert node.domain in ("", "qonnx.custom_op.general")
        assert (node.op_type in ("IntQuant", "BipolarQuant")) == (node.domain != "")
        given = {a.name: attribute(a) for a in node.attribute}
        known[node.output[0]] = OPERATORS[node.op_type](*(known[i] for i in node.input), **given)
    known[graph.output[0].name].astype("<f4").tofile(output_path)
    counts = {}
    for node in graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    print(counts)


main(*sys.argv[1:])
