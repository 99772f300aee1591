#!/usr/bin/python3
"""Writes the small valid files of tests/fuzz/corpus, from which the fuzzer sets out.

Needs python3-numpy, python3-torch (scripts/install_deps.sh --dev) and python3-onnx (--peers). What the fuzzer finds is added
to the corpus by hand, under a name that says what it was.
"""
import gzip
import io
import json
import pathlib
import pickle
import sqlite3
import struct
import sys
import zlib

import numpy
import onnx
import torch
from onnx import helper, numpy_helper

CORPUS = pathlib.Path(__file__).parent / "corpus"
BETWEEN = b"\xff\xfe\xfd"


def put(target, name, content):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def safetensors(tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def onnx_model():
    """A quantized convolution, pool and linear layer."""
    constants = [numpy_helper.from_array(numpy.array(value, kind), name)
                 for name, kind, value in (("s", "<f4", 0.5), ("z", "u1", 3), ("w", "i1", [[[[1]], [[-2]]]]),
                                           ("ws", "<f4", [0.25]), ("wz", "i1", [0]), ("v", "<f4", [[1, 2, 3, 4]] * 2))]
    quantize = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"])
    nodes = [quantize,
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
             helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
             helper.make_node("Conv", ["d", "wd"], ["c"], kernel_shape=[1, 1]),
             helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
             helper.make_node("Flatten", ["p"], ["f"]),
             helper.make_node("Gemm", ["f", "v"], ["y"], transB=1)]
    shape = lambda name, *sizes: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", *sizes])
    model = helper.make_model(helper.make_graph(nodes, "net", [shape("x", 2, 4, 4)], [shape("y", 2)], constants),
                              opset_imports=[helper.make_opsetid("", 13)])
    return model.SerializeToString()


def caffe_model():
    """A convolution of one weight: NetParameter.layer = 100, LayerParameter.{name, type, blobs} = 1, 2, 7."""
    def field(number, content):
        key = number << 3 | 2
        return (bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])) + bytes([len(content)]) + content
    blob = field(7, field(1, bytes([1, 1, 1, 1]))) + field(5, struct.pack("<f", 2))
    return field(100, field(1, b"conv1") + field(2, b"Convolution") + field(7, blob))


def floats(*numbers):
    return numpy.array(numbers, "<f4").tobytes()


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


class CsrMatrix:
    """Pickled as scipy pickles its csr_matrix, of which only the state counts."""

    def __init__(self, rows, columns, cells):
        rows_of = sorted(cells)
        self._shape = (rows, columns)
        self.indptr = numpy.cumsum([0] + [sum(r == row for r, _ in rows_of) for row in range(rows)]).astype("<i4")
        self.indices = numpy.array([c for _, c in rows_of], "<i4")
        self.data = numpy.ones(len(rows_of), "<f4")

    def __reduce__(self):
        return (numpy.dtype, ("f4",))


def csr(rows, columns, cells):
    # Protocol 2 by hand: an object of scipy.sparse.csr.csr_matrix with a dict for its state.
    matrix = CsrMatrix(rows, columns, cells)
    state = pickle.dumps({"_shape": matrix._shape, "indptr": matrix.indptr, "indices": matrix.indices,
                          "data": matrix.data}, 2)[2:-1]
    return b"\x80\x02cscipy.sparse.csr\ncsr_matrix\n)\x81" + state + b"b."


def grey_jpeg():
    """16 x 16 pixels, each block a DC coefficient of some bits."""
    segment = lambda marker, body: b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body
    sizes = bytes([0, 0, 0, 0, 12] + [0] * 12) + bytes(range(12))  # DC: twelve codes of four bits
    only_end = bytes([0x10, 1] + [0] * 15) + b"\0"                 # AC: the end of a block, one bit
    bits = "".join(f"{size:04b}{value:0{size}b}0" for size, value in ((5, 19), (3, 5), (4, 2), (6, 33)))
    bits += "1" * (-len(bits) % 8)
    return (b"\xff\xd8" + segment(0xDB, b"\0" + b"\x08" * 64) + segment(0xC0, b"\x08\0\x10\0\x10\1\1\x11\0")
            + segment(0xC4, sizes) + segment(0xC4, only_end) + segment(0xDA, b"\1\1\0\0\x3f\0")
            + int(bits, 2).to_bytes(len(bits) // 8, "big") + b"\xff\xd9")


def planetoid():
    one_hot = lambda rows: pickle.dumps(numpy.eye(2, dtype="<i4")[numpy.arange(rows) % 2], 2)
    matrix = lambda rows: csr(rows, 3, [(r, r % 3) for r in range(rows)])
    train, every, test = 2, 502, 1
    graph = {node: [(node + 1) % (every + test)] for node in range(every + test)}
    return BETWEEN.join([matrix(train), matrix(test), matrix(every), one_hot(train), one_hot(test), one_hot(every),
                         pickle.dumps(graph, 2), b"%d\n" % every])


GRAPH = {"name": "tiny", "input": [2], "classes": 2,
         "nodes": [{"name": "input", "op": "Input"},
                   {"name": "fc", "op": "Linear", "in": [0], "with": {"in": 2, "out": 2}}]}


def checkpoint():
    state = {"version": 3, "stage": "train", "phase": 0, "epoch": 1, "step": 2, "begun": True, "counters": {"loss": 0.5},
             "methods": {"now": {"bits": [2, 3]}, "best": None, "kept front-1": 7}}
    return safetensors([("now network|fc/weight", "F32", [2], floats(0.5, -0.5)),
                        ("kept front-1 method|planes", "F32", [1], floats(1)),
                        ("optimizer|fc.momentum", "F32", [1], floats(0.25))],
                       {"checkpoint": json.dumps(state), "recipe": "method = fp32\n", "sha256": ""})


def package():
    weights = [{"at": "weight", "nodes": [1],
                "as": {"type": "uniform", "bits": 4, "zero_point": 0, "signed": True}}]
    return safetensors([("parameters", "F32", [2], floats(0.5, -0.5)), ("scales", "F32", [1], floats(0.25)),
                        ("codes", "U8", [2], bytes([0x21, 0x43]))],
                       {"quantbench_package": "1", "graph": json.dumps(GRAPH), "weights": json.dumps(weights),
                        "activations": "[]"})


def main():
    put("json", "nested", '{"a": [1, -2.5e3, {"b": null, "c": [true, "\\u00e9"]}]}')
    put("pickle", "array", pickle.dumps(numpy.arange(6, dtype="<f4").reshape(2, 3), 2))
    put("pickle", "matrix", csr(2, 3, [(0, 1), (1, 2)]))
    put("safetensors", "two", safetensors([("a", "F32", [2], floats(1, 2)), ("b", "I64", [], bytes(8))], {"k": "v"}))
    put("weight_file", "zip", saved({"fc.weight": torch.ones(1, 2)}))
    put("pytorch_legacy", "one", saved({"fc.weight": torch.ones(1, 2)}, _use_new_zipfile_serialization=False))
    put("caffe", "conv", caffe_model())
    put("weight_names", "rules", json.dumps({"conv1.*": "features.*", "fc.bias": None}))
    put("image_labels", "kaggle", "ImageId,PredictionString\na.JPEG,cat 1 2 3 4\nb 1\n")
    put("package", "linear", package())
    put("graph", "linear", json.dumps(GRAPH))
    put("checkpoint", "three_states", checkpoint())
    put("onnx", "quantized", onnx_model())
    put("arff", "two_columns", "@relation r\n@attribute a numeric\n@attribute 'b c' {x, 'y z'}\n@data\n1.5,x\n-2,'y z'\n")
    for name, array in ("matrix", numpy.arange(6, dtype="<f4").reshape(2, 3)), ("labels", numpy.arange(3)):
        file = io.BytesIO()
        numpy.save(file, array)
        put("npy", name, file.getvalue())
    file = io.BytesIO()
    numpy.savez_compressed(file, x=numpy.arange(6, dtype="<f4").reshape(3, 2), y=numpy.array([0, 1, 0]))
    put("npz", "compressed", file.getvalue())
    put("csv_rows", "quoted", 'a;b;"kind"\n1;2;cat\n-3;4e1;"dog ""big"""\n')
    put("idx", "plain", struct.pack(">IIII", 0x803, 1, 2, 2) + b"abcd")
    put("idx", "gzipped", gzip.compress(struct.pack(">IIII", 0x803, 1, 2, 2) + b"abcd", mtime=0))
    put("image_header", "jpeg", b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x11\x08\0\x10\0\x20\3\1\x22\0\2\x11\1\3\x11\1"
        b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0data\xff\xd9")
    put("image_header", "png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x20\0\0\0\x10\x08\2\0\0\0")
    put("jpeg", "grey", grey_jpeg())
    graphs = 6
    put("tu", "six_graphs", BETWEEN.join(["".join("%d, %d\n%d, %d\n" % (2 * g + 1, 2 * g + 2, 2 * g + 2, 2 * g + 1)
                                                   for g in range(graphs)).encode(),
                                          "".join("%d\n%d\n" % (g + 1, g + 1) for g in range(graphs)).encode(),
                                          "".join("%d\n" % (g % 2) for g in range(graphs)).encode(),
                                          b"0\n1\n" * graphs, b""]))
    put("planetoid", "tiny", planetoid())
    names = ["conv1", "conv2", "fc1", "fc2", "fc3"]
    put("allocation", "lenet5", json.dumps({"allocation": 1, "method": "hawq", "model": "lenet5",
                                            "bits": {name + ".weight": 4 for name in names}, "evidence": {}}))
    answers = numpy.array([0, 1, 1, 0, 1, 1], "<i4").tobytes()
    put("predictions", "two", struct.pack("<i", 2) + zlib.compress(answers))
    put("csv", "quoted", 'a,"b,""c""\r\nd",-1.5,=x\n1,2,3,4\n')
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA page_size = 512")
    connection.execute("CREATE TABLE songs (title TEXT)")
    put("store", "another_program", connection.serialize() if sys.version_info >= (3, 11) else b"")


if __name__ == "__main__":
    main()
