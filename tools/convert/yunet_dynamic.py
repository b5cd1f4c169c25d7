"""YuNet 2023mar with a dynamic batch, height and width, and one output a stride.

usage: python yunet_dynamic.py face_detection_yunet_2023mar.onnx OUTPUT

The published file is fixed at 1x3x640x640 and has twelve outputs: at each stride a class score, an objectness, a box and
landmarks, each from two convolutions of its own. Here a stride's four pairs are one pair with the same weights one below
the other, which a runtime does in less time, and its output is [batch, 16, rows, columns]: nothing has to be transposed.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnx_edit import arguments, initialisers, save, scored, set_shape

STRIDES = (8, 16, 32)
#: A stride's outputs in the published file, in the order in which their channels stand here.
KINDS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
SCORES = KINDS["cls"] + KINDS["obj"]
CHANNELS = sum(KINDS.values())


def joined_head(constants, users, level, stride):
    """Nodes and weights of a stride's head."""
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
        raise SystemExit(f"yunet_dynamic: the head of stride {stride} begins at {sorted(sources)}, expected one place")
    first, second = (f"{name}/{convolution}" for convolution in ("conv1", "conv2"))
    nodes = [
        helper.make_node("Conv", [*sources, f"{first}/weight", f"{first}/bias"], [first], kernel_shape=[1, 1]),
        # Each channel by itself.
        helper.make_node(
            "Conv",
            [first, f"{second}/weight", f"{second}/bias"],
            [second],
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            group=CHANNELS,
        ),
    ]
    # In this operator set a split's sizes are an attribute.
    return [*nodes, *scored(second, f"faces_{stride}", split=[SCORES, CHANNELS - SCORES])], weights


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
    # Of the published nodes those stay that the heads' beginnings need.
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
    # Shapes of inner tensors were recorded for 640x640.
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
