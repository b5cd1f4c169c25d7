"""Draws things that resemble people: balls, bollards, plants, seats, clothes racks, balloons.

They are drawn like the figures, so that the style gives no hint. No thing has a head.
"""

from __future__ import annotations

import numpy as np

from .figures import Part, Rng, draw, limb
from .people import any_colour, body_parts
from .sprite import Sprite

#: The kinds of things.
KINDS = (
    "ball",
    "bollard",
    "cone",
    "bin",
    "plant",
    "tree",
    "seat",
    "rack",
    "lamp",
    "balloon",
    "umbrella",
    "wheel",
    "sacks",
    "sign",
)


def parts_of(kind: str, rng: Rng) -> list[Part]:
    """Makes the parts of a thing. Lengths are in heads; the ground is at about -6.8."""
    colour, other = any_colour(rng), any_colour(rng)
    at = np.array
    if kind == "ball":
        return [Part(at([0, 0, 0]), np.full(3, rng.uniform(0.35, 0.8)), colour, gloss=rng.uniform(0, 0.8))]
    if kind == "bollard":
        knob = [Part(at([0, -3.6, 0]), np.full(3, rng.uniform(0.3, 0.55)), colour)] if rng.random() < 0.5 else []
        return [limb([0, -6.8, 0], [0, -3.8, 0], 0.35, colour), *knob]
    if kind == "cone":
        return [
            Part(at([0, -6 + i * 0.35, 0]), at([0.75 - i * 0.12, 0.3, 0.75 - i * 0.12]), colour if i % 2 else other)
            for i in range(6)
        ]
    if kind == "bin":
        return [limb([0, -6.8, 0], [0, -3.2, 0], 0.8, colour), Part(at([0, -2.9, 0]), at([0.9, 0.25, 0.9]), other)]
    if kind in ("plant", "tree"):
        green = at([40, 95, 60]) * rng.uniform(0.5, 1.5)
        spread, count = (0.9, 14) if kind == "plant" else (2.6, 40)
        crown = [
            Part(
                rng.normal(0, spread * 0.55, 3) + [0, -3.2 if kind == "plant" else 2.0, 0],
                rng.uniform(0.15, 0.45, 3) * spread * 0.8,
                green * rng.uniform(0.6, 1.4),
            )
            for _ in range(count)
        ]
        return [
            limb([0, -6.8, 0], [0, -3.5 if kind == "plant" else 1.0, 0], 0.5 if kind == "plant" else 0.25, other),
            *crown,
        ]
    if kind == "seat":
        back = Part(at([0, -3.0, -0.6]), at([0.95, rng.uniform(0.8, 1.6), 0.15]), colour)
        return [
            back,
            Part(at([0, -4.6, 0.2]), at([0.95, 0.2, 0.95]), colour),
            limb([0, -6.8, 0], [0, -4.6, 0], 0.15, other),
        ]
    if kind == "rack":
        return [p for p in body_parts(rng, any_colour(rng), rng.random() < 0.5, False) if p.centre[1] > -3.4]
    if kind == "lamp":
        return [
            limb([0, -6.8, 0], [0, 4, 0], 0.12, other * 0.6),
            Part(at([0, 4.2, 0]), np.full(3, 0.5), at([225.0, 240, 250])),
        ]
    if kind == "balloon":
        return [
            Part(rng.normal(0, 0.9, 3), at([0.45, 0.55, 0.45]), any_colour(rng), gloss=0.9)
            for _ in range(int(rng.integers(1, 6)))
        ]
    if kind == "umbrella":
        return [Part(at([0, 1.2, 0]), at([2.0, 0.6, 2.0]), colour), limb([0, 1.2, 0], [0, -4, 0], 0.06, other)]
    if kind == "wheel":
        rim = [np.array([1.3 * np.cos(a), -5.4 + 1.3 * np.sin(a), 0]) for a in np.linspace(0, 2 * np.pi, 17)]
        one = [limb(p, q, 0.09, other * 0.4) for p, q in zip(rim, rim[1:], strict=False)]
        two = [Part(p.centre + [3.6, 0, 0], p.radii, p.paint, p.turn) for p in one]
        frame = [
            ([0, -5.4, 0], [1.3, -3.9, 0]),
            ([1.3, -3.9, 0], [3.2, -4.0, 0]),
            ([3.6, -5.4, 0], [3.1, -3.4, 0]),
            ([1.3, -3.9, 0], [1.8, -5.4, 0]),
        ]
        return one + two + [limb(p, q, 0.08, colour) for p, q in frame]
    if kind == "sign":
        return [
            Part(at([0, 0.5, 0]), at([0.9, 0.9, 0.06]), colour),
            Part(at([0, 0.5, 0.05]), at([0.7, 0.25, 0.05]), other),
            limb([0, -6.8, 0], [0, 0.5, 0], 0.07, other),
        ]
    return [
        Part(
            rng.normal(0, 0.8, 3) * [1.6, 0.4, 0.8] + [0, -5.9, 0],
            rng.uniform(0.45, 0.9, 3),
            colour * rng.uniform(0.7, 1.2),
        )
        for _ in range(8)
    ]


def thing(rng: Rng, pitch: float, head_px: float = 40.0) -> Sprite:
    """Draws a random thing for a camera that looks down by `pitch` (radians); it has no head."""
    kind = KINDS[rng.integers(len(KINDS))]
    light = np.array([rng.uniform(0.0, 0.9), rng.uniform(0.3, 1.0), rng.uniform(-0.3, 0.9)])
    return draw(
        parts_of(kind, rng),
        rng.uniform(0, 6.3),
        pitch,
        head_px,
        rng,
        light / np.linalg.norm(light),
        rng.uniform(0.45, 0.95),
    )
