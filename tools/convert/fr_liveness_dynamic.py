"""fr_liveness with a dynamic batch.

usage: python fr_liveness_dynamic.py fr_liveness.onnx OUTPUT

The published file is declared for a batch of one, but flattens by the size that it is given: only the declarations
change. The last reshape takes the batch from the tensor's own shape, and no weight and no operator is touched.
"""

import onnx

from onnx_edit import arguments, save, set_shape


def main():
    (source,), output = arguments(1)
    model = onnx.load(source)
    graph = model.graph
    shapes = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in (*graph.input, *graph.output)]
    if shapes != [[1, 3, 128, 128], [1, 3]]:
        raise SystemExit(f"fr_liveness_dynamic: shapes are {shapes}, expected [[1, 3, 128, 128], [1, 3]]")
    del graph.value_info[:]
    set_shape(graph.input[0], ["batch", 3, 128, 128])
    set_shape(graph.output[0], ["batch", 3])
    save(model, output)


if __name__ == "__main__":
    main()
