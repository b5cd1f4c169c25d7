"""Converts NanoDet-g (416) from TensorFlow.js to ONNX, with a dynamic batch, height and width.

usage: python nanodet_tfjs_to_onnx.py nanodet.json nanodet.bin OUTPUT

The graph was exported from PyTorch through ONNX and TensorFlow. So every convolution is a sequence
of Pad, Transpose, Conv2D, Add and Transpose. This script restores the authors' network:

- A value carries its layout, so a transpose between NCHW and NHWC only changes that label.
- Padding moves into the convolution or pool that follows. The added constant becomes its bias.
- Of COCO's 80 classes only the person's score is kept. The others cost a twentieth of the time.
- Each stride has one output, [batch, 45, rows, columns]: the score, and the four distances' bins.

The script stops at any node that it does not know, because a guess would produce a wrong model.
"""

from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from onnx_edit import arguments, save, sigmoid_scores
from tfjs_graph import Graph, flag, ints, text

INPUT_SIDE = 416
STRIDES = (8, 16, 32)
CLASSES = 80
PERSON = 0
# Four sides of a box with 11 bins each (distances of 0 to 10 strides).
BINS = 44
TO_NHWC, TO_NCHW, SWAP_LAST = [0, 2, 3, 1], [0, 3, 1, 2], [0, 2, 1]
#: Replaces the layout of a head's parts. The source transposes them further, which is ignored here.
LOGITS, SCORES, DISTANCES = "logits", "scores", "distances"


@dataclass(frozen=True)
class Value:
    """A tensor in the ONNX graph, always stored as NCHW. `layout` is the source graph's layout."""

    name: str
    layout: str
    side: int
    pads: tuple = (0, 0, 0, 0)
    pad_value: float = 0.0
    channels: int = 0


class Converter:
    def __init__(self, graph):
        self.constants = dict(graph.constants)
        self.values = {}
        self.nodes, self.weights, self.outputs = [], [], []
        # Convolutions whose bias, an Add, has not been read yet.
        self.waiting = {}

    def fail(self, node, why):
        raise SystemExit(f"nanodet_tfjs_to_onnx: {node['op']} {node['name']}: {why}")

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def emit(self, op, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], **attributes))

    def value(self, node, index):
        found = self.values.get(node["input"][index])
        if found is None:
            self.fail(node, f"input {node['input'][index]} is not a tensor")
        return found

    def constant(self, node, index):
        found = self.constants.get(node["input"][index])
        if found is None:
            self.fail(node, f"input {node['input'][index]} is not a constant")
        return found

    def expect(self, node, condition, why):
        if not condition:
            self.fail(node, why)

    # One method per operator, with the operator's name.

    def Placeholder(self, node):
        self.values[node["name"]] = Value("input", "nchw", INPUT_SIDE, channels=3)

    def Const(self, node):
        self.expect(node, node["name"] in self.constants, "no weight of this name")

    def Transpose(self, node):
        value, perm = self.value(node, 0), self.constant(node, 1).tolist()
        if (value.layout, perm) == ("nchw", TO_NHWC):
            self.values[node["name"]] = replace(value, layout="nhwc")
        elif (value.layout, perm) == ("nhwc", TO_NCHW):
            self.values[node["name"]] = replace(value, layout="nchw")
        elif value.layout in (SCORES, DISTANCES) and perm == SWAP_LAST:
            self.values[node["name"]] = value
        else:
            self.fail(node, f"perm {perm} on {value.layout}")

    def Pad(self, node, pad_value=0.0):
        value, pads = self.value(node, 0), self.constant(node, 1).tolist()
        self.expect(node, value.layout == "nchw" and pads[:2] == [[0, 0], [0, 0]], f"pads {pads} on {value.layout}")
        (top, bottom), (left, right) = pads[2:]
        self.values[node["name"]] = replace(value, pads=(top, left, bottom, right), pad_value=pad_value)

    def PadV2(self, node):
        self.Pad(node, float(self.constant(node, 2)))

    def window(self, node, value, kernel, strides, pad_value):
        """Checks the attributes that convolutions and pools share; returns them for ONNX."""
        self.expect(node, value.layout == "nhwc" and text(node, "data_format") == "NHWC", "expected NHWC")
        self.expect(node, text(node, "padding") == "VALID", "expected padding VALID")
        self.expect(node, strides[0] == strides[3] == 1 and strides[1] == strides[2], f"strides {strides}")
        self.expect(node, not any(value.pads) or value.pad_value == pad_value, f"padded with {value.pad_value}")
        attributes = {"kernel_shape": list(kernel), "strides": strides[1:3], "pads": list(value.pads)}
        side = (value.side + value.pads[0] + value.pads[2] - kernel[0]) // strides[1] + 1
        return attributes, side

    def Conv2D(self, node):
        value, kernel = self.value(node, 0), self.constant(node, 1)
        self.expect(node, ints(node, "dilations") == [1, 1, 1, 1], "dilated")
        self.expect(node, kernel.shape[2] == value.channels, f"kernel {kernel.shape} on {value.channels} channels")
        attributes, side = self.window(node, value, kernel.shape[:2], ints(node, "strides"), 0.0)
        self.waiting[node["name"]] = (value.name, kernel, attributes)
        self.values[node["name"]] = Value(node["name"], "nhwc", side, channels=kernel.shape[3])

    def MaxPool(self, node):
        value = self.value(node, 0)
        ksize = ints(node, "ksize")
        # ONNX pads a maximum with minus infinity, as the source does.
        attributes, side = self.window(node, value, ksize[1:3], ints(node, "strides"), float("-inf"))
        self.emit("MaxPool", [value.name], [node["name"]], **attributes)
        self.values[node["name"]] = Value(node["name"], "nhwc", side, channels=value.channels)

    def Add(self, node):
        first, second = node["input"]
        if first in self.constants and second in self.constants:
            self.constants[node["name"]] = self.constants[first] + self.constants[second]
        elif first in self.waiting:
            source, kernel, attributes = self.waiting.pop(first)
            weight = self.weight(f"{node['name']}/weight", kernel.transpose(3, 2, 0, 1))
            bias = self.weight(f"{node['name']}/bias", self.constant(node, 1))
            self.emit("Conv", [source, weight, bias], [node["name"]], **attributes)
            self.values[node["name"]] = replace(self.values[first], name=node["name"])
        else:
            a, b = self.value(node, 0), self.value(node, 1)
            self.expect(node, (a.layout, a.side, a.channels) == (b.layout, b.side, b.channels), f"adds {a} and {b}")
            self.emit("Add", [a.name, b.name], [node["name"]])
            self.values[node["name"]] = replace(a, name=node["name"])

    AddV2 = Add

    def SparseToDense(self, node):
        # The exporter writes zeros as a sparse tensor without entries.
        self.expect(node, self.constant(node, 0).size == 0 and len(node["input"]) == 4, "expected no entries")
        self.constants[node["name"]] = np.full(self.constant(node, 1), self.constant(node, 3).reshape(-1)[0])

    def LeakyRelu(self, node):
        value = self.value(node, 0)
        self.emit("LeakyRelu", [value.name], [node["name"]], alpha=float(node["attr"]["alpha"]["f"]))
        self.values[node["name"]] = replace(value, name=node["name"])

    def Sigmoid(self, node):
        value = self.value(node, 0)
        self.expect(node, value.layout == LOGITS, f"on {value.layout}")
        self.values[node["name"]] = replace(value, layout=SCORES)

    def ConcatV2(self, node):
        parts = [self.value(node, i) for i in range(len(node["input"]) - 1)]
        axis = int(self.constant(node, len(parts)))
        self.expect(node, axis == 1 and all(part.layout == "nchw" for part in parts), f"axis {axis}")
        self.emit("Concat", [part.name for part in parts], [node["name"]], axis=1)
        channels = sum(part.channels for part in parts)
        self.values[node["name"]] = replace(parts[0], name=node["name"], channels=channels)

    def ResizeBilinear(self, node):
        value, side = self.value(node, 0), self.constant(node, 1).tolist()
        self.expect(node, flag(node, "half_pixel_centers") and not flag(node, "align_corners"), "expected half pixels")
        self.expect(node, value.layout == "nhwc" and side[0] == side[1], f"size {side} on {value.layout}")
        scale = side[0] / value.side
        self.expect(node, scale in (0.5, 2.0), f"scale {scale}")
        # A scale replaces the size, which fixed the graph to 416x416.
        scales = self.weight(f"{node['name']}/scales", np.array([1, 1, scale, scale], np.float32))
        self.emit(
            "Resize",
            [value.name, "", scales],
            [node["name"]],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        self.values[node["name"]] = replace(value, name=node["name"], side=side[0])

    def SplitV(self, node):
        """Ends a head: keeps only the needed channels of its convolution."""
        value, sizes, axis = self.value(node, 0), self.constant(node, 1), int(self.constant(node, 2))
        self.expect(node, axis == 1 and value.layout == "nchw", f"axis {axis} on {value.layout}")
        self.expect(node, sizes.tolist() == [CLASSES, BINS], f"sizes {sizes.tolist()}")
        for weight in self.weights:
            if weight.name in (f"{value.name}/weight", f"{value.name}/bias"):
                kept = np.delete(numpy_helper.to_array(weight), [i for i in range(CLASSES) if i != PERSON], axis=0)
                weight.CopyFrom(numpy_helper.from_array(kept, weight.name))
        stride = INPUT_SIDE // value.side
        output = f"people_{stride}"
        sizes = self.weight(f"{output}/sizes", np.array([1, BINS], np.int64))
        self.nodes.extend(sigmoid_scores(value.name, output, sizes))
        for name, layout, channels in ((node["name"], LOGITS, CLASSES), (f"{node['name']}:1", DISTANCES, BINS)):
            self.values[name] = replace(value, name=output, layout=layout, channels=channels)

    def Reshape(self, node):
        value, shape = self.value(node, 0), self.constant(node, 1).tolist()
        known = value.layout in (SCORES, DISTANCES) and shape == [1, value.channels, -1]
        self.expect(node, known, f"{value.layout} to {shape}")
        self.values[node["name"]] = value

    def Identity(self, node):
        value = self.value(node, 0)
        self.expect(node, value.layout in (SCORES, DISTANCES), f"output in layout {value.layout}")
        self.outputs.append((value.name, value.layout))

    def run(self, nodes):
        # The nodes are not in execution order: convert those whose inputs are ready until none is
        # left.
        left = list(nodes)
        while left:
            waiting = []
            for node in left:
                known = all(name in self.values or name in self.constants for name in node.get("input", []))
                if not known:
                    waiting.append(node)
                    continue
                handler = getattr(self, node["op"], None)
                if handler is None:
                    self.fail(node, "unknown operator")
                handler(node)
            if len(waiting) == len(left):
                self.fail(waiting[0], "its inputs are never produced")
            left = waiting
        if self.waiting:
            raise SystemExit(f"nanodet_tfjs_to_onnx: convolutions without a bias: {sorted(self.waiting)}")


def main():
    (json_path, weights_path), output = arguments(2)
    graph = Graph(json_path, weights_path)
    converter = Converter(graph)
    converter.run(graph.nodes)
    people = [f"people_{stride}" for stride in STRIDES]
    if sorted(converter.outputs) != sorted((name, part) for name in people for part in (SCORES, DISTANCES)):
        raise SystemExit(f"nanodet_tfjs_to_onnx: unknown outputs: {sorted(converter.outputs)}")
    shapes = [["batch", 1 + BINS, f"rows_{stride}", f"columns_{stride}"] for stride in STRIDES]
    infos = zip(people, shapes, strict=True)
    declared = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in infos]
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    onnx_graph = helper.make_graph(converter.nodes, "nanodet-g", [source], declared, initializer=converter.weights)
    # An IR and operator set that all recent runtimes support.
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save(model, output)


if __name__ == "__main__":
    main()
