"""Simulates lens, sensor and file format. The effects are mild, because training adds more."""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator


def finish(rng: Rng, bgr: np.ndarray) -> np.ndarray:
    """Applies the effects: BGR uint8 in and out, of the same size."""
    picture = bgr.astype(np.float32)
    if rng.random() < 0.4:
        picture = 255 * (picture / 255) ** np.exp(rng.uniform(-0.35, 0.35))
    if rng.random() < 0.08:
        # Night: low, coloured light.
        picture *= rng.uniform(0.4, 0.75) * np.exp(rng.normal(0, 0.12, 3))
    if rng.random() < 0.3:
        rows, columns = np.mgrid[0 : bgr.shape[0], 0 : bgr.shape[1]]
        away = (columns / bgr.shape[1] - 0.5) ** 2 + (rows / bgr.shape[0] - 0.5) ** 2
        picture *= (1 - rng.uniform(0.2, 0.8) * away)[..., None]
    if rng.random() < 0.25:
        grey = picture.mean(axis=2, keepdims=True)
        picture = grey + (picture - grey) * rng.uniform(0, 0.8)
    how = rng.random()
    if how < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.35, 1.0))
    elif how < 0.6:
        picture += rng.uniform(0.3, 0.8) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.1))
    if rng.random() < 0.6:
        picture += rng.normal(0, rng.uniform(1, 7), picture.shape)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 92))])[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return picture
