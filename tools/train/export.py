"""Exports a trained network to ONNX: adds the density's nodes to the detector's own file.

usage: python export.py WEIGHTS.pt NANODET.onnx OUTPUT.onnx

The export keeps the operators, names and operator set of the detector's file. So every runtime of
the detector runs the export, and its detections are bit-identical. Weights are stored in half
precision, as the detector's were published, which halves the file. A Cast per weight restores
float32; a runtime folds it at load. The export compares the density with PyTorch at two sizes, and
the detector with its file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from network import SLOPE, Conv, CrowdNet, Density, Detector, Stage

#: Maximum difference of the density between ONNX Runtime and PyTorch.
TOLERANCE = 1e-4
CHECK_SIZES = ((256, 320), (448, 768))
#: Values of the detector's graph that the density reads: `s4` and `pyramid_32` of `Features`.
S4, PYRAMID_32 = "PartitionedCall/onnx_tf_prefix_Concat_12", "PartitionedCall/Add_27"


def load_network(path: Path) -> CrowdNet:
    """Loads the averaged weights of a checkpoint."""
    network = CrowdNet()
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["smoothed"])
    return network.eval().requires_grad_(False)


def load_exported(path: Path, detector: Detector) -> CrowdNet:
    """Loads the density's weights of an exported file, without its gain, into a network."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    network = CrowdNet(detector)
    with torch.no_grad():
        for name, conv in convolutions(network.density):
            for part in ("weight", "bias"):
                getattr(conv, part).copy_(torch.from_numpy(stored[f"{name}/{part}/half"].astype(np.float32)))
    return network.eval()


def convolutions(density: Density) -> Iterator[tuple[str, nn.Conv2d]]:
    """Yields all convolutions of the density with their names in an exported file."""
    for name, part in density.named_modules():
        if isinstance(part, nn.Conv2d):
            yield f"density/{name.replace('.', '/')}", part


def round_to_half(network: nn.Module) -> None:
    """Rounds all weights to values of half precision."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())


class Graph:
    """Collects nodes and weights for an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def half_weight(self, name: str, values: torch.Tensor) -> str:
        """Adds a weight in half precision and its Cast; returns the name of the float32 value."""
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

    def upsample(self, source: str, name: str) -> str:
        """Adds a bilinear resize to twice the size."""
        scales = self.constant(f"{name}/scales", np.array([1, 1, 2, 2], np.float32))
        ways = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self.node("Resize", [source, "", scales], name, **ways)

    def stage(self, stage: Stage, source: str, name: str) -> str:
        """Adds the nodes of `Stage.forward`."""
        entered = self.activated(stage.enter, source, f"{name}/enter")
        x = self.activated(stage.narrow, entered, f"{name}/narrow")
        for i, (grow, join) in enumerate(zip(stage.grow, stage.join, strict=True)):
            grown = self.activated(grow, x, f"{name}/grow/{i}")
            pair = self.node("Concat", [grown, x], f"{name}/pair/{i}", axis=1)
            x = self.activated(join, pair, f"{name}/join/{i}")
        return self.node("Concat", [x, entered], name, axis=1)


def density_nodes(graph: Graph, density: Density) -> None:
    """Adds the nodes of `Density.forward`."""
    stages, head = density.stages, density.head
    s8 = graph.stage(stages.stage_8, S4, "density/stages/stage_8")
    s16 = graph.stage(stages.stage_16, s8, "density/stages/stage_16")
    own_16 = graph.convolution(stages.lateral_16, s16, "density/stages/lateral_16")
    level_16 = graph.node("Add", [own_16, graph.upsample(PYRAMID_32, "density/around")], "density/level_16")
    own_8 = graph.convolution(stages.lateral_8, s8, "density/stages/lateral_8")
    level_8 = graph.node("Add", [own_8, graph.upsample(level_16, "density/level_16_twice")], "density/level_8")

    near = graph.activated(head.wide_in, level_16, "density/head/wide_in")
    near = graph.activated(head.wide_near, near, "density/head/wide_near")
    far = graph.activated(head.wide_far, near, "density/head/wide_far")
    fine = [
        graph.activated(head.from_s4, S4, "density/head/from_s4"),
        graph.activated(head.from_s8, s8, "density/head/from_s8"),
        graph.activated(head.from_8, level_8, "density/head/from_8"),
        graph.upsample(graph.node("Add", [near, far], "density/head/wide_sum"), "density/head/wide"),
    ]
    x = graph.node("Concat", fine, "density/head/fine", axis=1)
    for name in ("mix", "look", "far", "narrow"):
        x = graph.activated(getattr(head, name), x, f"density/head/{name}")
    x = graph.node("Softplus", [graph.convolution(head.output, x, "density/head/output")], "density/scaled")
    graph.node("Div", [x, graph.constant("density/scale", np.array(head.SCALE, np.float32))], "density")


def build(network: CrowdNet, source: onnx.ModelProto) -> onnx.ModelProto:
    """Builds the detector's model with the output `density`.

    Weights that half precision represents exactly are stored in half precision.
    """
    graph, kept = Graph(), []
    for tensor in source.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name.endswith(("/weight", "/bias")) and np.array_equal(
            values.astype(np.float16).astype(values.dtype), values
        ):
            graph.half_weight(tensor.name, torch.from_numpy(values.copy()))
        else:
            kept.append(tensor)
    casts, graph.nodes = graph.nodes, []
    density_nodes(graph, network.density)
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
    """Opens a session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _noise(height: int, width: int) -> torch.Tensor:
    """Makes two pictures of noise on all scales: fine noise alone has a density near 0."""
    generator = torch.Generator().manual_seed(height)
    result = torch.zeros(2, 3, height, width)
    for cell in (1, 2, 4, 8, 16, 32):
        octave = torch.randn(2, 3, height // cell, width // cell, generator=generator)
        result += functional.interpolate(octave, size=(height, width), mode="bilinear", align_corners=False)
    return result


def density_difference(network: CrowdNet, model: bytes) -> float:
    """Returns the largest difference between ONNX Runtime and PyTorch over `CHECK_SIZES`."""
    running, worst = session(model), 0.0
    for height, width in CHECK_SIZES:
        x = _noise(height, width)
        with torch.no_grad():
            expected = network(x)[1].numpy()
        worst = max(worst, float(np.abs(running.run(["density"], {"input": x.numpy()})[0] - expected).max()))
    return worst


def has_identical_detections(model: bytes, detector: Path) -> bool:
    """True if the detector in `model` and in its own file give bit-identical outputs."""
    both = [session(model), session(str(detector))]
    names = [output.name for output in both[1].get_outputs()]
    for height, width in CHECK_SIZES:
        x = {"input": _noise(height, width).numpy()}
        now, before = (running.run(names, x) for running in both)
        if not all(np.array_equal(a, b) for a, b in zip(now, before, strict=True)):
            return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a checkpoint of train.py")
    parser.add_argument("detector", type=Path, help="nanodet-g-416-dynamic.onnx")
    parser.add_argument("output", type=Path)
    parser.add_argument("--gain", type=float, default=1.0, help="factor for the density, see fit.py")
    args = parser.parse_args()

    torch.set_num_threads(1)
    network = load_network(args.weights)
    round_to_half(network.density)
    network.density.head.SCALE /= args.gain
    model = build(network, onnx.load(args.detector)).SerializeToString(deterministic=True)
    worst = density_difference(network, model)
    if not worst <= TOLERANCE:
        raise SystemExit(f"export: the density differs from PyTorch by {worst:.1e}; nothing written")
    if not has_identical_detections(model, args.detector):
        raise SystemExit("export: the detector's outputs differ from its own file's; nothing written")
    print(f"the density differs from PyTorch by {worst:.1e}; the detector is bit-identical to its own file")
    temporary = args.output.with_suffix(".part")
    temporary.write_bytes(model)
    temporary.replace(args.output)
    print(f"{args.output}: {len(model)} bytes")


if __name__ == "__main__":
    main()
