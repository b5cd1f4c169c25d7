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


def scored(source, output, sizes=None, **split):
    """Nodes by which the first of a tensor's channels, its scores, become probabilities. The sizes of both parts are a
    constant, of which `sizes` is the name, or where the operator set is older than 13 the attribute `split`."""
    logits, rest, probabilities = (f"{output}/{part}" for part in ("logits", "rest", "scores"))
    return [
        helper.make_node("Split", [source, *([sizes] if sizes else [])], [logits, rest], name=logits, axis=1, **split),
        helper.make_node("Sigmoid", [logits], [probabilities], name=probabilities),
        helper.make_node("Concat", [probabilities, rest], [output], name=output, axis=1),
    ]


def save(model, path):
    """Checks the model and writes it. The bytes depend on the model alone, since the manifest has their hash."""
    onnx.checker.check_model(model, full_check=True)
    with open(path, "wb") as out:
        out.write(model.SerializeToString(deterministic=True))
