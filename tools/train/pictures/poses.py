"""Makes random poses: standing, walking, sitting, with arms raised or folded."""

from __future__ import annotations

import numpy as np

from .bodies import NAMES, Shape, rotation_between
from .figures import rotation

Rng = np.random.Generator


def _aim(shape: Shape, turns: dict[str, np.ndarray], bone: str, direction, above: np.ndarray) -> np.ndarray:
    """Rotates a bone to a direction in the body's axes; returns its total rotation.

    above: the total rotation of the bone's parents.
    """
    start, end = shape.joints[NAMES.index(bone)]
    want = above.T @ np.asarray(direction, float)
    turns[bone] = rotation_between(end - start, want)
    return above @ turns[bone]


def pose(rng: Rng, shape: Shape, sitting: bool, active: bool) -> dict[str, np.ndarray]:
    """Draws bone rotations for `BaseMesh.posed`. active: arms are raised more often."""
    turns: dict[str, np.ndarray] = {}
    lean = rotation(0, rng.normal(0.03, 0.05)) @ rotation(1, rng.normal(0, 0.08))
    turns["spine_02"] = lean
    turns["neck_01"] = rotation(0, rng.normal(0.05, 0.12)) @ rotation(1, rng.normal(0, 0.2))
    turns["head"] = (
        rotation(0, rng.normal(0.05, 0.16)) @ rotation(1, rng.normal(0, 0.28)) @ rotation(2, rng.normal(0, 0.07))
    )
    arms = rng.choice(["down", "phone", "up", "folded", "walk", "clap"], p=[0.42, 0.13, 0.07, 0.1, 0.2, 0.08])
    if active:
        arms = rng.choice(["up", "clap", "phone", "down"], p=[0.45, 0.2, 0.15, 0.2])
    for side, s in (("l", 1.0), ("r", -1.0)):
        upper, lower = _arm(rng, str(arms), s, sitting)
        above = _aim(shape, turns, f"upperarm_{side}", upper, lean)
        _aim(shape, turns, f"lowerarm_{side}", lower, above)
    stride = abs(rng.normal(0, 0.45)) if rng.random() < 0.55 else abs(rng.normal(0, 0.06))
    for side, s in (("l", 1.0), ("r", -1.0)):
        if sitting:
            thigh, calf = [s * rng.uniform(0.05, 0.25), -0.12, 1.0], [0.0, -1.0, rng.uniform(-0.25, 0.2)]
        else:
            thigh, calf = [s * 0.06, -1.0, s * stride], [s * 0.03, -1.0, s * stride * 0.6 - stride * 0.45]
        above = _aim(shape, turns, f"thigh_{side}", thigh, np.eye(3))
        above = _aim(shape, turns, f"calf_{side}", calf, above)
        start, end = shape.joints[NAMES.index(f"foot_{side}")]
        turns[f"foot_{side}"] = above.T @ rotation(1, s * 0.15)
    return turns


def _arm(rng: Rng, arms: str, s: float, sitting: bool) -> tuple[list[float], list[float]]:
    """Draws the directions of the upper and lower arm. s: +1 left, -1 right."""
    if arms == "up" and (s > 0 or rng.random() < 0.6):
        return [s * rng.uniform(0.2, 0.8), rng.uniform(0.3, 1.0), rng.uniform(-0.1, 0.5)], [
            s * rng.uniform(-0.3, 0.3),
            1.0,
            rng.uniform(-0.1, 0.4),
        ]
    if arms == "clap":
        return [s * 0.3, -0.9, 0.35], [-s * 0.45, rng.uniform(0.2, 0.9), 0.8]
    if arms == "phone" and (s < 0 or rng.random() < 0.4):
        return [s * 0.2, -0.9, rng.uniform(0.15, 0.5)], [-s * 0.3, rng.uniform(0.1, 0.8), 0.8]
    if arms == "folded":
        return [s * 0.25, -0.95, 0.15], [-s * 0.95, -0.05, 0.4]
    if sitting:
        return [s * 0.2, -1.0, 0.2], [-s * 0.25, -0.4, 0.9]
    swing = rng.normal(0, 0.3) if arms == "walk" else rng.normal(0, 0.08)
    return [s * rng.uniform(0.12, 0.25), -1.0, swing], [s * 0.05, -1.0, swing + rng.uniform(0.05, 0.3)]
