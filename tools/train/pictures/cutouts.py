"""Cuts real people out of video clips.

    python -m pictures.cutouts --clips DIR --detector nanodet.onnx --faces yunet.onnx \\
        --out cutouts.npz [--sheet s.jpg]

A detector finds the people. GrabCut and, where possible, the difference from the clip's median
picture select their pixels. A face detector finds the head; otherwise the neck is the thinnest part
of the outline.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from . import sprite
from .sprite import Sprite

sys.path.insert(0, str(Path(__file__).parents[2] / "convert"))
import golden_nanodet  # noqa: E402 (the reference implementation of the detector)

#: Minimum height in pixels; shorter figures have too few pixels per head.
MIN_HEIGHT_PX = 60
#: The list of good cut-outs, judged by eye.
KEEP = Path(__file__).with_name("cutouts_keep.txt")


@dataclass(frozen=True)
class Clip:
    """How a clip is processed.

    every: use every N-th frame; still: people stand still, so the median picture shows them; empty:
    first and last frame of a part without people, if there is one.
    """

    name: str
    every: int
    still: bool = False
    pitch: float = 5.0
    empty: tuple[int, int] | None = None


CLIPS = (
    Clip("one-by-one-person-detection.mp4", 9, pitch=12, empty=(690, 712)),
    Clip("worker-zone-detection.avi", 3, pitch=20),
    Clip("store-aisle-detection.avi", 4, still=True, pitch=25),
    Clip("face-demographics-walking.avi", 3, still=True),
    Clip("face-demographics-walking-and-pause.avi", 5, still=True),
    Clip("head-pose-face-detection-female.avi", 3, still=True),
    Clip("head-pose-face-detection-male.avi", 6, still=True),
    Clip("head-pose-face-detection-female-and-male.avi", 4, still=True),
    Clip("classroom.avi", 8, still=True, pitch=10),
)


def frames(path: Path) -> list[np.ndarray]:
    """Reads all frames of a clip."""
    clip, found = cv2.VideoCapture(str(path)), []
    while True:
        read, frame = clip.read()
        if not read:
            return found
        found.append(frame)


def mask_of(frame: np.ndarray, box: tuple[int, int, int, int], difference: np.ndarray | None, face=None) -> np.ndarray:
    """Segments the person's pixels in a frame, uint8, 0 or 255.

    box: left, top, right, bottom; difference: uint8 [h, w]; face: left, top, width, height.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    trust = np.full(frame.shape[:2], cv2.GC_BGD, np.uint8)
    trust[top:bottom, left:right] = cv2.GC_PR_BGD
    if difference is not None:
        inside = difference[top:bottom, left:right]
        trust[top:bottom, left:right][inside > 14] = cv2.GC_PR_FGD
        trust[top:bottom, left:right][inside > 55] = cv2.GC_FGD
        trust[top:bottom, left:right][inside < 5] = cv2.GC_BGD
    else:
        middle = (left + right) // 2
        tall = height > 1.6 * width
        head = int(height * (0.14 if tall else 0.3))
        cv2.ellipse(trust, (middle, top + head), (int(width * 0.3), head), 0, 0, 360, cv2.GC_PR_FGD, -1)
        trust[top + 2 * head : bottom, left + width // 6 : right - width // 6] = cv2.GC_PR_FGD
        trust[top + 3 * head : bottom, middle - width // 8 : middle + width // 8] = cv2.GC_FGD
    if face is not None:
        x, y, w, h = (float(v) for v in face)
        cv2.ellipse(trust, ((x + w / 2, y + h * 0.38), (w * 1.5, h * 1.6), 0), cv2.GC_PR_FGD, -1)
        cv2.ellipse(trust, ((x + w / 2, y + h / 2), (w, h * 1.1), 0), cv2.GC_FGD, -1)
    pad = 24
    y0, y1 = max(0, top - pad), min(frame.shape[0], bottom + pad)
    x0, x1 = max(0, left - pad), min(frame.shape[1], right + pad)
    part = np.ascontiguousarray(trust[y0:y1, x0:x1])
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(np.ascontiguousarray(frame[y0:y1, x0:x1]), part, None, *models, 4, cv2.GC_INIT_WITH_MASK)
    mask = np.zeros(frame.shape[:2], np.uint8)
    mask[y0:y1, x0:x1] = np.isin(part, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return mask * 0
    mask = (parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(mask * 0, outline, -1, 255, -1)


def head_of(mask: np.ndarray, face: tuple[float, ...] | None, whole: bool) -> tuple[float, float, float, float] | None:
    """Finds the head: centre x, y, width and height. None if the outline is not a person's.

    face: left, top, width, height of the face up to the brow; whole: the feet are in the picture.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) < MIN_HEIGHT_PX:
        return None
    top, height = rows[0], len(rows)
    if face is not None:
        x, y, w, h = face
        chin, middle = y + h * 1.02, x + w / 2
        crown = max(top, y - 0.35 * h)
        if crown > y + 0.2 * h:
            return None
        return middle, (crown + chin) / 2, w * 1.25, chin - crown
    # From behind: a head is 1/8 to 1/6 of a standing person. The neck is the thinnest part near
    # there.
    low, high = (0.125, 0.17) if whole else (0.2, 0.45)
    widths = (mask > 0).sum(axis=1).astype(float)
    neck = top + int(height * low) + int(widths[top + int(height * low) : top + int(height * high)].argmin())
    size = float(neck - top)
    columns = np.flatnonzero(mask[top : top + max(2, int(size * 0.8))].any(axis=0))
    if not 0.5 < len(columns) / size < 1.6:
        return None
    # If long hair hides the neck, the search finds its start, which is too high.
    size = max(size, 0.138 * height) if whole else size
    xs = np.nonzero(mask[top : top + max(2, int(size * 0.8))])[1]
    return float(xs.mean()) + 0.5, top + size / 2, len(columns), size


def cut(
    frame: np.ndarray, mask: np.ndarray, head: tuple[float, float, float, float], clip: Clip, whole: bool
) -> Sprite:
    """Cuts the person out with a soft outline, and marks the head."""
    x, y, width, height = head
    soft = cv2.GaussianBlur(cv2.erode(mask, np.ones((3, 3), np.uint8)), (3, 3), 0)
    shape = np.zeros_like(mask)
    axes = (width * 0.62, height * 0.56)
    cv2.ellipse(shape, ((x, y), (axes[0] * 2, axes[1] * 2), 0), 255, -1)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    at = np.s_[y0:y1, x0:x1]
    return Sprite(
        frame[at].copy(), soft[at].copy(), cv2.min(shape, soft)[at].copy(), x - x0, y - y0, height, clip.pitch, whole
    )


def people(folder: Path, clip: Clip, detector, faces) -> list[Sprite]:
    """Cuts all people with a good outline out of a clip."""
    pictures = frames(folder / clip.name)
    first, last = clip.empty or (0, len(pictures))
    median = np.median(np.stack(pictures[first : last : max(1, (last - first) // 41)]), axis=0).astype(np.uint8)
    height, width = median.shape[:2]
    placed = golden_nanodet.placed_size((width, height))
    found = []
    for frame in pictures[:: clip.every]:
        boxes = [
            b
            for b, score in golden_nanodet.persons(detector, cv2.resize(frame, placed), (width, height))
            if score > 0.45
        ]
        faces.setInputSize((width, height))
        seen = faces.detect(frame)[1]
        seen = [] if seen is None else seen
        difference = None if clip.still else cv2.GaussianBlur(cv2.absdiff(frame, median), (5, 5), 0).max(axis=2)
        for i, (x, y, w, h) in enumerate(boxes):
            if any(j != i and _shared((x, y, w, h), other) > 0.12 for j, other in enumerate(boxes)):
                continue
            box = max(0, int(x) - 4), max(0, int(y) - 5), min(width, int(x + w) + 5), min(height, int(y + h) + 5)
            if box[3] - box[1] < MIN_HEIGHT_PX or box[0] <= 0 or box[2] >= width or y < 3:
                continue
            whole = box[3] < height - 3 and h > 2.0 * w
            face = next(
                (f[:4] for f in seen if x < f[0] + f[2] / 2 < x + w and y - 5 < f[1] + f[3] / 2 < y + h / 2), None
            )
            mask = mask_of(frame, box, difference, face)
            filled = (mask > 0).sum() / (w * h)
            head = head_of(mask, face, whole)
            if head is not None and 0.3 < filled < 0.9:
                found.append(cut(frame, mask, head, clip, whole))
    return found


def _shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Returns the share of `one`'s area that `other` covers; both are left, top, width, height."""
    w = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    h = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0.0, w) * max(0.0, h) / (one[2] * one[3])


def sheet(sprites: list[Sprite], columns: int = 16) -> np.ndarray:
    """Draws all sprites on green with marked heads, for visual inspection."""
    tiles = []
    for i, s in enumerate(sprites):
        alpha = s.alpha[..., None] / 255
        tile = (s.bgr * alpha + np.array([0, 200, 0]) * (1 - alpha)).astype(np.uint8)
        cv2.circle(tile, (int(s.x), int(s.y)), int(s.height / 2), (0, 0, 255), 1)
        scale = min(110 / tile.shape[1], 200 / tile.shape[0])
        tile = cv2.resize(tile, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        tile = cv2.copyMakeBorder(tile, 0, 200 - tile.shape[0], 0, 110 - tile.shape[1], cv2.BORDER_CONSTANT)
        cv2.putText(tile, str(i), (2, 195), 0, 0.4, (0, 255, 255), 1)
        tiles.append(tile)
    tiles += [np.zeros((200, 110, 3), np.uint8)] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of the Intel sample videos")
    parser.add_argument("--detector", type=Path, required=True, help="converted NanoDet")
    parser.add_argument("--faces", type=Path, required=True, help="YuNet")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet here")
    parser.add_argument(
        "--keep", type=Path, default=KEEP, help="file with the sheet's numbers to keep; suffix b: without the legs"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    detector = onnxruntime.InferenceSession(str(arguments.detector), options)
    faces = cv2.FaceDetectorYN.create(str(arguments.faces), "", (320, 320), 0.7)
    sprites: list[Sprite] = []
    for clip in CLIPS:
        cut_out = people(arguments.clips, clip, detector, faces)
        print(f"{clip.name}: {len(sprites)} to {len(sprites) + len(cut_out) - 1}", flush=True)
        sprites += cut_out
    if arguments.sheet:
        cv2.imwrite(str(arguments.sheet), sheet(sprites))
    words = [line.split("#")[0].split() for line in arguments.keep.read_text(encoding="utf-8").splitlines()]
    wanted = [word for line in words for word in line]
    kept = [sprites[int(w.rstrip("b"))].bust(2.2) if w.endswith("b") else sprites[int(w)] for w in wanted]
    sprite.save(arguments.out, kept)
    print(f"{len(kept)} kept")


if __name__ == "__main__":
    main()
