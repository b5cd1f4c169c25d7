"""Makes the batch of SFace 2021dec dynamic.

usage: python sface_dynamic.py face_recognition_sface_2021dec.onnx OUTPUT

The published file fixes the batch at one. It also lists its weights as graph inputs, so a runtime
must treat them as replaceable and cannot fold them. Only declarations change, no weight and no
operator.
"""

import onnx

from onnx_edit import arguments, initialisers, save, set_shape


def main():
    (source,), output = arguments(1)
    model = onnx.load(source)
    graph = model.graph
    weights = initialisers(graph)
    real_inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(real_inputs)
    del graph.value_info[:]
    set_shape(graph.input[0], ["batch", 3, 112, 112])
    set_shape(graph.output[0], ["batch", 128])
    save(model, output)


if __name__ == "__main__":
    main()
