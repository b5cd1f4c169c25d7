#!/bin/sh
# Makes the 8-bit models in models/weights/ from the models that `make setup` fetched. With
# RANGES=1, first measures the ranges anew. Needs a Python with requirements-quantise.txt:
# PYTHON=venv/bin/python tools/convert/quantise.sh
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
assets=${GATEHOUSE_ASSETS:-$HOME/.cache/gatehouse}
convert=tools/convert
quantise() { "$python" "$convert/quantise.py" "$@"; }
nanodet=$assets/models/nanodet-g-416-dynamic.onnx
crowd=$assets/models/crowd-3.onnx

if [ -n "${RANGES:-}" ]; then
    pictures=tools/eval/tests/crowd
    # Skip frames near those in plaza/points.json, which the evaluation uses. Leave out t1.jpg,
    # because its rights are not stated.
    set -- --video "$assets/media/vtest.avi" --skip 116-151 --skip 336-421 --skip 676-726
    set -- "$@" --picture "$pictures/rendered.jpg"
    for name in flowers leaves pebbles poles; do set -- "$@" --picture "$pictures/nobody/$name.jpg"; done
    for name in astronaut.png obama.jpg obama2.jpg obama3.jpg biden.jpg; do
        set -- "$@" --picture "$assets/media/$name"
    done
    quantise ranges "$nanodet" "$@" --share 0.99999 --output "$convert/ranges/nanodet.toml"
    quantise ranges "$crowd" "$@" --share 0.99999 --output "$convert/ranges/crowd.toml"
fi
first="--keep PartitionedCall/Add --keep PartitionedCall/Add_1"
quantise convert "$nanodet" "$convert/ranges/nanodet.toml" models/weights/nanodet-g-416-int8.onnx $first
quantise convert "$crowd" "$convert/ranges/crowd.toml" models/weights/crowd-3-int8.onnx $first \
    --keep density/head/narrow/conv
