#!/usr/bin/env python3
"""decode_package.py PACKAGE FOLDER: a reader and executor written from runtime/PACKAGE.md alone.

FOLDER holds input.bin (float32, one row after the other), source.bin and target.bin (int64, graph
networks: the batch's edges) and what quantbench made of them: weights.bin (the real weights, point by
point in the order of nodes) and logits.bin. Exits with 1 and a sentence where a bit differs. Knows the
operations of small image networks and of GCN.
"""
import copy
import json
import sys
from fractions import Fraction

import numpy as np

F32, F64, I64 = np.float32, np.float64, np.int64


# --- the file ---

class Streams:
    TYPES = {"F32": "<f4", "I32": "<i4", "U8": "u1"}

    def __init__(self, path):
        data = open(path, "rb").read()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + length])
        self.meta = header.pop("__metadata__")
        body = data[8 + length:]
        self.left = {name: np.frombuffer(body[slice(*t["data_offsets"])], self.TYPES[t["dtype"]])
                     for name, t in header.items()}

    def take(self, role, count):
        stream = self.left.get(role, np.zeros(0))
        assert len(stream) >= count, f"the stream {role} ends early"
        self.left[role] = stream[count:]
        return stream[:count]

    def bits(self, widths):
        """One list of numbers of these widths, lowest bit first."""
        widths = np.asarray(widths, I64)
        stream = np.unpackbits(self.take("codes", (int(widths.sum()) + 7) // 8), bitorder="little")
        ends = np.cumsum(widths)
        out = np.zeros(len(widths), I64)
        for bit in range(int(widths.max(initial=0))):
            has = widths > bit
            out[has] |= stream[(ends - widths + bit)[has]].astype(I64) << bit
        return out


def product(shape):
    return int(np.prod(shape, dtype=I64))


class Uniform:
    def __init__(self, d, weight, s):
        self.granularity = d.get("granularity", "tensor")
        usual = {"tensor": [1], "channel": weight[:1], "element": weight}[self.granularity]
        shape = d.get("shape", usual)
        count = product(shape)
        if "bits" in d:
            self.bits = np.full(count, d["bits"], I64)
        elif "width_bits" in d:
            self.bits = s.bits([d["width_bits"]] * count)
        else:
            self.bits = s.take("bits", count).astype(I64)
        self.one_width = "bits" in d
        if "exponent_bits" in d:
            used = self.bits > 0
            exponents = s.bits([d["exponent_bits"]] * int(used.sum())) + d.get("lowest_exponent", 0)
            self.scale = np.ones(count, F32)
            self.scale[used] = np.ldexp(F32(1), exponents)
        else:
            self.scale = s.take("scales", count)
        zero = d["zero_point"] if "zero_point" in d else s.take("zero_points", count)
        self.zero_point = np.broadcast_to(np.asarray(zero, I64), (count,))
        half = (1 << self.bits) >> 1
        if d.get("signed", False):
            self.low = np.minimum(1 - half if d.get("narrow", False) else -half, 0)
            self.high = np.maximum(half - 1, 0)
        else:
            self.low, self.high = np.zeros(count, I64), (1 << self.bits) - 1
        self.step, self.shape = d.get("step", 1), shape
        self.rounding = d.get("rounding", "half_even")
        self.overflow = d.get("overflow", "saturate")

    def over_weight(self, t, shape):
        if self.granularity == "channel" and len(t) > 1:
            return np.broadcast_to(t.reshape([-1] + [1] * (len(shape) - 1)), shape)
        return np.broadcast_to(t.reshape(self.shape), shape)


class Codebook:
    def __init__(self, d, s):
        self.bits, shape = d["bits"], d["levels"]
        self.levels = s.take("levels", product(shape)).reshape(shape)
        if d.get("thresholds", False):
            self.thresholds = s.take("thresholds", shape[-1] - 1)


def integer_levels(levels):
    sizes = np.abs(levels[levels != 0])
    if len(sizes) == 0:
        return F32(1), np.zeros(len(levels), I64)
    for m in (sizes.min(), sizes.max()):
        for k in range(1, 65):
            scale = F32(F64(m) / k)
            n = np.rint(levels.astype(F64) / F64(scale))
            if np.abs(n).max() <= 1 << 15 and (n.astype(F32) * scale == levels).all():
                return scale, n.astype(I64)
    return None


class Weight:
    """real: float32; integers and scale [out] where they are integers."""

    def __init__(self, d, shape, s):
        self.integers, self.planes = None, None
        if d["type"] == "uniform":
            f = Uniform(d, shape, s)
            width, low = f.over_weight(f.bits, shape), f.over_weight(f.low, shape)
            codes = s.bits(width.ravel()).reshape(shape) + low
            n = f.step * codes - f.over_weight(f.zero_point, shape)
            scale = f.over_weight(f.scale, shape)
            self.real = n.astype(F32) * scale
            used = width.reshape(shape[0], -1) > 0
            rows = scale.reshape(shape[0], -1).astype(F64)
            least = np.where(used, rows, np.inf).min(1)
            least = np.where(np.isinf(least), 1, least)
            ratio = np.where(used, rows / least[:, None], 1)
            if (np.frexp(ratio)[0] == 0.5).all():
                self.integers = n * ratio.reshape(shape).astype(I64)
                self.scale = least
        elif d["type"] == "codebook":
            f = Codebook(d, s)
            codes = s.bits([f.bits] * product(shape)).reshape(shape)
            table = np.broadcast_to(f.levels, (shape[0], f.levels.shape[-1]))
            self.real = np.stack([row[c] for row, c in zip(table, codes)])
            found = [integer_levels(row) for row in table]
            if all(f is not None for f in found):
                self.integers = np.stack([n[c] for (_, n), c in zip(found, codes)])
                self.scale = np.array([scale for scale, _ in found], F64)
        else:
            groups, grouping = d["groups"], d.get("grouping", "channel")
            length = product(shape) // groups
            counts = s.take("counts", groups).astype(I64)
            coefficients = s.take("coefficients", int(counts.sum()))
            signs = s.bits([1] * (int(counts.sum()) * length)).reshape(-1, length) * 2 - 1
            self.planes, real, base = [], np.zeros((groups, length), F32), 0
            for g, count in enumerate(counts):
                for _ in range(count):
                    self.planes.append((g, coefficients[base], signs[base]))
                    real[g] += coefficients[base] * signs[base].astype(F32)
                    base += 1
            pixel = grouping == "pixel" and len(shape) == 4
            order = np.arange(product(shape)).reshape(shape)
            if pixel:
                order = order.transpose(0, 2, 3, 1)
            self.places = order.reshape(groups, length)
            self.real = np.zeros(product(shape), F32)
            self.real[self.places.ravel()] = real.ravel()
            self.real = self.real.reshape(shape)


# --- arithmetic ---

def fma32(a, x, b):
    """a x + b of float32 rounded once: the product is exact in float64, the sum is rounded to odd."""
    p = np.asarray(a, F64) * np.asarray(x, F64)
    p, c = np.broadcast_arrays(p, np.asarray(b, F64))
    s = p + c
    t = s - p
    error = (p - (s - t)) + (c - t)
    even = (s.view(I64) & 1) == 0
    towards = np.where(error > 0, np.inf, -np.inf)
    odd = np.nextafter(s, towards)
    # Of the two float64 neighbours of the true sum the odd one.
    return np.where((error != 0) & even, odd, s).astype(F32)


def fma64(a, x, b):
    a, x, b = np.broadcast_arrays(np.asarray(a, F64), np.asarray(x, F64), np.asarray(b, F64))
    exact = [float(Fraction(p) * Fraction(q) + Fraction(r))
             for p, q, r in zip(a.ravel().tolist(), x.ravel().tolist(), b.ravel().tolist())]
    return np.array(exact, F64).reshape(a.shape)


class Value:
    """Integers n of a grid (scale, low, high), or float32 numbers x."""

    def __init__(self, x=None, n=None, scale=1.0, low=0, high=0):
        self.x, self.n, self.scale, self.low, self.high = x, n, F32(scale), low, high

    @property
    def on_grid(self):
        return self.n is not None

    def data(self):
        return self.n if self.on_grid else self.x

    def real(self):
        return self.n.astype(F32) * self.scale if self.on_grid else self.x

    def moved(self, move):
        return Value(None if self.on_grid else move(self.x), move(self.n) if self.on_grid else None,
                     self.scale, self.low, self.high)


class Format:
    def __init__(self, d, s):
        self.relu = None
        if d["type"] == "codebook":
            self.f = Codebook(d, s)
            self.grid = integer_levels(self.f.levels)
            self.factor, self.shift = 1.0, 0.0
            if self.grid:
                self.low, self.high = min(self.grid[1].min(), 0), max(self.grid[1].max(), 0)
            return
        self.f = f = Uniform(d, [], s)
        full = lambda t: t.reshape(f.shape)
        used = f.bits > 0
        self.unit, self.inverse = None, None
        same = len(set(zip(f.scale.tolist(), f.bits.tolist(), f.zero_point.tolist()))) == 1
        if same:
            z, scale = int(f.zero_point[0]), F64(f.scale[0])
            self.grid = (f.scale[0],)
            if f.step == 1:
                self.q_low, self.q_high = f.low[0] - z, f.high[0] - z
                self.factor, self.shift, self.offset = 1 / scale, 0.0, 0
            else:
                self.q_low, self.q_high = f.low[0], f.high[0]
                self.factor, self.shift, self.offset = 0.5 / scale, 0.5 * z, z
            self.low = min(f.step * f.low[0] - z, 0)
            self.high = max(f.step * f.high[0] - z, 0)
            return
        self.offset, self.shift = 0, 0.0
        self.q_low = full(np.where(used, f.low - f.zero_point, 0))
        self.q_high = full(np.where(used, f.high - f.zero_point, 0))
        least = f.scale[used].min() if used.any() else F32(1)
        ratio = np.where(used, f.scale.astype(F64) / F64(least), 1)
        fits = (np.frexp(ratio)[0] == 0.5).all()
        low, high = (self.q_low * full(ratio)).min(), (self.q_high * full(ratio)).max()
        if fits and max(-low, high) <= 1 << 24:
            self.grid, self.factor = (F32(least),), 1 / F64(least)
            self.low, self.high = min(int(low), 0), max(int(high), 0)
            self.unit, self.inverse = full(ratio.astype(F32)), full((1 / ratio).astype(F32))
        else:
            self.grid, self.factor = None, 1.0
            self.unit, self.inverse = full(f.scale), full(F32(1) / f.scale)

    def bounded(self, most):
        """A Relu in front: its bounds of u, and those of the grid."""
        least = F32(0 * self.factor + self.shift)
        most_u = F32(most * self.factor + self.shift) if most > 0 else F32(np.inf)
        f = self.f
        if isinstance(f, Codebook) or f.step != 1 or f.overflow != "saturate" or self.unit is not None:
            return least, most_u
        self.q_low = min(max(self.q_low, 0), self.q_high)
        if most > 0:
            self.q_high = max(self.q_low, min(self.q_high, int(self.round(F64(most_u)))))
        self.low, self.high = min(self.q_low, 0), max(self.q_high, 0)
        return F32(-np.inf), F32(np.inf)

    def round(self, v):
        if self.f.rounding == "half_even":
            return np.rint(v)
        floor = np.floor(v)
        return floor if self.f.rounding == "floor" else floor + (v - floor >= 0.5)

    def apply(self, u):
        if isinstance(self.f, Codebook):
            code = (self.f.thresholds.astype(u.dtype) < u[..., None]).sum(-1)
            if self.grid:
                return Value(n=self.grid[1][code], scale=self.grid[0], low=self.low, high=self.high)
            return Value(x=self.f.levels[code])
        v = u if self.inverse is None else u * self.inverse.astype(u.dtype)
        q = self.round(v).astype(F64)
        if self.f.overflow == "wrap":
            period = self.q_high - self.q_low + 1.0
            q = q - period * np.floor((q - self.q_low) / period)
        q = np.clip(q, self.q_low, self.q_high)
        n = self.f.step * q - self.offset
        if self.grid is None:
            return Value(x=n.astype(F32) * self.unit)
        n = n if self.unit is None else n * self.unit
        return Value(n=n.astype(I64), scale=self.grid[0], low=self.low, high=self.high)


# --- the network ---

def hang(size, kernel, stride, pad):
    """How far `ceil` lets one more window reach beyond the border."""
    begin = ((size + 2 * pad - kernel) // stride + 1) * stride
    more = begin < size + pad and begin - stride + kernel < size + 2 * pad
    return begin + kernel - size - 2 * pad if more else 0


FOLLOWS = {"Bias", "BatchNorm", "Add", "GinUpdate", "Relu"}
SUMS = {"Conv2d", "Linear", "AvgPool", "GlobalAvgPool", "Propagate", "ReadOut", "Attention", "Elu"}
MOVES = {"MaxPool", "Flatten", "PadShortcut", "Concat"}


def parameter_shapes(op, w):
    if op == "Conv2d":
        kernel = w.get("kernel", [1, 1])
        shapes = [("weight", [w["out"], w["in"] // w.get("groups", 1)] + kernel)]
        return shapes + ([("bias", [w["out"]])] if w.get("bias", False) else [])
    if op == "Linear":
        return [("weight", [w["out"], w["in"]])] + ([("bias", [w["out"]])] if w.get("bias", True) else [])
    if op == "Bias":
        return [("bias", [w["features"]])]
    if op == "BatchNorm":
        return [(n, [w["features"]]) for n in ("weight", "bias", "running_mean", "running_var")]
    assert op not in ("Attention", "GinUpdate", "Elu"), f"this decoder knows no {op}"
    return []


class Chain:
    def __init__(self, acc, a, integer, low=None, high=None):
        self.acc, self.a, self.b = acc, np.asarray([a], F64).ravel(), np.zeros(1)
        self.integer, self.low, self.high = integer, low, high
        self.others, self.plain, self.relu = [], False, None


class Network:
    def __init__(self, path):
        s = Streams(path)
        assert s.meta["quantbench_package"] in ("1", "2"), "an unknown version"
        graph = json.loads(s.meta["graph"])
        self.nodes = graph["nodes"]
        shapes = {(i, name): shape for i, node in enumerate(self.nodes)
                  for name, shape in parameter_shapes(node["op"], node.get("with", {}))}
        self.weights, self.formats, self.plain = {}, {}, {}
        for group in json.loads(s.meta["weights"]):
            for i in group["nodes"]:
                self.weights[i, group["at"]] = Weight(group["as"], shapes[i, group["at"]], s)
        for group in json.loads(s.meta["activations"]):
            for entry in group["nodes"]:
                i, port = entry if isinstance(entry, list) else (entry, 0)
                self.formats[i, group["at"], port] = Format(group["as"], s)
        for key, shape in shapes.items():
            if key not in self.weights:
                self.plain[key] = s.take("parameters", product(shape)).reshape(shape)
        assert all(len(t) == 0 for t in s.left.values()), "a tensor is longer than what is read"
        self.format_what_enters_concats()
        self.through = []
        for i, node in enumerate(self.nodes):
            nothing = node["op"] == "Dropout" and not self.has(i, "output") and not self.has(i, "input")
            self.through.append(self.through[node["in"][0]] if nothing else i)
        self.readers = {i: [] for i in range(len(self.nodes))}
        for i, node in enumerate(self.nodes):
            if self.through[i] == i:
                for port, p in enumerate(node.get("in", [])):
                    self.readers[self.through[p]].append((i, port))

    def format_what_enters_concats(self):
        for i, node in enumerate(self.nodes):
            own, ports = self.formats.get((i, "output", 0)), range(len(node.get("in", [])))
            if node["op"] != "Concat" or not own or isinstance(own.f, Codebook) or not own.grid or own.unit is not None:
                continue
            if any(self.has(i, "input", port) for port in ports):
                continue
            for port in ports:
                self.formats[i, "input", port] = copy.deepcopy(own)
            del self.formats[i, "output", 0]

    def has(self, i, kind, port=0):
        return (i, kind, port) in self.formats

    def op(self, i):
        return self.nodes[i]["op"]

    def attributes(self, i):
        return self.nodes[i].get("with", {})

    def only_reader(self, i):
        last = self.through[len(self.nodes) - 1]
        return self.readers[i][0] if len(self.readers[i]) == 1 and i != last else None

    def may_go_on(self, i):
        reader = self.only_reader(i)
        if not reader or self.has(i, "output") or self.has(reader[0], "input", reader[1]):
            return False
        return self.op(i) in SUMS | (FOLLOWS - {"Relu"}) and self.op(reader[0]) in FOLLOWS

    def from_sum(self, i):
        if self.op(i) in SUMS:
            return True
        port = self.taken_port(i)
        return port is not None and self.from_sum(self.producer(i, port))

    def producer(self, i, port):
        return self.through[self.nodes[i]["in"][port]]

    def taken_port(self, i):
        if self.op(i) not in FOLLOWS:
            return None
        ports = [p for p in range(len(self.nodes[i]["in"])) if self.may_go_on(self.producer(i, p))]
        sums = [p for p in ports if self.from_sum(self.producer(i, p))]
        return (sums or ports or [None])[0]

    def taken(self, i):
        return self.may_go_on(i) and self.taken_port(self.only_reader(i)[0]) == self.only_reader(i)[1]

    def run(self, x, edges=None):
        self.values, self.input, self.edges, self.on_input_format = {}, x, edges, set()
        for i in range(len(self.nodes)):
            if self.through[i] == i and not self.taken(i):
                self.values[i] = self.end(i)
        return self.values[self.through[len(self.nodes) - 1]].real()

    def end(self, i):
        op, own = self.op(i), self.formats.get((i, "output", 0))
        if op in MOVES | {"Input", "Dropout"}:
            value = self.move(i)
            return self.finish(self.leaf(value), own) if own else value
        format, reader = own, self.only_reader(i)
        if not own and reader:
            format = self.formats.get((reader[0], "input", reader[1]))
            if format:
                self.on_input_format.add(i)
        chain = self.chain(i)
        alone = op == "Relu" and self.taken_port(i) is None and not self.attributes(i).get("max", 0)
        if not format and alone and chain.source.on_grid:
            v = chain.source
            return Value(n=np.maximum(v.n, 0), scale=v.scale, low=0, high=v.high)
        return self.finish(chain, format)

    def operand(self, i, port):
        p = self.producer(i, port)
        format = self.formats.get((i, "input", port))
        if format and p not in self.on_input_format:
            return self.finish(self.leaf(self.values[p]), format)
        return self.values[p]

    def leaf(self, v):
        chain = Chain(v.data(), F64(v.scale) if v.on_grid else 1.0, v.on_grid, v.low, v.high)
        chain.source = v
        return chain

    def move(self, i):
        op, w = self.op(i), self.attributes(i)
        if op == "Input":
            return Value(x=self.input)
        if op == "Concat":
            parts = [self.operand(i, port) for port in range(len(self.nodes[i]["in"]))]
            if not all(v.on_grid and v.scale == parts[0].scale for v in parts):
                return Value(x=np.concatenate([v.real() for v in parts], 1))
            return Value(n=np.concatenate([v.n for v in parts], 1), scale=parts[0].scale,
                         low=min(v.low for v in parts), high=max(v.high for v in parts))
        v = self.operand(i, 0)
        if op == "Dropout":
            return v
        if op == "Flatten":
            return v.moved(lambda x: x.reshape(len(x), -1))
        if op == "PadShortcut":
            k, pad = w.get("stride", 2), (w.get("before", 0), w.get("after", 0))
            return v.moved(lambda x: np.pad(x[:, :, ::k, ::k], ((0, 0), pad, (0, 0), (0, 0))))
        k, stride, pad = w.get("kernel", 2), w.get("stride", 2), w.get("padding", 0)

        def greatest(x):
            least = -np.inf if x.dtype == F32 else np.iinfo(I64).min
            ends = [pad + (hang(size, k, stride, pad) if w.get("ceil", False) else 0) for size in x.shape[2:]]
            borders = ((0, 0), (0, 0), (pad, ends[0]), (pad, ends[1]))
            x = np.pad(x, borders, constant_values=least)
            return windows(x, (k, k), (stride, stride)).max((4, 5))
        return v.moved(greatest)

    def chain(self, i):
        op, w = self.op(i), self.attributes(i)
        if op in ("Conv2d", "Linear"):
            return self.product(i)
        if op in ("AvgPool", "GlobalAvgPool"):
            v = self.operand(i, 0)
            k = (w.get("kernel", 2),) * 2 if op == "AvgPool" else v.data().shape[2:]
            stride = (w.get("stride", 2),) * 2 if op == "AvgPool" else (1, 1)
            pad = (w.get("padding", 0),) * 2 if op == "AvgPool" else (0, 0)
            cut = windows(np.pad(v.data(), ((0, 0), (0, 0), pad, pad)), k, stride)
            acc = np.zeros(cut.shape[:4], cut.dtype)
            for y in range(k[0]):
                for x in range(k[1]):
                    acc = acc + cut[..., y, x]
            count = k[0] * k[1]
            chain = self.leaf(v)
            chain.acc = acc if op == "AvgPool" else acc[:, :, 0, 0]
            chain.a, chain.low, chain.high = chain.a / count, v.low * count, v.high * count
            return chain
        if op == "Propagate":
            return self.propagate(i)
        if op == "ReadOut":
            v = self.operand(i, 0)
            acc = np.zeros(v.data().shape[1:], v.data().dtype)
            for row in v.data():
                acc = acc + row
            chain = self.leaf(v)
            mean = w.get("reduce", "mean") == "mean"
            chain.acc = (acc.astype(F32) / F32(len(v.data())) if mean else acc)[None]
            chain.low = chain.high = None
            return chain
        port = self.taken_port(i)
        main = port or 0
        chain = self.leaf(self.operand(i, 0)) if port is None else self.chain(self.producer(i, port))
        if op == "Bias":
            self.add_bias(chain, i)
        elif op == "BatchNorm":
            p = {n: self.plain[i, n].astype(F64) for n in ("weight", "bias", "running_mean", "running_var")}
            f = p["weight"] / np.sqrt(p["running_var"] + w.get("eps", 1e-5))
            chain.a, chain.b = chain.a * f, chain.b * f
            chain.others = [(a * f, v) for a, v in chain.others]
            chain.b = chain.b + (p["bias"] - p["running_mean"] * f)
            chain.plain = True
        elif op == "Add":
            v = self.operand(i, 1 - main)
            chain.others.append((np.array([F64(v.scale) if v.on_grid else 1.0]), v))
        elif op == "Relu":
            chain.relu = w.get("max", 0)
        return chain

    def add_bias(self, chain, i):
        if (i, "bias") in self.weights:
            chain.b = chain.b + self.weights[i, "bias"].real.astype(F64)
        elif (i, "bias") in self.plain:
            chain.b = chain.b + self.plain[i, "bias"].astype(F64)
            chain.plain = True

    def product(self, i):
        v, w = self.operand(i, 0), self.attributes(i)
        weight = self.weights.get((i, "weight"))
        real = weight.real if weight else self.plain[i, "weight"]
        shape, groups = real.shape, w.get("groups", 1)
        # Rows of operands [rows, pixels..., groups, in, kh, kw].
        def cut(x):
            if len(shape) == 2:
                return x[:, None, None, None, :, None, None]
            top, left, bottom, right = w.get("padding", [0, 0, 0, 0])
            x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
            x = windows(x, shape[2:], w.get("stride", [1, 1]))
            x = x.reshape((len(x), groups, shape[1]) + x.shape[2:])
            return x.transpose(0, 3, 4, 1, 2, 5, 6)
        full = tuple(shape) + (1, 1) if len(shape) == 2 else tuple(shape)
        out = shape[0] // groups

        def back(acc):
            return acc[:, 0, 0] if len(shape) == 2 else acc.transpose(0, 3, 1, 2)
        if weight is not None and weight.planes is not None and v.on_grid:
            x = cut(v.n)
            x = np.repeat(x, out, 3).reshape(x.shape[:3] + (-1,))  # each output's own row
            acc = np.zeros(x.shape[:3] + (shape[0],), F32)
            for g, coefficient, sign in weight.planes:
                places = weight.places[g]
                output = places[0] // (product(shape) // shape[0])
                d = (x[..., places] * sign).sum(-1)
                acc[..., output] = fma32(coefficient, d.astype(F32), acc[..., output])
            chain = Chain(back(acc), F64(v.scale), False)
        elif weight is not None and weight.integers is not None and v.on_grid:
            n = weight.integers.reshape((groups, out) + full[1:])
            acc = np.einsum("byxgihw,goihw->byxgo", cut(v.n), n).reshape
            pixels = cut(v.n).shape[:3]
            up = np.maximum(weight.integers, 0).reshape(shape[0], -1).sum(1)
            down = np.minimum(weight.integers, 0).reshape(shape[0], -1).sum(1)
            chain = Chain(back(acc(pixels + (-1,))), F64(v.scale) * weight.scale, True,
                          int((up * v.low + down * v.high).min()), int((up * v.high + down * v.low).max()))
        else:
            x, n = cut(v.real()), real.reshape((groups, out) + full[1:])
            acc = np.zeros(x.shape[:4] + (out,), F32)
            for ky in range(full[2]):
                for kx in range(full[3]):
                    for c in range(full[1]):
                        acc = fma32(n[:, :, c, ky, kx], x[..., c, ky, kx][..., None], acc)
            chain = Chain(back(acc.reshape(x.shape[:3] + (-1,))), 1.0, False)
        self.add_bias(chain, i)
        return chain

    def propagate(self, i):
        v, w = self.operand(i, 0), self.attributes(i)
        source, target = self.edges
        count = len(v.data())
        if w.get("self_loops", False):
            keep, loops = source != target, np.arange(count)
            source, target = np.append(source[keep], loops), np.append(target[keep], loops)
        order = np.argsort(target, kind="stable")
        source, target = source[order], target[order]
        degree = np.bincount(target, minlength=count)
        reduce = w.get("reduce", "sum")
        message, scale = v.data()[source], F64(v.scale) if v.on_grid else 1.0
        if reduce == "gcn":
            root = F32(1) / np.sqrt(np.maximum(degree, 1).astype(F32))
            norm = Value(x=(root[source] * root[target])[:, None])
            if self.has(i, "edge_norm"):
                f = self.formats[i, "edge_norm", 0]
                norm = f.apply(fma32(F32(f.factor), norm.x, F32(f.shift)))
            if v.on_grid and norm.on_grid:
                message, scale = message * norm.n, scale * F64(norm.scale)
            else:
                message, scale = v.real()[source] * norm.real(), 1.0
        if self.has(i, "message"):
            f = self.formats[i, "message", 0]
            m = f.apply(fma32(F32(f.factor * scale), message.astype(F32), F32(f.shift)))
            message, scale = m.data(), F64(m.scale) if m.on_grid else 1.0
        acc = np.zeros((count, message.shape[1]), message.dtype)
        for e in range(len(source)):
            acc[target[e]] += message[e]
        if reduce == "mean":
            acc = acc.astype(F32) / np.maximum(degree, 1).astype(F32)[:, None]
        return Chain(acc, scale, acc.dtype == I64)

    def finish(self, chain, format):
        factor, shift = (format.factor, format.shift) if format else (1.0, 0.0)
        a, b = chain.a * factor, chain.b * factor + shift
        others = [(ak * factor, v) for ak, v in chain.others]
        least, most = F32(-np.inf), F32(np.inf)
        if chain.relu is not None:
            least, most = F32(0), F32(chain.relu or np.inf)
            if format:
                least, most = format.bounded(chain.relu)
        wide = self.wide(chain, a, b, others)
        real, fma = (F64, fma64) if wide else (F32, fma32)

        def channels(t):
            t = t.astype(F32).astype(real)
            return t.reshape([-1] + [1] * (chain.acc.ndim - 2))
        u = fma(channels(a), chain.acc.astype(real), channels(b))
        for ak, v in others:
            u = fma(channels(ak), v.data().astype(real), u)
        u = np.where(u < least, real(least), np.where(u > most, real(most), u))
        return format.apply(u) if format else Value(x=u.astype(F32))

    @staticmethod
    def wide(chain, a, b, others):
        if not chain.integer or chain.low is None:
            return False
        largest = max(abs(chain.low), abs(chain.high))
        if largest > 1 << 24:
            return True
        if chain.plain or not all(v.on_grid for _, v in others):
            return False
        for c in range(max(len(a), len(b))):
            at = lambda t: float(t[c % len(t)])
            factors = [at(a)] + [at(ak) for ak, _ in others]
            if any(f != 0 and abs(np.frexp(f)[0]) != 0.5 for f in factors):
                return False
            parts = [Fraction(f) for f in factors + [at(b)] if f != 0]
            if not parts:
                continue
            unit = min(Fraction(p.numerator & -p.numerator, p.denominator) for p in parts)
            total = abs(Fraction(at(a))) * largest + abs(Fraction(at(b)))
            for ak, v in others:
                total += abs(Fraction(at(ak))) * int(max(-v.low, v.high))
            if total > (1 << 24) * unit:
                return True
        return False


def windows(x, kernel, stride):
    cut = np.lib.stride_tricks.sliding_window_view(x, tuple(kernel), (2, 3))
    return cut[:, :, ::stride[0], ::stride[1]]


def main():
    network = Network(sys.argv[1])
    load = lambda name, kind: np.fromfile(f"{sys.argv[2]}/{name}.bin", kind)
    keys = sorted(network.weights, key=lambda k: (k[0], k[1] == "bias"))
    if keys:
        weights = np.concatenate([network.weights[k].real.ravel() for k in keys])
        if weights.tobytes() != load("weights", "<f4").tobytes():
            sys.exit("The weights differ.")
    shape = json.loads(Streams(sys.argv[1]).meta["graph"])["input"]
    x = load("input", "<f4").reshape([-1] + shape)
    graph = any(node["op"] == "Propagate" for node in network.nodes)
    logits = network.run(x, (load("source", "<i8"), load("target", "<i8")) if graph else None)
    expected = load("logits", "<f4").reshape(logits.shape)
    if logits.astype(F32).tobytes() != expected.tobytes():
        different = int((logits != expected).any(1).sum())
        sys.exit(f"The logits of {different} of {len(logits)} rows differ, "
                 f"by {np.abs(logits - expected).max()} at most.")
    print(f"{len(keys)} weights and the logits of {len(logits)} rows are equal")


if __name__ == "__main__":
    main()
