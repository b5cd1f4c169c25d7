"""YuNet 2023mar with a dynamic batch, height and width.

usage: python yunet_dynamic.py face_detection_yunet_2023mar.onnx OUTPUT

The published file is fixed at 1x3x640x640. Nothing in it needs that size but the twelve reshapes before the outputs:
they name a batch of one. A zero there means "as in the input", so the batch follows. The weights stay as they are.
"""

import onnx
from onnx import numpy_helper

from onnx_edit import arguments, initialisers, save, set_shape

CHANNELS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def reshape_to_any_batch(graph):
    constants = initialisers(graph)
    # Several reshapes share one constant: patch each once.
    for name in sorted({node.input[1] for node in graph.node if node.op_type == "Reshape"}):
        shape = numpy_helper.to_array(constants[name]).copy()
        if shape.shape != (3,) or shape[0] != 1 or shape[1] != -1:
            raise SystemExit(f"yunet_dynamic: reshape constant {name} is {shape.tolist()}, expected [1, -1, channels]")
        shape[0] = 0
        constants[name].CopyFrom(numpy_helper.from_array(shape, name))


def main():
    (source,), output = arguments(1)
    model = onnx.load(source)
    graph = model.graph
    reshape_to_any_batch(graph)
    # Shapes of inner tensors were recorded for 640x640.
    del graph.value_info[:]
    set_shape(graph.input[0], ["batch", 3, "height", "width"])
    for value in graph.output:
        kind, stride = value.name.rsplit("_", 1)
        set_shape(value, ["batch", f"cells_{stride}", CHANNELS[kind]])
    save(model, output)


if __name__ == "__main__":
    main()
