"""Reads a TensorFlow.js graph model (model.json + one weight file) with numpy alone."""

import base64
import json

import numpy as np

# Format of each dtype in the weight file, little-endian. Half precision is widened on reading.
STORED = {"float32": "<f4", "int32": "<i4", "float16": "<f2"}


class Graph:
    """The nodes in file order, and the constants by name."""

    def __init__(self, json_path, weights_path):
        with open(json_path, encoding="utf-8") as file:
            model = json.load(file)
        self.nodes = model["modelTopology"]["node"]
        self.constants = _read_weights(model["weightsManifest"], weights_path)


def _read_weights(manifest, path):
    with open(path, "rb") as file:
        raw = file.read()
    constants, offset = {}, 0
    for group in manifest:
        for weight in group["weights"]:
            stored = weight["dtype"]
            quantization = weight.get("quantization")
            if quantization:
                stored = quantization["dtype"]
                if "scale" in quantization:
                    raise SystemExit(
                        f"tfjs_graph: {weight['name']} is quantised to integers; only float16 is supported"
                    )
            dtype = np.dtype(STORED[stored])
            count = int(np.prod(weight["shape"], dtype=np.int64))
            array = np.frombuffer(raw, dtype, count, offset).reshape(weight["shape"])
            offset += count * dtype.itemsize
            constants[weight["name"]] = array.astype(weight["dtype"])
    if offset != len(raw):
        raise SystemExit(f"tfjs_graph: {path} has {len(raw)} bytes, the manifest describes {offset}")
    return constants


def text(node, key):
    """Returns a string attribute, which the format stores in base64."""
    return base64.b64decode(node["attr"][key]["s"]).decode()


def ints(node, key):
    """Returns a list of integers, which the format stores as text."""
    return [int(value) for value in node["attr"][key]["list"].get("i", [])]


def flag(node, key):
    """Returns a boolean attribute."""
    return bool(node["attr"].get(key, {}).get("b", False))
