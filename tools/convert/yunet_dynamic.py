"""Gives YuNet 2023mar a dynamic batch, height and width, and one output per stride.

usage: python yunet_dynamic.py face_detection_yunet_2023mar.onnx OUTPUT

The published file has the fixed input 1x3x640x640 and twelve outputs. Each stride has a class
score, an objectness, a box and landmarks, each from two convolutions. This script stacks the
weights of a stride's four pairs into one pair, which a runtime computes faster. The stride's output
is [batch, 16, rows, columns]; no transpose is needed.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnx_edit import arguments, initialisers, save, sigmoid_scores, set_shape

STRIDES = (8, 16, 32)
#: Channels of a stride's published outputs, in the order of the joined output.
KINDS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
SCORES = KINDS["cls"] + KINDS["obj"]
CHANNELS = sum(KINDS.values())


def joined_head(constants, users, level, stride):
    """Returns the nodes and weights of a stride's joined head."""
    name, weights, sources = f"head_{stride}", [], set()
    for convolution in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            pieces = [f"bbox_head.multi_level_{kind}.{level}.{convolution}.{part}" for kind in KINDS]
            stacked = np.concatenate([numpy_helper.to_array(constants[piece]) for piece in pieces])
            if len(stacked) != CHANNELS:
                raise SystemExit(f"yunet_dynamic: the head of stride {stride} has {len(stacked)} channels")
            weights.append(numpy_helper.from_array(stacked, f"{name}/{convolution}/{part}"))
            if (convolution, part) == ("conv1", "weight"):
                sources = {users[piece].input[0] for piece in pieces}
    if len(sources) != 1:
        raise SystemExit(f"yunet_dynamic: the head of stride {stride} reads {sorted(sources)}, expected one input")
    first, second = (f"{name}/{convolution}" for convolution in ("conv1", "conv2"))
    nodes = [
        helper.make_node("Conv", [*sources, f"{first}/weight", f"{first}/bias"], [first], kernel_shape=[1, 1]),
        # A depthwise convolution.
        helper.make_node(
            "Conv",
            [first, f"{second}/weight", f"{second}/bias"],
            [second],
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            group=CHANNELS,
        ),
    ]
    # In this operator set, a Split has its sizes as an attribute.
    return [*nodes, *sigmoid_scores(second, f"faces_{stride}", split=[SCORES, CHANNELS - SCORES])], weights


def main():
    (source,), output = arguments(1)
    model = onnx.load(source)
    graph = model.graph
    constants = initialisers(graph)
    users = {name: node for node in graph.node for name in node.input}
    heads, weights = [], []
    for level, stride in enumerate(STRIDES):
        nodes, stacked = joined_head(constants, users, level, stride)
        heads += nodes
        weights += stacked
    # Keep only those published nodes that the joined heads need.
    producers = {name: node for node in graph.node for name in node.output}
    needed, left = set(), [name for node in heads for name in node.input]
    while left:
        node = producers.get(left.pop())
        if node is not None and node.output[0] not in needed:
            needed.add(node.output[0])
            left.extend(node.input)
    nodes = [node for node in graph.node if node.output[0] in needed] + heads
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in [*graph.initializer, *weights] if tensor.name in used]
    del graph.node[:], graph.initializer[:], graph.output[:]
    # The file records inner shapes for 640x640.
    del graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    set_shape(graph.input[0], ["batch", 3, "height", "width"])
    for stride in STRIDES:
        shape = ["batch", CHANNELS, f"rows_{stride}", f"columns_{stride}"]
        graph.output.append(helper.make_tensor_value_info(f"faces_{stride}", onnx.TensorProto.FLOAT, shape))
    save(model, output)


if __name__ == "__main__":
    main()
