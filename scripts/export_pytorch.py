#!/usr/bin/env python3
"""A network of PyTorch as a model file of quantbench, with its weights.

    import export_pytorch
    export_pytorch.export(network, "net", input_shape=(3, 32, 32), folder=".")

writes net.json and net.pth, for

    quantbench run --model=net.json --fp32.weights=net.pth --dataset=cifar10 --method=uniform ...

The network is traced by torch.fx, so its forward() must not branch on data; an operation that quantbench
has not is refused by name. Run as a program, it exports the example below: export_pytorch.py FOLDER.
"""
import json
import operator
import pathlib
import sys

import torch
import torch.fx
from torch import nn
from torch.nn import functional as F


def pair(value):
    return list(value) if isinstance(value, (tuple, list)) else [value, value]


def single(value, what):
    first, second = pair(value)
    if first != second:
        raise ValueError(f"{what}: {value} is not square, which quantbench's pooling is")
    return first


def refuse_unless(condition, what):
    if not condition:
        raise ValueError(f"{what} is nothing that quantbench has")


def of_module(m):
    """The operation of a module and its attributes."""
    if isinstance(m, nn.Conv2d):
        refuse_unless(pair(m.dilation) == [1, 1] and m.padding_mode == "zeros" and not isinstance(m.padding, str), m)
        pad = pair(m.padding)
        return "Conv2d", {"in": m.in_channels, "out": m.out_channels, "kernel": pair(m.kernel_size),
                          "stride": pair(m.stride), "padding": pad + pad, "groups": m.groups, "bias": m.bias is not None}
    if isinstance(m, nn.Linear):
        return "Linear", {"in": m.in_features, "out": m.out_features, "bias": m.bias is not None}
    if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
        refuse_unless(m.affine and m.track_running_stats and m.momentum is not None, m)
        return "BatchNorm", {"features": m.num_features, "eps": m.eps, "momentum": m.momentum}
    if isinstance(m, nn.ReLU6):
        return "Relu", {"max": 6.0}
    if isinstance(m, nn.ReLU):
        return "Relu", {}
    if isinstance(m, nn.ELU):
        refuse_unless(m.alpha == 1, m)
        return "Elu", {}
    if isinstance(m, nn.MaxPool2d):
        refuse_unless(single(m.dilation, m) == 1 and not m.ceil_mode, m)
        return "MaxPool", {"kernel": single(m.kernel_size, m), "stride": single(m.stride, m), "padding": single(m.padding, m)}
    if isinstance(m, nn.AvgPool2d):
        refuse_unless(single(m.padding, m) == 0 and not m.ceil_mode and m.divisor_override is None, m)
        return "AvgPool", {"kernel": single(m.kernel_size, m), "stride": single(m.stride, m)}
    if isinstance(m, nn.AdaptiveAvgPool2d):
        refuse_unless(single(m.output_size, m) == 1, m)
        return "GlobalAvgPool", {}
    if isinstance(m, nn.Flatten):
        refuse_unless(m.start_dim == 1 and m.end_dim == -1, m)
        return "Flatten", {}
    if isinstance(m, nn.Dropout):
        return "Dropout", {"p": m.p}
    refuse_unless(isinstance(m, nn.Identity), m)
    return None, {}


def of_call(node):
    """The operation of a function or a tensor's method, its attributes and its inputs."""
    target, args, kwargs = node.target, node.args, node.kwargs
    if target in (F.relu, torch.relu, "relu"):
        return "Relu", {}, args[:1]
    if target in (F.relu6,):
        return "Relu", {"max": 6.0}, args[:1]
    if target in (operator.add, operator.iadd, torch.add, "add", "add_"):
        refuse_unless(len(args) == 2 and not kwargs, "an addition with a factor")
        return "Add", {}, args
    if target is torch.cat:
        dimension = kwargs.get("dim", args[1] if len(args) > 1 else 0)
        refuse_unless(dimension == 1, f"torch.cat along dimension {dimension}")
        return "Concat", {}, args[0]
    if target in (torch.flatten, "flatten"):
        start = kwargs.get("start_dim", args[1] if len(args) > 1 else 0)
        refuse_unless(start == 1, f"flatten from dimension {start}")
        return "Flatten", {}, args[:1]
    if target in (torch.mean, "mean"):
        dimensions = kwargs.get("dim", args[1] if len(args) > 1 else None)
        refuse_unless(sorted(d % 4 for d in dimensions or []) == [2, 3], f"mean over {dimensions}")
        return "GlobalAvgPool", {}, args[:1]
    if target is F.adaptive_avg_pool2d:
        refuse_unless(single(args[1], "adaptive_avg_pool2d") == 1, node)
        return "GlobalAvgPool", {}, args[:1]
    raise ValueError(f"{node.format_node()}: {target} is nothing that quantbench has")


def graph_of(network, name, input_shape):
    modules = dict(network.named_modules())
    nodes, place = [], {}
    for node in torch.fx.symbolic_trace(network).graph.nodes:
        if node.op == "output":
            refuse_unless(place[node.args[0]] == len(nodes) - 1, "an output that is not computed last")
            continue
        if node.op == "placeholder":
            refuse_unless(not nodes, "a second input")
            place[node] = len(nodes)
            nodes.append({"name": "input", "op": "Input"})
            continue
        refuse_unless(node.op in ("call_module", "call_function", "call_method"), node.format_node())
        if node.op == "call_module":
            op, attributes = of_module(modules[node.target])
            inputs = node.args
        else:
            op, attributes, inputs = of_call(node)
        if op is None:  # an identity
            place[node] = place[inputs[0]]
            continue
        entry = {"name": node.name, "op": op, "in": [place[x] for x in inputs]}
        if node.op == "call_module" and node.target != node.name:
            entry["scope"] = node.target
        if attributes:
            entry["with"] = attributes
        place[node] = len(nodes)
        nodes.append(entry)
    network.eval()
    with torch.no_grad():
        classes = network(torch.zeros(2, *input_shape)).shape[-1]
    return {"name": name, "input": list(input_shape), "classes": classes, "nodes": nodes}


def export(network, name, input_shape, folder="."):
    """Writes NAME.json and NAME.pth into `folder`; `input_shape` is without the batch dimension."""
    folder = pathlib.Path(folder)
    graph = graph_of(network, name, input_shape)
    lines = ",\n  ".join(json.dumps(node) for node in graph.pop("nodes"))
    head = json.dumps(graph)[:-1]
    (folder / f"{name}.json").write_text(f'{head}, "nodes": [\n  {lines}]}}\n')
    torch.save(network.state_dict(), folder / f"{name}.pth")


class Example(nn.Module):
    """A small residual network for images of 16 x 16 in three colours."""

    def __init__(self, classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.conv1 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.down = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, classes)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(x + self.bn1(self.conv1(x)))
        x = F.relu(self.down(x))
        return self.fc(torch.flatten(self.pool(x), 1))


if __name__ == "__main__":
    torch.manual_seed(1)
    export(Example(), "example_net", (3, 16, 16), sys.argv[1] if len(sys.argv) > 1 else ".")
