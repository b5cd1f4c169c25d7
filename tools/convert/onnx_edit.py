"""Small helpers shared by the conversion scripts: graph look-ups, symbolic shapes, reproducible saving."""

import os
import sys

import onnx
from onnx import helper


def arguments(inputs):
    """Returns the input paths and the output path, or exits with a usage line."""
    if len(sys.argv) != inputs + 2:
        names = " ".join(f"INPUT{i + 1}" for i in range(inputs))
        sys.exit(f"usage: python {os.path.basename(sys.argv[0])} {names} OUTPUT")
    return sys.argv[1:-1], sys.argv[-1]


def set_shape(value, shape):
    """Replaces the shape of a graph input or output. Numbers are fixed, strings are symbolic (dynamic)."""
    element = value.type.tensor_type.elem_type
    value.CopyFrom(helper.make_tensor_value_info(value.name, element, shape))


def initialisers(graph):
    """Initialiser tensors by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def save(model, path):
    """Checks the model and writes it. The bytes depend on the model alone, since the manifest has their hash."""
    onnx.checker.check_model(model, full_check=True)
    with open(path, "wb") as out:
        out.write(model.SerializeToString(deterministic=True))
