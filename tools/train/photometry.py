"""Simulates effects of cameras, weather and codecs, at random. No function moves a pixel.

Every function takes and returns BGR pixels [h, w, 3]: float32 between 0 and 255 unless it says
uint8.
"""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator


def _colour(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Changes exposure, contrast, gamma, white balance and saturation; sometimes to grey."""
    if rng.random() < 0.6:
        image = 255.0 * (np.clip(image, 0, 255) / 255.0) ** np.float32(np.exp(rng.uniform(-0.6, 0.6)))
    image = image * np.float32(rng.uniform(0.6, 1.4)) + np.float32(rng.uniform(-30, 30))
    if rng.random() < 0.6:
        image = image * rng.uniform(0.8, 1.2, 3).astype(np.float32)
    saturation = 0.0 if rng.random() < 0.15 else rng.uniform(0.3, 1.7)
    grey = image.mean(axis=2, keepdims=True)
    return grey + (image - grey) * np.float32(saturation)


def _night(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Simulates low light: dark, tinted, noisy, sometimes with the light of a lamp."""
    height, width = image.shape[:2]
    light = np.full((height, width, 1), rng.uniform(0.2, 0.55), np.float32)
    if rng.random() < 0.6:
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        reach = rng.uniform(0.15, 0.6) * width
        across = (np.arange(width, dtype=np.float32) - x) ** 2
        down = (np.arange(height, dtype=np.float32) - y) ** 2
        light[..., 0] += rng.uniform(0.2, 0.8) * np.exp(-(across[None] + down[:, None]) / (2 * reach**2))
    tint = rng.uniform(0.75, 1.1, 3).astype(np.float32)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(3, 14))
    return image * light * tint + noise


def _haze(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Adds haze that increases upwards, where a picture shows distant objects."""
    veil = rng.uniform(130, 240, 3).astype(np.float32) if rng.random() < 0.3 else np.float32(rng.uniform(130, 240))
    far, near = rng.uniform(0.2, 0.7), rng.uniform(0.0, 0.25)
    amount = np.linspace(far, near, image.shape[0], dtype=np.float32)[:, None, None]
    return image * (1 - amount) + veil * amount


def _shade(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Applies uneven light: a smooth random field of four by four values."""
    field = rng.uniform(0.55, 1.35, (4, 4)).astype(np.float32)
    return image * cv2.resize(field, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)[..., None]


def _motion(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Applies a short linear motion blur."""
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = (length - 1) / 2
    offset = np.array([np.cos(angle), np.sin(angle)]) * reach
    start, end = np.round(reach - offset).astype(int), np.round(reach + offset).astype(int)
    cv2.line(kernel, tuple(map(int, start)), tuple(map(int, end)), 1.0)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _sharpness(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Applies defocus, motion blur, oversharpening, or upscaling."""
    chance = rng.random()
    if chance < 0.2:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.7))
    if chance < 0.27:
        return _motion(rng, image)
    if chance < 0.42:
        return image + np.float32(rng.uniform(0.4, 1.2)) * (image - cv2.GaussianBlur(image, (0, 0), 1.2))
    if chance < 0.58:
        scale = rng.uniform(0.4, 0.85)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        way = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[rng.choice(3, p=[0.5, 0.4, 0.1])]
        return cv2.resize(small, image.shape[1::-1], interpolation=way)
    return image


def _noise(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Adds sensor noise, fine or coarse (as after a codec or demosaicing)."""
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 12))
    if rng.random() < 0.4:
        noise = cv2.GaussianBlur(noise, (0, 0), 0.8) * np.float32(1.8)
    return image + noise


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Encodes and decodes as JPEG, uint8."""
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def _blocky(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Simulates a low-bit-rate stream, uint8: coarse blocks larger than JPEG's eight pixels."""
    scale = rng.uniform(0.6, 1.5)
    other = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return cv2.resize(_jpeg(other, int(rng.integers(12, 40))), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def photograph(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Converts a picture (uint8) to one of another random camera (uint8)."""
    if rng.random() < 0.05:
        return image
    result = _colour(rng, image.astype(np.float32))
    for chance, change in ((0.1, _haze), (0.15, _shade), (0.07, _night), (1.0, _sharpness), (0.4, _noise)):
        if rng.random() < chance:
            result = change(rng, result)
    result = np.clip(result, 0, 255).astype(np.uint8)
    compression = rng.random()
    if compression < 0.4:
        return _jpeg(result, int(rng.integers(30, 96)))
    if compression < 0.6:
        return _blocky(rng, result)
    return result
