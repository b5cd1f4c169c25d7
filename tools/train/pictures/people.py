"""Draws random figures: bodies, skin, hair, hats, clothes and poses."""

from __future__ import annotations

import cv2
import numpy as np

from .figures import Paint, Part, Rng, draw, limb, rotation
from .sprite import Sprite

#: Skin colours (BGR) from very light to very dark.
SKINS = np.array(
    [
        [190, 205, 235],
        [160, 185, 225],
        [140, 170, 215],
        [110, 145, 195],
        [85, 120, 170],
        [60, 90, 135],
        [40, 62, 98],
        [28, 42, 68],
    ],
    np.float64,
)
HAIRS = {
    "black": ([18, 16, 16], 0.36),
    "dark brown": ([24, 32, 44], 0.24),
    "brown": ([38, 58, 88], 0.14),
    "blond": ([95, 150, 190], 0.09),
    "grey": ([135, 138, 140], 0.07),
    "white": ([205, 208, 210], 0.03),
    "red": ([35, 60, 125], 0.03),
    "dyed": (None, 0.04),
}


def any_colour(rng: Rng) -> np.ndarray:
    """Draws a colour of clothes: mostly dark, grey, blue or white, rarely bright."""
    kind = rng.random()
    if kind < 0.4:
        return rng.uniform(12, 62) + rng.uniform(-7, 7, 3)
    if kind < 0.54:
        return rng.uniform(165, 238) + rng.uniform(-12, 12, 3)
    if kind < 0.66:
        return rng.uniform(62, 165) + rng.uniform(-10, 10, 3)
    if kind < 0.78:
        return np.array([rng.uniform(50, 140), rng.uniform(35, 85), rng.uniform(18, 60)])
    # Warm colours are more common on people than green and purple.
    hue = rng.choice([rng.normal(3, 7), rng.normal(22, 7), rng.uniform(0, 180)], p=[0.35, 0.2, 0.45]) % 180
    hsv = np.uint8([[[hue, np.clip(rng.gamma(3, 38), 25, 235), rng.integers(50, 240)]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(float)


def hair_colour(rng: Rng) -> np.ndarray:
    names = list(HAIRS)
    colour = HAIRS[names[rng.choice(len(names), p=[HAIRS[n][1] for n in names])]][0]
    colour = any_colour(rng) if colour is None else np.array(colour, float)
    return np.clip(colour * rng.uniform(0.7, 1.35) + rng.uniform(-6, 6, 3), 4, 245)


def cloth_paint(rng: Rng, colour: np.ndarray) -> Paint | np.ndarray:
    """Returns the paint of plain, striped, chequered or printed cloth."""
    kind, other = rng.random(), any_colour(rng)
    if kind < 0.68:
        return colour
    count, phase = rng.uniform(4, 14), rng.uniform(0, 6)
    across, both, print_only = kind < 0.76, kind < 0.84, kind >= 0.92

    def paint(unit: np.ndarray) -> np.ndarray:
        if print_only:
            on = (np.abs(unit[:, 0]) < 0.5) & (np.abs(unit[:, 1]) < 0.45) & (unit[:, 2] > 0)
        else:
            on = np.sin(unit[:, 1 if across else 0] * count + phase) > 0.3
            on = on ^ (np.sin(unit[:, 0] * count) > 0.3) if both and not across else on
        return np.where(on[:, None], other, colour)

    return paint


def _face(rng: Rng, skin: np.ndarray, hair: np.ndarray, hairline: float, extras: set[str]) -> Paint:
    """Returns the paint of a head: skin, eyes, brows, mouth and hair."""
    eye_height, sides = rng.uniform(0.02, 0.12), rng.uniform(-0.75, -0.2)
    lips = np.clip(skin * [0.75, 0.68, 0.95], 0, 255)
    cover = any_colour(rng) if rng.random() < 0.3 else np.array([225, 215, 205]) * rng.uniform(0.6, 1.05)
    beard = hair * 0.7 + skin * 0.3
    slant = rng.uniform(-0.25, 0.25)

    def paint(unit: np.ndarray) -> np.ndarray:
        x, y, z = unit.T
        colour = np.broadcast_to(skin, unit.shape).copy()
        front = z > 0.1
        colour[front & (np.abs(y - eye_height) < 0.11) & (np.abs(np.abs(x) - 0.42) < 0.2)] *= 0.72
        colour[front & (np.abs(y - eye_height) < 0.05) & (np.abs(np.abs(x) - 0.42) < 0.13)] *= 0.4
        colour[front & (np.abs(y - eye_height - 0.17) < 0.035) & (np.abs(np.abs(x) - 0.42) < 0.2)] = (
            hair * 0.8 + skin * 0.2
        )
        colour[front & (np.abs(x) < 0.1) & (y < eye_height - 0.22) & (y > eye_height - 0.33)] *= 0.75
        colour[front & (np.abs(y + 0.53) < 0.05) & (np.abs(x) < 0.27)] = lips
        if "beard" in extras:
            colour[(z > -0.15) & (y < -0.38) & ~(front & (np.abs(y + 0.53) < 0.05) & (np.abs(x) < 0.2))] = beard
        if "mask" in extras:
            colour[(z > 0) & (y < eye_height - 0.15)] = cover
        if "glasses" in extras:
            colour[front & (np.abs(y - eye_height) < 0.13) & (np.abs(np.abs(x) - 0.42) < 0.27)] *= 0.35
        if "bald" not in extras:
            line = hairline + slant * x - 0.35 * np.maximum(0, np.abs(x) - 0.55)
            back = (z < 0.25 * (y + 0.4)) & (y > -0.75) & (z < -sides * 0.25)
            colour[(y > line) | back] = hair
        return colour

    return paint


def head_parts(rng: Rng, skin: np.ndarray, hair: np.ndarray, woman: bool, straight: bool = False) -> list[Part]:
    """Makes head, neck, hair and headwear. straight: the head is not turned."""
    extras = set()
    if rng.random() < (0.0 if woman else 0.3):
        extras.add("beard")
    if rng.random() < 0.07:
        extras.add("mask")
    if rng.random() < 0.2:
        extras.add("glasses")
    if rng.random() < (0.01 if woman else 0.12):
        extras.add("bald")
    wide = rng.uniform(0.33, 0.39)
    hairline = rng.uniform(0.4, 0.66)
    paint = _face(rng, skin, hair, hairline, extras)
    nod = rotation(0, rng.normal(0.05, 0.18)) @ rotation(2, rng.normal(0, 0.08)) @ rotation(1, rng.normal(0, 0.3))

    nod = np.eye(3) if straight else nod

    def on_head(centre, radii, colour, turn=None, gloss=0.0) -> Part:
        return Part(
            nod @ np.array(centre, float), np.array(radii), colour, nod if turn is None else nod @ turn, True, gloss
        )

    parts = [on_head([0, 0, 0], [wide, 0.5, 0.42], paint, gloss=0.12)]
    parts.append(on_head([0, -0.07, 0.4], [0.06, 0.12, 0.08], skin * 0.95))
    parts += [on_head([s * wide * 0.98, -0.03, -0.02], [0.05, 0.11, 0.08], skin * 0.9) for s in (-1, 1)]
    parts.append(Part(np.array([0, -0.58, -0.06]), np.array([0.2, 0.36, 0.21]), skin * 0.82))
    cover = _headwear(rng)
    if cover in ("none", "cap", "hat") and "bald" not in extras:
        parts += _hair(rng, on_head, hair, wide, woman)
    parts += _hat(rng, on_head, cover, wide)
    return parts


def _headwear(rng: Rng) -> str:
    kinds = ["none", "cap", "beanie", "hat", "helmet", "hood", "scarf"]
    return kinds[rng.choice(len(kinds), p=[0.74, 0.09, 0.04, 0.04, 0.02, 0.03, 0.04])]


def _hair(rng: Rng, on_head, hair: np.ndarray, wide: float, woman: bool) -> list[Part]:
    volume = rng.uniform(0.01, 0.05)
    style = rng.choice(
        ["short", "long", "bob", "bun", "tail", "afro"],
        p=[0.1, 0.35, 0.22, 0.1, 0.17, 0.06] if woman else [0.88, 0.03, 0.04, 0.01, 0.01, 0.03],
    )
    gloss = rng.uniform(0.05, 0.35)
    back = [0, 0.12, -0.08 - volume]
    parts = [on_head(back, [wide + volume * 0.7, 0.41 + volume, 0.38 + volume], hair, gloss=gloss)]
    if style == "long":
        parts.append(
            on_head([0, -0.45, -0.26], [wide * rng.uniform(0.9, 1.15), rng.uniform(0.5, 1.1), 0.18], hair, gloss=gloss)
        )
        parts += [on_head([s * wide * 0.92, -0.25, -0.05], [0.09, 0.5, 0.17], hair * 0.95) for s in (-1, 1)]
    elif style == "bob":
        parts.append(on_head([0, -0.1, -0.15], [wide * 1.22, 0.46, 0.34], hair, gloss=gloss))
    elif style == "bun":
        parts.append(on_head([0, rng.uniform(0.1, 0.5), -0.45], [0.15, 0.15, 0.13], hair, gloss=gloss))
    elif style == "tail":
        parts.append(on_head([0, -0.3, -0.5], [0.09, 0.5, 0.09], hair, gloss=gloss))
    elif style == "afro":
        size = rng.uniform(0.08, 0.25)
        parts.append(on_head([0, 0.16, -0.08], [wide + size, 0.42 + size, 0.42 + size * 0.8], hair))
    return parts


def _hat(rng: Rng, on_head, cover: str, wide: float) -> list[Part]:
    if cover == "none":
        return []
    colour = any_colour(rng)
    shell = [wide + 0.045, 0.4, 0.47]
    if cover == "cap":
        turn = rotation(1, np.pi if rng.random() < 0.15 else 0.0)
        return [
            on_head([0, 0.17, -0.02], shell, colour),
            on_head(turn @ [0, 0.2, 0.5], [0.27, 0.045, 0.26], colour * 0.85, turn),
        ]
    if cover == "beanie":
        return [on_head([0, 0.2, -0.03], [wide + 0.06, 0.4, 0.46], cloth_paint(rng, colour))]
    if cover == "hat":
        brim = rng.uniform(0.55, 0.85)
        straw = np.array([120, 175, 205]) * rng.uniform(0.7, 1.15) if rng.random() < 0.4 else colour
        return [
            on_head([0, 0.27, -0.02], [wide + 0.05, 0.36, 0.45], straw),
            on_head([0, 0.2, 0], [brim, 0.05, brim], straw * 0.9),
        ]
    if cover == "helmet":
        bright = np.array([[30, 200, 235], [235, 235, 235], [40, 60, 220], [200, 110, 30], [30, 110, 240]])[
            rng.integers(5)
        ]
        return [
            on_head([0, 0.16, -0.02], [wide + 0.1, 0.46, 0.54], bright, gloss=0.9),
            on_head([0, 0.1, 0.1], [wide + 0.12, 0.05, 0.56], bright),
        ]

    def opening(unit: np.ndarray) -> np.ndarray:
        return colour * (0.9 + 0.1 * unit[:, 1:2])

    # A hood or headscarf is a shell that ends behind the face, with folds at the neck.
    parts = [on_head([0, 0.04, -0.13], [wide + 0.08, 0.54, 0.42], opening)]
    parts += [on_head([s * wide * 0.95, -0.2, 0.0], [0.12, 0.42, 0.3], colour * 0.93) for s in (-1, 1)]
    parts.append(Part(np.array([0, -0.66, 0.05]), np.array([0.42, 0.28, 0.36]), colour * 0.88))
    return parts


def body_parts(rng: Rng, skin: np.ndarray, woman: bool, whole: bool) -> list[Part]:
    """Makes the body from the shoulders down."""
    build = rng.normal(1.0, 0.12)
    shoulders = (0.72 if woman else 0.84) * rng.uniform(0.92, 1.1)
    top = any_colour(rng)
    cloth = cloth_paint(rng, top)
    sleeve = top if rng.random() < 0.65 else skin
    trousers = any_colour(rng) if rng.random() < 0.4 else np.array([70, 52, 38]) * rng.uniform(0.4, 1.5)
    depth = 0.36 * build
    parts = [
        Part(np.array([0, -1.42, -0.02]), np.array([shoulders * 0.86, 0.72, depth]), cloth),
        Part(np.array([0, -1.0, -0.05]), np.array([shoulders * 0.98, 0.3, depth * 0.78]), top),
        Part(np.array([0, -2.2, 0.0]), np.array([shoulders * 0.74 * build, 0.95, depth * 1.02]), cloth),
    ]
    for side in (-1, 1):
        joint = np.array([side * shoulders * 0.92, -1.05, -0.03])
        pose = rng.random()
        if pose < 0.09:
            elbow, hand = joint + [side * 0.35, 0.75, 0.25], joint + [side * rng.uniform(-0.2, 0.5), 1.8, 0.35]
        elif pose < 0.2:
            elbow, hand = joint + [side * 0.15, -1.05, 0.2], joint + [-side * 0.35, -0.55, 0.85]
        elif pose < 0.3:
            elbow, hand = joint + [side * 0.2, -1.1, 0.1], joint + [-side * 0.7, -1.2, 0.55]
        else:
            swing = rng.normal(0, 0.25)
            elbow, hand = joint + [side * 0.18, -1.2, swing * 0.5], joint + [side * 0.15, -2.2, swing + 0.15]
        parts += [limb(joint, elbow, 0.2, top if rng.random() < 0.93 else sleeve), limb(elbow, hand, 0.145, sleeve)]
        parts.append(Part(np.asarray(hand, float), np.array([0.13, 0.17, 0.13]), skin))
        parts.append(Part(joint + [-side * 0.06, -0.04, 0], np.array([0.22, 0.19, 0.22]), top))
    if rng.random() < 0.18:
        bag = any_colour(rng)
        parts.append(Part(np.array([0, -1.6, -0.55]), np.array([0.52, 0.72, 0.28]), bag))
        parts += [limb([s * 0.45, -0.85, 0.1], [s * 0.5, -1.7, 0.3], 0.08, bag) for s in (-1, 1)]
    if not whole:
        return parts
    hips = -3.05
    parts.append(Part(np.array([0, hips, 0.0]), np.array([0.6 * build, 0.55, 0.38 * build]), trousers))
    skirt = woman and rng.random() < 0.3
    stride = abs(rng.normal(0, 0.5)) if rng.random() < 0.6 else 0.05
    for side in (-1, 1):
        step = side * stride
        hip = np.array([side * 0.3, hips - 0.2, 0.0])
        knee = np.array([side * 0.32, -4.9, step * 0.55])
        foot = np.array([side * 0.3, -6.55 + 0.1 * abs(step), step])
        lower = skin if skirt or rng.random() < 0.08 else trousers
        parts += [limb(hip, knee, 0.3 * build, trousers), limb(knee, foot, 0.2, lower)]
        parts.append(Part(foot + [0, -0.15, 0.18], np.array([0.16, 0.13, 0.38]), any_colour(rng) * 0.7))
    if skirt:
        parts.append(Part(np.array([0, -3.7, 0.0]), np.array([0.72, 1.2, 0.5]), trousers))
    return parts


def figure(rng: Rng, pitch: float, head_px: float = 48.0, whole: bool = False) -> Sprite:
    """Draws a random person for a camera that looks down by `pitch` (radians)."""
    woman = rng.random() < 0.48
    tone = rng.uniform(0, len(SKINS) - 1)
    low = int(tone)
    skin = SKINS[low] + (SKINS[min(low + 1, len(SKINS) - 1)] - SKINS[low]) * (tone - low)
    skin = np.clip(skin * rng.uniform(0.85, 1.1) + rng.uniform(-8, 8, 3), 10, 250)
    hair = hair_colour(rng) if tone < 3.6 else np.array([20, 18, 18]) * rng.uniform(0.6, 1.8)
    parts = head_parts(rng, skin, hair, woman) + body_parts(rng, skin, woman, whole)
    yaw = rng.choice([rng.normal(0, 0.5), rng.normal(np.pi, 0.5), rng.uniform(0, 2 * np.pi)], p=[0.4, 0.3, 0.3])
    # The sun is at the right or overhead. `compose` mirrors the figure if the sun is at the left.
    light = np.array([rng.uniform(0.0, 0.9), rng.uniform(0.3, 1.0), rng.uniform(-0.3, 0.9)])
    return draw(parts, yaw, pitch, head_px, rng, light / np.linalg.norm(light), rng.uniform(0.45, 0.95))
