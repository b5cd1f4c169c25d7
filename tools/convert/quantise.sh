#!/bin/sh
# Makes the 8-bit models of models/weights/ from what `make setup` has fetched; with RANGES=1 their ranges too, first.
# Needs a Python with requirements-quantise.txt: PYTHON=venv/bin/python tools/convert/quantise.sh
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
    # Frames near those that plaza/points.json marks are left for the evaluation, and t1.jpg too, whose rights nobody states.
    set -- --video "$assets/media/vtest.avi" --skip 116-151 --skip 336-421 --skip 676-726 --picture "$pictures/rendered.jpg"
    for name in flowers leaves pebbles poles; do set -- "$@" --picture "$pictures/nobody/$name.jpg"; done
    for name in astronaut.png obama.jpg obama2.jpg obama3.jpg biden.jpg; do set -- "$@" --picture "$assets/media/$name"; done
    quantise ranges "$nanodet" "$@" --share 0.99999 --output "$convert/ranges/nanodet.toml"
    quantise ranges "$crowd" "$@" --share 0.99999 --output "$convert/ranges/crowd.toml"
fi
first="--keep PartitionedCall/Add --keep PartitionedCall/Add_1"
quantise convert "$nanodet" "$convert/ranges/nanodet.toml" models/weights/nanodet-g-416-int8.onnx $first
quantise convert "$crowd" "$convert/ranges/crowd.toml" models/weights/crowd-3-int8.onnx $first --keep density/head/narrow/conv
