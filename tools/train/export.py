"""Writes a trained network as ONNX: the detector's own file with the trained weights, and the density head's nodes.

usage: python export.py WEIGHTS.pt NANODET.onnx OUTPUT.onnx

Building on the detector's file keeps its operators, names and operator set, so that whatever runs it runs this. Weights
are stored in half precision (as the detector's were published), which halves the file; a Cast per weight, which a
runtime folds when it loads, makes them float32 again. The result is compared with PyTorch at two sizes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from network import ONNX_CONVOLUTIONS, SLOPE, STRIDES, Conv, CrowdNet, DensityHead

#: Largest difference between ONNX Runtime and PyTorch, scores and density; logits of distances reach 10.
TOLERANCE = 1e-4
CHECK_SIZES = ((256, 320), (448, 768))
#: Values of the detector's graph that the density head reads, by the field of `Features`.
SOURCES = {
    "s4": "PartitionedCall/onnx_tf_prefix_Concat_12",
    "s8": "PartitionedCall/onnx_tf_prefix_Concat_27",
    "pyramid_8": "PartitionedCall/onnx_tf_prefix_Add_107",
    "pyramid_16": "PartitionedCall/onnx_tf_prefix_Add_86",
}


def load_network(path: Path) -> CrowdNet:
    """The smoothed weights of a checkpoint."""
    network = CrowdNet()
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["smoothed"])
    return network.eval().requires_grad_(False)


def to_half(network: nn.Module) -> None:
    """Rounds all weights to what half precision can hold."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())


class Graph:
    """Nodes and weights to add to an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def half_weight(self, name: str, values: torch.Tensor) -> str:
        """A weight in half precision and its cast; returns the name of the float32 value."""
        stored = self.constant(f"{name}/half", values.detach().numpy().astype(np.float16))
        return self.node("Cast", [stored], name, to=TensorProto.FLOAT)

    def node(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, conv: nn.Conv2d, source: str, name: str) -> str:
        weight, bias = self.half_weight(f"{name}/weight", conv.weight), self.half_weight(f"{name}/bias", conv.bias)
        return self.node(
            "Conv",
            [source, weight, bias],
            name,
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            pads=list(conv.padding) * 2,
            dilations=list(conv.dilation),
        )

    def activated(self, layer: Conv, source: str, name: str) -> str:
        return self.node("LeakyRelu", [self.convolution(layer.conv, source, f"{name}/conv")], name, alpha=SLOPE)


def density_nodes(graph: Graph, head: DensityHead) -> None:
    """`DensityHead.forward`, node by node."""
    near = graph.activated(head.wide_in, SOURCES["pyramid_16"], "density/wide_in")
    near = graph.activated(head.wide_near, near, "density/wide_near")
    far = graph.activated(head.wide_far, near, "density/wide_far")
    wide = graph.node("Add", [near, far], "density/wide_sum")
    scales = graph.constant("density/wide/scales", np.array([1, 1, 2, 2], np.float32))
    wide = graph.node(
        "Resize", [wide, "", scales], "density/wide", mode="linear", coordinate_transformation_mode="half_pixel"
    )
    fine = [
        graph.activated(head.from_s4, SOURCES["s4"], "density/from_s4"),
        graph.activated(head.from_s8, SOURCES["s8"], "density/from_s8"),
        graph.activated(head.from_8, SOURCES["pyramid_8"], "density/from_8"),
        wide,
    ]
    x = graph.node("Concat", fine, "density/fine", axis=1)
    for name in ("mix", "look", "far", "narrow"):
        x = graph.activated(getattr(head, name), x, f"density/{name}")
    x = graph.node("Softplus", [graph.convolution(head.output, x, "density/output")], "density/scaled")
    graph.node("Div", [x, graph.constant("density/scale", np.array(head.SCALE, np.float32))], "density")


def build(network: CrowdNet, source: onnx.ModelProto) -> onnx.ModelProto:
    """The detector's model with the network's weights and the output `density`."""
    graph = Graph()
    trained = dict(zip(ONNX_CONVOLUTIONS, network.detector.convolutions(), strict=True))
    for name, conv in trained.items():
        graph.half_weight(f"{name}/weight", conv.weight)
        graph.half_weight(f"{name}/bias", conv.bias)
    casts, graph.nodes = graph.nodes, []
    density_nodes(graph, network.density)
    replaced = {cast.output[0] for cast in casts}
    kept = [tensor for tensor in source.graph.initializer if tensor.name not in replaced]
    outputs = list(source.graph.output)
    shape = ["batch", 1, "rows_8", "columns_8"]
    outputs.append(helper.make_tensor_value_info("density", TensorProto.FLOAT, shape))
    whole = helper.make_graph(
        casts + list(source.graph.node) + graph.nodes,
        "nanodet-g-crowd",
        list(source.graph.input),
        outputs,
        initializer=kept + graph.weights,
    )
    model = helper.make_model(whole, opset_imports=source.opset_import, ir_version=source.ir_version)
    onnx.checker.check_model(model)
    return model


def session(model: bytes | str) -> onnxruntime.InferenceSession:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _noise(height: int, width: int) -> torch.Tensor:
    """Two pictures of noise on all scales: fine noise alone leaves the density at nothing, where all agree."""
    generator = torch.Generator().manual_seed(height)
    result = torch.zeros(2, 3, height, width)
    for cell in (1, 2, 4, 8, 16, 32):
        octave = torch.randn(2, 3, height // cell, width // cell, generator=generator)
        result += functional.interpolate(octave, size=(height, width), mode="bilinear", align_corners=False)
    return result


def largest_difference(network: CrowdNet, model: bytes) -> dict[str, float]:
    """Between ONNX Runtime and PyTorch over `CHECK_SIZES`, by output."""
    running = session(model)
    names = [output.name for output in running.get_outputs()]
    worst = dict.fromkeys(names, 0.0)
    for height, width in CHECK_SIZES:
        x = _noise(height, width)
        with torch.no_grad():
            detections, density = network(x)
        expected = {"density": density}
        for stride, (scores, distances) in zip(STRIDES, detections, strict=True):
            expected[f"cls_{stride}"] = scores.sigmoid().flatten(2).transpose(1, 2)
            expected[f"dist_{stride}"] = distances.flatten(2).transpose(1, 2)
        for name, value in zip(names, running.run(names, {"input": x.numpy()}), strict=True):
            worst[name] = max(worst[name], float(np.abs(value - expected[name].numpy()).max()))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a checkpoint of train.py")
    parser.add_argument("detector", type=Path, help="nanodet-g-416-dynamic.onnx")
    parser.add_argument("output", type=Path)
    parser.add_argument("--gain", type=float, default=1.0, help="the density is multiplied by it, see fit.py")
    args = parser.parse_args()

    torch.set_num_threads(1)
    network = load_network(args.weights)
    to_half(network)
    network.density.SCALE /= args.gain
    model = build(network, onnx.load(args.detector)).SerializeToString(deterministic=True)
    worst = largest_difference(network, model)
    print(", ".join(f"{name} {value:.1e}" for name, value in worst.items()))
    if max(worst.values()) > TOLERANCE:
        raise SystemExit(f"export: differs from PyTorch by more than {TOLERANCE}; nothing written")
    temporary = args.output.with_suffix(".part")
    temporary.write_bytes(model)
    temporary.replace(args.output)
    print(f"{args.output}: {len(model)} bytes")


if __name__ == "__main__":
    main()
