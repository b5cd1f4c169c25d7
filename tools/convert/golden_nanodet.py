"""Reference for persons: NanoDet-g's pre-processing, decoding and suppression in plain numpy.

Follows the network's authors. A distance is the mean of an 11-bin distribution, in strides, from
the centre of a cell. The centre is half a cell from the corner, as in the versions before
NanoDet-Plus. Boxes are clipped to the input. Non-maximum suppression is per class with an IoU of
0.6.
"""

import numpy as np

STRIDES = (8, 16, 32)
BINS = 11
LONGER_SIDE = 416
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
STD = np.array([57.375, 57.12, 58.395], np.float32)
MIN_SCORE = 0.3
MAX_IOU = 0.6


def tensor(bgr):
    """Converts a BGR picture of the network's size to 1x3xHxW."""
    return ((bgr.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]


def candidates(outputs, size):
    """Decodes all cells: boxes (left, top, right, bottom in tensor pixels) and person scores."""
    width, height = size
    boxes, scores = [], []
    for stride in STRIDES:
        offers = outputs[f"people_{stride}"][0].reshape(1 + 4 * BINS, -1).T
        logits = offers[:, 1:].reshape(-1, 4, BINS)
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        left, top, right, bottom = ((shares * np.arange(BINS, dtype=np.float32)).sum(axis=2) * stride).T
        cell = np.arange(len(logits))
        x = (cell % (width // stride) + 0.5) * stride
        y = (cell // (width // stride) + 0.5) * stride
        boxes.append(np.stack([x - left, y - top, x + right, y + bottom], axis=1))
        scores.append(offers[:, 0])
    return np.concatenate(boxes).clip(0, [width, height, width, height]), np.concatenate(scores)


def suppress(boxes, scores, max_iou):
    """Returns the indices that remain, best first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        corner_a = np.maximum(boxes[best, :2], boxes[rest, :2])
        corner_b = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (corner_b - corner_a).clip(0).prod(axis=1)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        order = rest[shared / (areas[best] + areas[rest] - shared) <= max_iou]
    return kept


def placed_size(frame_size):
    """Returns a frame's size (width, height) in the tensor: longer side LONGER_SIDE, both even."""
    scale = LONGER_SIDE / max(frame_size)
    return tuple(round(side * scale / 2) * 2 for side in frame_size)


def persons(session, bgr, frame_size):
    """Finds people in a BGR picture of size `placed_size`.

    Boxes are (x, y, width, height) in pixels of the frame. The tensor's sides are the next
    multiples of 32. The picture is at the tensor's top left; the rest is black.
    """
    height, width = bgr.shape[:2]
    canvas = np.zeros(((height + 31) // 32 * 32, (width + 31) // 32 * 32, 3), np.uint8)
    canvas[:height, :width] = bgr
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"input": tensor(canvas)}), strict=True))
    boxes, scores = candidates(outputs, (canvas.shape[1], canvas.shape[0]))
    boxes = boxes.clip(0, [width, height, width, height])
    likely = scores >= MIN_SCORE
    boxes, scores = boxes[likely], scores[likely]
    kept = suppress(boxes, scores, MAX_IOU)
    scale = np.array([frame_size[0] / width, frame_size[1] / height] * 2)
    return [(_corner_and_sides(boxes[i] * scale), float(scores[i])) for i in kept]


def _corner_and_sides(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]
