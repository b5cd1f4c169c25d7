"""Places random crowds for a camera, in metres on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .geometry import HEAD_CENTRE_M, HEAD_M, Camera

Rng = np.random.Generator

LAYOUTS = ("scattered", "groups", "packed", "rows", "stand", "queue", "ring", "column")


@dataclass(frozen=True)
class Crowd:
    """A crowd. feet: [n, 3] metres; facing: [n], 0 looks at the camera; seated: heads are lower."""

    feet: np.ndarray
    facing: np.ndarray
    seated: bool = False


def visible_ground(camera: Camera, size: tuple[int, int], min_head_px: float) -> tuple[float, float]:
    """Returns nearest and farthest Z of standing people with visible heads of `min_head_px`."""
    near = max(0.4, camera.ground_at(size[1] * 1.03, HEAD_CENTRE_M))
    top = camera.ground_at(0.0, HEAD_CENTRE_M)
    far = camera.focal_px * HEAD_M / min_head_px / max(0.2, math.cos(camera.pitch))
    return near, max(near * 1.02, min(far, top * 1.02))


def place(rng: Rng, camera: Camera, size: tuple[int, int], layout: str, density: float, at_most: int) -> Crowd:
    """Places a crowd of about `density` persons per square metre, at most `at_most` in view."""
    largest = camera.head_px(
        camera.project(np.array([[0.0, HEAD_CENTRE_M, visible_ground(camera, size, 1.0)[0]]]))[1][0]
    )
    sparse = layout in ("scattered", "groups", "queue")
    near, far = visible_ground(camera, size, max(4.6, largest * (rng.uniform(0.08, 0.6) if sparse else 0.0)))
    if layout == "scattered":
        x, z = _uniform(rng, camera, size, near, far, min(at_most, 60 if density > 0.3 else 25))
        facing = rng.uniform(0, 2 * math.pi, len(x))
    elif layout == "groups":
        x, z = _groups(rng, camera, size, near, far, at_most)
        facing = rng.uniform(0, 2 * math.pi, len(x))
    elif layout == "queue":
        x, z = _queue(rng, camera, size, near, far, at_most)
        facing = np.full(len(x), rng.uniform(0, 6.3)) + rng.normal(0, 0.4, len(x))
    elif layout in ("rows", "stand"):
        x, z = _rows(rng, camera, size, near, far, density)
        facing = np.full(len(x), rng.choice([0.0, 0.3, math.pi])) + rng.normal(0, 0.25, len(x))
    else:
        x, z = _packed(rng, camera, size, near, far, density)
        x, z = _cut_to_layout(rng, layout, x, z)
        facing = np.full(len(x), rng.choice([0.0, math.pi, rng.uniform(0, 6.3)])) + rng.normal(0, 0.6, len(x))
    y = np.zeros(len(x))
    if layout == "stand":
        y = (z - z.min()) * rng.uniform(0.25, 0.6) if len(z) else y
    feet = np.stack([x, y, z], axis=1)
    pixels, depth = camera.project(feet + [0, HEAD_CENTRE_M, 0])
    margin = camera.focal_px * HEAD_M / np.maximum(depth, 0.3)
    seen = (depth > 0.3) & (pixels[:, 0] > -margin) & (pixels[:, 0] < size[0] + margin)
    seen &= (pixels[:, 1] > -margin) & (pixels[:, 1] < size[1] + margin)
    return limit_crowd(
        rng, camera, Crowd(feet[seen], facing[seen], layout in ("rows", "stand") and rng.random() < 0.6), at_most
    )


def limit_crowd(rng: Rng, camera: Camera, crowd: Crowd, at_most: int) -> Crowd:
    """Limits a crowd to `at_most` people: cuts its far or near side, or thins it."""
    if len(crowd.feet) <= at_most:
        return crowd
    order = np.argsort(camera.project(crowd.feet)[1])
    how = rng.random()
    keep = order[:at_most] if how < 0.6 else order[-at_most:] if how < 0.72 else rng.permutation(len(order))[:at_most]
    return Crowd(crowd.feet[keep], crowd.facing[keep], crowd.seated)


def _half_width(camera: Camera, size: tuple[int, int], z: np.ndarray | float) -> np.ndarray | float:
    """Returns about half the width of the picture at Z, in metres."""
    depth = z * math.cos(camera.pitch) + max(0.0, camera.height_m - HEAD_CENTRE_M) * math.sin(camera.pitch)
    return size[0] / 2 / camera.focal_px * depth * 1.05


def _uniform(rng: Rng, camera: Camera, size, near: float, far: float, at_most: int) -> tuple[np.ndarray, np.ndarray]:
    n = int(math.exp(rng.uniform(0, math.log(at_most + 1))))
    # Uniform in the logarithm of distance; otherwise nearly all people would be far away.
    z = np.exp(rng.uniform(math.log(near), math.log(far), n)) if rng.random() < 0.6 else rng.uniform(near, far, n)
    return rng.uniform(-1, 1, n) * _half_width(camera, size, z), z


def _groups(rng: Rng, camera: Camera, size, near: float, far: float, at_most: int) -> tuple[np.ndarray, np.ndarray]:
    xs, zs = [], []
    for _ in range(int(rng.integers(1, 12))):
        n = min(int(rng.geometric(0.18)) + 1, 40)
        cx, cz = _uniform(rng, camera, size, near, far, 1)
        cx, cz = (cx[0], cz[0]) if len(cx) else (0.0, (near + far) / 2)
        spread = 0.45 * math.sqrt(n) * rng.uniform(0.7, 1.6)
        xs.append(cx + rng.normal(0, spread, n))
        zs.append(np.maximum(near * 0.9, cz + rng.normal(0, spread, n)))
    return np.concatenate(xs)[:at_most], np.concatenate(zs)[:at_most]


def _queue(rng: Rng, camera: Camera, size, near: float, far: float, at_most: int) -> tuple[np.ndarray, np.ndarray]:
    n = int(rng.integers(4, max(5, min(90, at_most))))
    gap, turn = rng.uniform(0.45, 1.2), rng.uniform(-math.pi, math.pi)
    bend = rng.normal(0, 0.08)
    angles = turn + bend * np.arange(n)
    middle = rng.uniform(near, min(far, near + 25))
    wander = rng.normal(0, 0.15, (2, n))
    return (
        np.cumsum(gap * np.cos(angles)) + wander[0],
        np.maximum(0.5, middle + np.cumsum(gap * np.sin(angles))) + wander[1],
    )


def _rows(rng: Rng, camera: Camera, size, near: float, far: float, density: float) -> tuple[np.ndarray, np.ndarray]:
    between, spacing = rng.uniform(0.7, 1.2), rng.uniform(0.48, 0.75)
    taken = min(0.98, rng.uniform(0.55, 1.1) * density / 3)
    start = near + rng.uniform(0, 0.4) * min(10.0, far - near)
    xs, zs = [], []
    for z in np.arange(start, min(far, start + 60), between):
        half = _half_width(camera, size, z)
        x = np.arange(-half, half, spacing)
        x = x[rng.random(len(x)) < taken] + rng.normal(0, 0.05)
        xs.append(x + rng.normal(0, 0.05, len(x)))
        zs.append(z + rng.normal(0, 0.06, len(x)))
        if sum(map(len, xs)) > 6000:
            break
    return np.concatenate(xs), np.concatenate(zs)


def _packed(rng: Rng, camera: Camera, size, near: float, far: float, density: float) -> tuple[np.ndarray, np.ndarray]:
    """Fills the view with a jittered triangular lattice with holes."""
    step = 1 / math.sqrt(density)
    jitter = rng.uniform(0.12, 0.3) * step
    xs, zs, total = [], [], 0
    for i, z in enumerate(np.arange(near * 0.97, far, step * 0.93)):
        half = _half_width(camera, size, z)
        x = np.arange(-half, half, step * 1.07) + (i % 2) * step / 2
        xs.append(x + rng.normal(0, jitter, len(x)))
        zs.append(z + rng.normal(0, jitter, len(x)))
        total += len(x)
        if total > 8000:
            break
    x, z = np.concatenate(xs), np.maximum(0.4, np.concatenate(zs))
    wave = rng.uniform(1.5, 8, 2)
    phase = rng.uniform(0, 6, 2)
    thin = np.sin(x / wave[0] + phase[0]) + np.sin(z / wave[1] + phase[1])
    keep = rng.random(len(x)) < np.clip(1.15 - rng.uniform(0, 0.45) * np.maximum(0, thin), 0.05, 1)
    return x[keep], z[keep]


def _cut_to_layout(rng: Rng, layout: str, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a packed crowd to a ring around an object, or to a column on a street."""
    if not len(x) or layout == "packed":
        return x, z
    if layout == "ring":
        cx, cz, inner = rng.choice(x), rng.choice(z), rng.uniform(1, 5)
        away = np.hypot(x - cx, z - cz)
        keep = (away > inner) & (away < inner + rng.uniform(1.5, 12))
    else:
        angle, wide = rng.uniform(-0.6, 0.6) + rng.choice([0, math.pi / 2]), rng.uniform(2, 9)
        across = (x - np.median(x)) * math.cos(angle) + (z - rng.choice(z)) * math.sin(angle)
        keep = np.abs(across) < wide / 2
    return x[keep], z[keep]
