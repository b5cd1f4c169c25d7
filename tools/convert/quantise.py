"""Quantises NanoDet-g and the crowd model to 8 bits: about 2.5 times as fast with AVX512-VNNI.

usage: python quantise.py ranges MODEL.onnx --video vtest.avi --skip 121-146 --picture crowd.jpg …
                                 --output ranges.toml
       python quantise.py convert MODEL.onnx ranges.toml OUTPUT.onnx

`ranges` runs the model on pictures and records the value range of each inner tensor. It needs
onnxruntime and OpenCV. Its results may differ in the last digit on another processor. `convert`
needs only numpy and onnx. Its output depends only on its two inputs, so a manifest can pin the
hash.

Convolutions and the operators between them (leaky ReLU, concatenation, sums, pooling, resizing) run
in 8 bits. Activations are unsigned with one scale per tensor. Weights are signed with one scale per
output channel. The last convolutions, before scores, distances and density, stay in float32: they
cost little and their outputs are the results. `--keep` names further nodes that stay in float32.
The first two convolutions and the one before the density's last lose most, measured one at a time.

Weights have 7 bits (-64 to 64) by default. Without VNNI, x86 adds two products of 8 bits in 16
bits, which saturate, so 8-bit weights would change the results there.
"""

import argparse
import hashlib
import math
import tomllib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnx_edit import initialisers, save

QUANTISED = ("Conv", "LeakyRelu", "Concat", "MaxPool", "Add", "Resize")
# The output of these operators stays within the input's range, so it keeps the input's scale.
SAME_SCALE = ("MaxPool", "Resize")
# BGR, as in both models' manifests.
MEAN, STD = np.float32([103.53, 116.28, 123.675]), np.float32([57.375, 57.12, 58.395])
MULTIPLE_OF = 32
BINS = 4096


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("ranges", help="run the model on pictures, write the ranges of its tensors")
    command.add_argument("model", type=Path)
    command.add_argument("--picture", type=Path, action="append", default=[])
    command.add_argument("--video", type=Path)
    command.add_argument("--every", type=int, default=25, help="use every N-th frame of the video")
    command.add_argument(
        "--skip", action="append", default=[], metavar="FIRST-LAST", help="range of frames to skip, counted from 1"
    )
    command.add_argument("--longer-side", type=int, action="append", help="in pixels; default: 416 and 768")
    command.add_argument("--share", type=float, default=1.0, help="share of the values inside the range; 1: all")
    command.add_argument("--output", type=Path, required=True)
    command.set_defaults(run=write_ranges)
    command = commands.add_parser("convert", help="write the model in 8 bits")
    command.add_argument("model", type=Path)
    command.add_argument("ranges", type=Path)
    command.add_argument("output", type=Path)
    command.add_argument("--weight-bits", type=int, choices=(7, 8), default=7)
    command.add_argument("--quantise-last", action="store_true", help="also quantise the last convolutions")
    command.add_argument("--keep", action="append", default=[], metavar="NODE", help="keep this node in float32")
    command.set_defaults(run=convert)
    options = parser.parse_args()
    options.run(options)


# Selection of the nodes to quantise.


def last_convolutions(graph):
    """Returns the names of convolutions with no other convolution between them and an output."""
    producers = {name: node for node in graph.node for name in node.output}
    found, seen, left = set(), set(), [output.name for output in graph.output]
    while left:
        node = producers.get(left.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op_type == "Conv":
            found.add(node.name)
        else:
            left.extend(node.input)
    return found


def nodes_to_quantise(graph, kept):
    """Returns the nodes to quantise in graph order: convolutions and operators between them."""
    nodes, tensors = [], set()
    for node in graph.node:
        # The sizes and scales of a Resize are not activations.
        wanted = node.op_type in QUANTISED and node.name not in kept
        if wanted and (node.op_type == "Conv" or any(name in tensors for name in node.input)):
            nodes.append(node)
            tensors.update(node.output)
    return nodes


def activations(node):
    """Returns the names of a node's inputs that are activations."""
    return list(node.input) if node.op_type in ("Concat", "Add") else [node.input[0]]


# Measurement of the ranges.


def pictures(options):
    import cv2

    skipped = [tuple(int(end) for end in text.split("-")) for text in options.skip]
    if options.video:
        video, number = cv2.VideoCapture(str(options.video)), 0
        while True:
            read, frame = video.read()
            if not read:
                break
            number += 1
            if number % options.every == 1 and not any(first <= number <= last for first, last in skipped):
                yield frame
    for path in options.picture:
        picture = cv2.imread(str(path))
        if picture is None:
            raise SystemExit(f"quantise: {path} cannot be read as a picture")
        yield picture


def tensor_of(picture, longer_side):
    """Prepares a picture as gatehouse does: keeps the aspect, pads with black."""
    import cv2

    rows, columns = picture.shape[:2]
    scale = longer_side / max(rows, columns)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (columns, rows))
    padded = [math.ceil(side / MULTIPLE_OF) * MULTIPLE_OF for side in (height, width)]
    canvas = np.zeros((*padded, 3), np.uint8)
    canvas[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(((canvas - MEAN) / STD).transpose(2, 0, 1)[None])


def write_ranges(options):
    import onnxruntime

    model = onnx.load(options.model)
    graph = model.graph
    names = sorted({n for node in nodes_to_quantise(graph, ()) for n in [*activations(node), *node.output]})
    inputs = [value.name for value in graph.input]
    del graph.output[:]
    inner = [name for name in names if name not in inputs]
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    threads = onnxruntime.SessionOptions()
    threads.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), threads, providers=["CPUExecutionProvider"])

    def values():
        for picture in pictures(options):
            for side in options.longer_side or [416, 768]:
                tensor = tensor_of(picture, side)
                yield {inputs[0]: tensor, **dict(zip(inner, session.run(None, {inputs[0]: tensor}), strict=True))}

    low, high, runs = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0), 0
    for found in values():
        runs += 1
        for name in names:
            low[name], high[name] = min(low[name], float(found[name].min())), max(high[name], float(found[name].max()))
    if options.share < 1:
        counts = {name: np.zeros(BINS, np.int64) for name in names}
        for found in values():
            for name in names:
                bins = (found[name].ravel() - low[name]) * np.float32(BINS / (high[name] - low[name]))
                counts[name] += np.bincount(bins.astype(np.int32).clip(0, BINS - 1), minlength=BINS)
        for name in names:
            inside = np.cumsum(counts[name]) / counts[name].sum()
            cut, width = (1 - options.share) / 2, (high[name] - low[name]) / BINS
            first, last = np.searchsorted(inside, cut), np.searchsorted(inside, 1 - cut)
            low[name], high[name] = min(0.0, low[name] + first * width), max(0.0, low[name] + (last + 1) * width)
    digest = hashlib.sha256(options.model.read_bytes()).hexdigest()
    lines = [
        f"# Value ranges of the tensors of {options.model.name}; measured by quantise.py in {runs} runs.",
        f'model_sha256 = "{digest}"',
        f"share = {options.share}",
        "[ranges]",
        *(f'"{name}" = [{low[name]:.3e}, {high[name]:.3e}]' for name in names),
    ]
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


# Conversion.


def clone(node):
    return onnx.NodeProto.FromString(node.SerializeToString())


class Quantiser:
    def __init__(self, graph, ranges, weight_limit):
        self.graph, self.ranges, self.weight_limit = graph, ranges, weight_limit
        self.constants = {name: numpy_helper.to_array(tensor) for name, tensor in initialisers(graph).items()}
        # Weights stored in half precision pass through a Cast.
        for node in graph.node:
            if node.op_type == "Cast" and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]].astype(np.float32)
        self.nodes, self.added, self.scales, self.dequantised = [], [], {}, {}

    def constant(self, name, array):
        self.added.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def emit(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def scale_of(self, name):
        """Returns scale and zero point. They represent 0 exactly, because 0 pads convolutions."""
        if name not in self.scales:
            if name not in self.ranges:
                raise SystemExit(f"quantise: the ranges file has no tensor {name}")
            low, high = (np.float32(end) for end in self.ranges[name])
            scale = np.float32((high - low) / np.float32(255))
            if not scale > 0:
                raise SystemExit(f"quantise: tensor {name} is always 0")
            self.scales[name] = (scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255)))
        return self.scales[name]

    def quantised(self, name):
        """Returns the name of the tensor after quantising and dequantising."""
        if name not in self.dequantised:
            scale, zero = self.scale_of(name)
            with_scale = [self.constant(f"{name}/scale", scale), self.constant(f"{name}/zero", zero)]
            self.emit("QuantizeLinear", [name, *with_scale], f"{name}/8bit")
            self.emit("DequantizeLinear", [f"{name}/8bit", *with_scale], f"{name}/rounded")
            self.dequantised[name] = f"{name}/rounded"
        return self.dequantised[name]

    def convolution(self, node):
        weight, bias = self.constants[node.input[1]], self.constants[node.input[2]]
        greatest = np.abs(weight).reshape(len(weight), -1).max(axis=1).astype(np.float32)
        # If all weights of a channel are 0, any scale is correct.
        scale = np.where(greatest > 0, greatest, np.float32(1)) / np.float32(self.weight_limit)
        rounded = np.rint(weight / scale[:, None, None, None]).clip(-self.weight_limit, self.weight_limit)
        source = self.quantised(node.input[0])
        of_bias = self.scale_of(node.input[0])[0] * scale
        steps = np.rint(bias.astype(np.float64) / of_bias).clip(-(2**31), 2**31 - 1)
        names = [source]
        for kind, array, scales in (
            ("weight", rounded.astype(np.int8), scale),
            ("bias", steps.astype(np.int32), of_bias),
        ):
            base, zeros = f"{node.name}/{kind}", np.zeros(len(scale), array.dtype)
            steps_of = (("integers", array), ("scales", scales), ("zeros", zeros))
            parts = [self.constant(f"{base}/{part}", values) for part, values in steps_of]
            self.emit("DequantizeLinear", parts, f"{base}/rounded", axis=0)
            names.append(f"{base}/rounded")
        return names

    def run(self, chosen):
        chosen = {node.name for node in chosen}
        for node in self.graph.node:
            if node.name not in chosen:
                copy = clone(node)
                copy.input[:] = [self.dequantised.get(name, name) for name in node.input]
                self.nodes.append(copy)
                continue
            if node.op_type in SAME_SCALE:
                self.scales[node.output[0]] = self.scale_of(node.input[0])
            copy = clone(node)
            if node.op_type == "Conv":
                copy.input[:] = self.convolution(node)
            else:
                rounded = {name: self.quantised(name) for name in activations(node)}
                copy.input[:] = [rounded.get(name, name) for name in node.input]
            self.nodes.append(copy)
            self.quantised(node.output[0])

    def finish(self):
        """Replaces the graph's nodes with the new ones, without unused weights and casts."""
        used, nodes = {value.name for value in self.graph.output}, []
        for node in reversed(self.nodes):
            if used & set(node.output):
                nodes.insert(0, node)
                used.update(node.input)
        weights = [tensor for tensor in [*self.graph.initializer, *self.added] if tensor.name in used]
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(nodes)
        self.graph.initializer.extend(weights)


def convert(options):
    ranges = tomllib.loads(options.ranges.read_text(encoding="utf-8"))
    if hashlib.sha256(options.model.read_bytes()).hexdigest() != ranges["model_sha256"]:
        raise SystemExit(f"quantise: {options.ranges} was measured with another model than {options.model}")
    model = onnx.load(options.model)
    kept = set(options.keep) | (set() if options.quantise_last else last_convolutions(model.graph))
    quantiser = Quantiser(model.graph, ranges["ranges"], 2 ** (options.weight_bits - 1) - (options.weight_bits == 8))
    quantiser.run(nodes_to_quantise(model.graph, kept))
    quantiser.finish()
    save(model, options.output)


if __name__ == "__main__":
    main()
