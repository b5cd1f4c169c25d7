"""Helpers of the conversion scripts: graph look-ups, symbolic shapes, reproducible saving."""

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
    """Replaces the shape of a graph input or output. A string is a dynamic dimension."""
    element = value.type.tensor_type.elem_type
    value.CopyFrom(helper.make_tensor_value_info(value.name, element, shape))


def initialisers(graph):
    """Returns the initialiser tensors by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def sigmoid_scores(source, output, sizes=None, **split):
    """Returns nodes that apply a sigmoid to the first channels of a tensor, its scores.

    `sizes` names the constant with the sizes of both parts. Operator sets before 13 use the
    attribute `split` instead.
    """
    logits, rest, probabilities = (f"{output}/{part}" for part in ("logits", "rest", "scores"))
    return [
        helper.make_node("Split", [source, *([sizes] if sizes else [])], [logits, rest], name=logits, axis=1, **split),
        helper.make_node("Sigmoid", [logits], [probabilities], name=probabilities),
        helper.make_node("Concat", [probabilities, rest], [output], name=output, axis=1),
    ]


def save(model, path):
    """Checks and writes the model. Equal models give equal bytes: manifests pin the hash."""
    onnx.checker.check_model(model, full_check=True)
    with open(path, "wb") as out:
        out.write(model.SerializeToString(deterministic=True))
