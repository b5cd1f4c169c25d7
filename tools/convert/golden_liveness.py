"""Reference for liveness: crop, pre-processing and softmax in numpy, with the published model."""

import cv2
import numpy as np

SURROUNDINGS = 2.7
SIDE = 128
LIVE_CLASS = 0


def crop_along_axis(start, length, scale, frame):
    """Returns first pixel and length of the crop along one axis.

    The crop is centred on the face, then moved inside the frame.
    """
    cut = length * scale
    first = start + (length - cut) / 2
    return min(max(first, 0.0), max(frame - 1 - cut, 0.0)), cut


def crop_rectangle(box, size):
    """Returns the crop [left, top, width, height] in whole pixels, as the model's package does."""
    x, y, w, h = box
    width, height = size
    scale = min((height - 1) / h, (width - 1) / w, SURROUNDINGS)
    (left, cut_width), (top, cut_height) = crop_along_axis(x, w, scale, width), crop_along_axis(y, h, scale, height)
    return [int(left), int(top), int(left + cut_width) - int(left), int(top + cut_height) - int(top)]


def crop_on_chroma_grid(box, size):
    """Returns the same crop in whole chroma samples."""
    x, y, w, h = box
    width, height = size
    scale = min((height - 1) / h, (width - 1) / w, SURROUNDINGS)
    sides = []
    for start, length, frame in ((x, w, width), (y, h, height)):
        first, side = crop_along_axis(start, length, scale, frame)
        side = min(max(int(side) // 2 * 2, 2), frame)
        sides.append((min(int(first) // 2 * 2, frame - side), side))
    return [sides[0][0], sides[1][0], sides[0][1], sides[1][1]]


def crop(picture, path, box):
    """Crops a picture to 128x128 BGR, from BGR or from the I420 planes."""
    if path == "bgr":
        x, y, w, h = crop_rectangle(box, picture.size)
        return cv2.resize(picture.bgr[y : y + h, x : x + w], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    x, y, w, h = crop_on_chroma_grid(box, picture.size)
    width, height = picture.size
    flat, luma = picture.i420.ravel(), width * height
    planes = [(flat[:luma].reshape(height, width), SIDE, 1)]
    planes += [(part.reshape(height // 2, width // 2), SIDE // 2, 2) for part in np.split(flat[luma:], 2)]
    small = [
        cv2.resize(plane[y // s : (y + h) // s, x // s : (x + w) // s], (side, side), interpolation=cv2.INTER_LINEAR)
        for plane, side, s in planes
    ]
    packed = np.concatenate([plane.ravel() for plane in small]).reshape(SIDE // 2 * 3, SIDE)
    return cv2.cvtColor(packed, cv2.COLOR_YUV2BGR_I420)


def live_probability(session, bgr):
    """Returns the probability that the face is live."""
    tensor = bgr.transpose(2, 0, 1)[None].astype(np.float32)
    logits = session.run(None, {session.get_inputs()[0].name: tensor})[0][0].astype(np.float64)
    shares = np.exp(logits - logits.max())
    return float(shares[LIVE_CLASS] / shares.sum())
