"""check_model.py FILE...: ONNX's own checker over each file."""
import sys

import onnx
from onnx import checker, helper

# The youngest format that this checker knows. Files of a younger one (packed int4) are checked as if
# they were of that: their operators are looked up all the same.
newest = onnx.IR_VERSION

for path in sys.argv[1:]:
    model = onnx.load(path)
    note = ""
    if model.ir_version > newest:
        note = f" (as format {newest}, is {model.ir_version})"
        model.ir_version = newest
    checker.check_model(model)
    assert model.producer_name == "quantbench"
    print(f"{path}: {len(model.graph.node)} nodes{note}")
