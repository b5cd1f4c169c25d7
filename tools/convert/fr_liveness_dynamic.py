"""Makes the batch of fr_liveness dynamic.

usage: python fr_liveness_dynamic.py fr_liveness.onnx OUTPUT

The published file declares a batch of one, but its operators accept any batch: the last reshape
reads the batch from its input's shape. So only the declarations change, no weight and no operator.
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
