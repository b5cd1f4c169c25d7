"""Composes pictures: pastes people back to front on photographs and grounds.

    python -m pictures.compose --seed 1 --count 600 --out POOL/composed-1 \\
        --root python=… --root debian=/ --cutouts c.npz
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from . import scenes, sprite
from .backgrounds import Backgrounds, noise
from .finish import finish
from .geometry import HEAD_CENTRE_M, Camera
from .labels import HeadOwners, SetWriter
from .patterns import pattern
from .people import any_colour, figure
from .sources import Roots
from .sprite import Sprite
from .things import thing

Rng = np.random.Generator

#: Camera pitches, in degrees, for which figures are drawn. A figure is used near its pitch.
PITCHES = (2, 14, 28, 45, 65)
SIZES = (
    (448, 384),
    (512, 512),
    (640, 480),
    (640, 480),
    (704, 512),
    (576, 768),
    (768, 576),
    (768, 576),
    (896, 640),
    (1024, 768),
)


@dataclass
class SpritePool:
    """Sprites of people and things. drawn, things, modelled: lists per pitch; real: cut-outs."""

    drawn: list[list[Sprite]]
    things: list[list[Sprite]]
    real: list[Sprite]
    modelled: list[list[Sprite]]

    @staticmethod
    def make(rng: Rng, per_pitch: int, real: list[Sprite], modelled: list[Sprite]) -> SpritePool:
        drawn = [[figure(rng, math.radians(p), 40, i % 2 == 0) for i in range(per_pitch)] for p in PITCHES]
        things = [[thing(rng, math.radians(p), 34) for _ in range(max(8, per_pitch // 3))] for p in PITCHES]
        near = [[s for s in modelled if nearest_pitch(math.radians(s.pitch)) == i] for i in range(len(PITCHES))]
        return SpritePool(drawn, things, real, near)


def nearest_pitch(radians: float) -> int:
    """Returns the index of the nearest of PITCHES."""
    return int(np.argmin([abs(math.degrees(radians) - p) for p in PITCHES]))


@dataclass(frozen=True)
class Appearance:
    """Light and haze that all people of a picture share.

    light: brightness; tint: BGR factors; haze_colour: BGR; haze_m: metres to 63 % haze; spread: of
    the brightness; shadow: strength of shadows.
    """

    light: float
    tint: np.ndarray
    sun_left: bool
    haze_colour: np.ndarray
    haze_m: float
    spread: float
    shadow: float


def paste(
    picture: np.ndarray, owners: HeadOwners | None, sprite_: Sprite, at: tuple[float, float], is_person: bool = True
) -> bool:
    """Blends a sprite with its head's centre at `at`. False if it is outside the picture."""
    rows, columns = sprite_.alpha.shape
    x, y = round(at[0] - sprite_.x), round(at[1] - sprite_.y)
    x0, y0, x1, y1 = max(0, x), max(0, y), min(picture.shape[1], x + columns), min(picture.shape[0], y + rows)
    if x1 <= x0 or y1 <= y0:
        return False
    place, cut = np.s_[y0:y1, x0:x1], np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha = sprite_.alpha[cut]
    blend = cv2.merge([alpha] * 3).astype(np.uint16)
    under = picture[place]
    picture[place] = ((under * (255 - blend) + sprite_.bgr[cut] * blend + 127) // 255).astype(np.uint8)
    if owners is not None and is_person:
        area = int((sprite_.head > 127).sum())
        owners.add(place, alpha, sprite_.head[cut], area, (x + sprite_.x, y + sprite_.y, sprite_.height))
    elif owners is not None:
        owners.cover(place, alpha)
    return True


def draw_shadow(picture: np.ndarray, x: float, y: float, size: float, strength: float, sun_left: bool) -> None:
    """Darkens the ground at a person's feet. size: of the head, in pixels."""
    long, flat = size * 1.6, size * 0.4
    cx = x + (0.7 if sun_left else -0.7) * size
    x0, y0, x1, y1 = int(cx - long), int(y - flat * 1.5), int(cx + long), int(y + flat * 1.5)
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(picture.shape[1], x1), min(picture.shape[0], y1)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    rows, columns = np.mgrid[y0:y1, x0:x1]
    fall = np.clip(1 - ((columns - cx) / long) ** 2 - ((rows - y) / (flat * 1.4)) ** 2, 0, 1)
    picture[y0:y1, x0:x1] = (picture[y0:y1, x0:x1] * (1 - strength * fall[..., None])).astype(np.uint8)


def recolour_clothes(rng: Rng, s: Sprite) -> Sprite:
    """Changes a cut-out's colours from the neck down, and sometimes its hair."""
    hsv = cv2.cvtColor(s.bgr, cv2.COLOR_BGR2HSV).astype(np.float32)
    rows = s.bgr.shape[0]
    chin, waist = int(s.y + 0.62 * s.height), int(s.y + 3.3 * s.height)
    for start, end in ((chin, waist), (waist, rows)):
        if end <= start or rng.random() < 0.2:
            continue
        part = hsv[max(0, start) : end]
        part[..., 0] = (part[..., 0] + rng.integers(180)) % 180
        part[..., 1] = np.clip(
            part[..., 1] * rng.uniform(0.2, 1.1) + rng.choice([0, 0, 20, 90], p=[0.4, 0.3, 0.2, 0.1]), 0, 255
        )
        part[..., 2] = np.clip(part[..., 2] * rng.uniform(0.7, 1.5) + rng.choice([0, 0, 30, 90, 140]), 0, 255)
    if rng.random() < 0.5:
        part = hsv[: max(1, chin)]
        part[..., 2] = np.clip(part[..., 2] * rng.uniform(0.45, 1.5) + rng.choice([0, 0, 25]), 0, 255)
        part[..., 1] *= rng.uniform(0.6, 1.2)
    return s.recoloured(cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2BGR))


def close_camera(rng: Rng, size: tuple[int, int]) -> Camera:
    """Makes a camera over a packed crowd. Heads of 14 to 60 pixels fill the whole picture."""
    focal = size[0] * math.exp(rng.uniform(math.log(0.9), math.log(4)))
    head = math.exp(rng.uniform(math.log(14), math.log(60)))
    steepest = math.atan2(size[1] / 2, focal)
    return Camera.with_heads(size, min(1.3, steepest + math.radians(rng.uniform(5, 40))), focal, head)


def camera_for(rng: Rng, size: tuple[int, int], packed: bool) -> Camera:
    """Draws a camera. Heads at the lower edge: 8 to 64 pixels if `packed`, else 18 to 170."""
    for _ in range(200):
        focal = size[0] * math.exp(rng.uniform(math.log(0.65), math.log(4.5)))
        level, high, steep = rng.uniform(-3, 12), rng.uniform(8, 35), rng.uniform(30, 75)
        pitch = math.radians(rng.choice([level, high, steep], p=[0.36, 0.44, 0.2] if packed else [0.62, 0.28, 0.1]))
        cy = size[1] / 2 + rng.normal(0, 0.15) * size[1]
        head = math.exp(rng.uniform(math.log(8 if packed else 18), math.log(64 if packed else 170)))
        if pitch + math.atan2(size[1] - cy, focal) < math.radians(4):
            continue
        camera = Camera.with_heads(size, pitch, focal, head, cy)
        if 1.4 < camera.height_m < 70:
            return camera
    return Camera.with_heads(size, 0.4, size[0], 24)


def random_crowd(rng: Rng, size: tuple[int, int], packed: bool) -> tuple[Camera, str, float, scenes.Crowd]:
    """Draws a camera and a crowd; also returns layout and density (persons per square metre)."""
    if packed:
        layout = str(rng.choice(["packed", "rows", "stand", "ring", "column"], p=[0.66, 0.08, 0.14, 0.05, 0.07]))
        density, at_most = math.exp(rng.uniform(math.log(0.8), math.log(6.5))), int(rng.integers(150, 1300))
    else:
        layout = str(rng.choice(["scattered", "groups", "queue"], p=[0.48, 0.38, 0.14]))
        density, at_most = rng.uniform(0.05, 1), int(rng.integers(5, 180))
    if packed and layout == "packed" and rng.random() < 0.4:
        camera, density = close_camera(rng, size), rng.uniform(2.2, 6.5)
        crowd = scenes.place(rng, camera, size, layout, density, 4000)
        return camera, layout, density, scenes.limit_crowd(rng, camera, crowd, 1500)
    best = None
    # Most crowds fill the picture: prefer a camera that sees about `at_most` people.
    for _ in range(10 if packed else 1):
        camera = camera_for(rng, size, packed)
        crowd = scenes.place(rng, camera, size, layout, density, 4000)
        mismatch = abs(math.log((len(crowd.feet) + 1) / at_most)) + 2.0 * (1 - _covered(camera, size, crowd))
        if best is None or mismatch < best[0]:
            best = mismatch, camera, crowd
    _, camera, crowd = best
    return camera, layout, density, scenes.limit_crowd(rng, camera, crowd, at_most)


def _covered(camera: Camera, size: tuple[int, int], crowd: scenes.Crowd) -> float:
    """Returns the share of 6 x 6 fields of the picture that contain a head."""
    pixels, _ = camera.project(crowd.feet + [0, HEAD_CENTRE_M, 0])
    fields = np.floor(pixels / size * 6).astype(int)
    inside = ((fields >= 0) & (fields < 6)).all(axis=1)
    return len(np.unique(fields[inside], axis=0)) / 36


class Composer:
    """Makes pictures of people in front of backgrounds."""

    def __init__(self, backgrounds: Backgrounds, sprites: SpritePool) -> None:
        self.backgrounds = backgrounds
        self.sprites = sprites

    def picture(self, rng: Rng, empty_share: float = 0.12) -> tuple[np.ndarray, list[list[float]]]:
        """Makes a picture and its heads. empty_share: share of pictures without people."""
        size = SIZES[rng.integers(len(SIZES))]
        if rng.random() < empty_share:
            return self.empty(rng, size), []
        packed = rng.random() < 0.62
        camera, _, _, crowd = random_crowd(rng, size, packed)
        backdrop = self.backgrounds.backdrop(rng, size, camera)
        owners = HeadOwners(size)
        self.paste_crowd(rng, backdrop, owners, camera, crowd)
        return finish(rng, backdrop), owners.listed()

    def empty(self, rng: Rng, size: tuple[int, int]) -> np.ndarray:
        """Makes a picture without people: a pattern or a place, often with similar things."""
        camera = camera_for(rng, size, rng.random() < 0.5)
        kind = rng.random()
        if kind < 0.5:
            return finish(rng, pattern(rng, size))
        photograph = kind < 0.7
        picture = self.backgrounds.photograph(rng, size) if photograph else self.backgrounds.backdrop(rng, size, camera)
        if rng.random() < 0.6:
            layout = str(rng.choice(["scattered", "groups", "packed", "rows", "stand", "queue"]))
            crowd = scenes.place(rng, camera, size, layout, rng.uniform(0.3, 2.5), int(rng.integers(3, 250)))
            candidates = self.sprites.things[nearest_pitch(camera.pitch)]
            same = [candidates[rng.integers(len(candidates))] for _ in range(int(rng.integers(1, 5)))]
            self.paste_crowd(rng, picture, None, camera, crowd, same)
        return finish(rng, picture)

    def random_appearance(self, rng: Rng) -> Appearance:
        tint = np.exp(rng.normal(0, 0.05, 3))
        sky = rng.uniform(110, 225) + rng.uniform(-12, 12, 3)
        haze = math.exp(rng.uniform(math.log(90), math.log(900))) if rng.random() < 0.5 else 1e9
        return Appearance(
            rng.uniform(0.55, 1.2), tint, rng.random() < 0.5, sky, haze, rng.uniform(0.05, 0.25), rng.uniform(0, 0.6)
        )

    def paste_crowd(
        self, rng: Rng, picture: np.ndarray, owners: HeadOwners | None, camera: Camera, crowd, things=None
    ) -> None:
        """Pastes a crowd, farthest first. things: sprites that replace the people."""
        appearance = self.random_appearance(rng)
        heights = (
            HEAD_CENTRE_M * (0.78 if crowd.seated else 1) * np.clip(rng.normal(1, 0.055, len(crowd.feet)), 0.8, 1.15)
        )
        children = rng.random(len(heights)) < rng.choice([0.0, 0.05, 0.2])
        heights[children] *= rng.uniform(0.6, 0.85, int(children.sum()))
        pixels, depth = camera.project(crowd.feet + np.stack([heights * 0, heights, heights * 0], axis=1))
        share_real, share_modelled = rng.choice([0.0, 0.25, 0.6], p=[0.3, 0.4, 0.3]), rng.choice([0.0, 0.4, 0.8])
        apart = len(crowd.feet) < 60 and not crowd.seated and rng.random() < 0.9
        occluders = rng.random() < 0.35
        for i in np.argsort(-depth):
            size = camera.head_px(depth[i]) * rng.uniform(0.93, 1.08) * (0.92 if children[i] else 1)
            if size < 3.2 or size > 300:
                continue
            pitch = nearest_pitch(max(0.0, camera.looks_down(pixels[i, 1])))
            if things is not None:
                person = things[rng.integers(len(things))]
            else:
                person = self.random_person(rng, pitch, size, share_real, share_modelled, apart)
            scaled = person.scaled(size * person.height / (person.height or 1))
            person = self.apply_appearance(rng, scaled, appearance, depth[i])
            if person.whole and not crowd.seated and appearance.shadow > 0.05:
                foot = camera.project(crowd.feet[i : i + 1])[0][0]
                draw_shadow(picture, foot[0], foot[1], size, appearance.shadow, appearance.sun_left)
            paste(picture, owners, person, (pixels[i, 0], pixels[i, 1]), things is None)
            if occluders and rng.random() < 0.03:
                self.paste_occluder(rng, picture, owners, pixels[i], size)

    def random_person(
        self, rng: Rng, pitch: int, size: float, share_real: float, share_modelled: float, whole: bool
    ) -> Sprite:
        """Draws a person for a pitch. Avoids enlarged cut-outs and those of another pitch."""
        modelled = self.sprites.modelled[pitch]
        if pitch <= 2 and self.sprites.real and rng.random() < share_real * (1 if pitch < 2 else 0.4):
            real = self.sprites.real[rng.integers(len(self.sprites.real))]
            if size < real.height * 1.5 and (real.whole or not whole):
                real = recolour_clothes(rng, real) if rng.random() < 0.8 else real
                real = real.bust(rng.uniform(1.2, 3)) if rng.random() < 0.5 and not whole else real
                return real.rotated(rng.normal(0, 4)) if rng.random() < 0.3 else real
        if modelled and rng.random() < share_modelled:
            return modelled[rng.integers(len(modelled))]
        candidates = self.sprites.drawn[pitch]
        found = candidates[rng.integers(len(candidates))]
        while whole and not found.whole:
            found = candidates[rng.integers(len(candidates))]
        return found

    def apply_appearance(self, rng: Rng, s: Sprite, appearance: Appearance, depth: float) -> Sprite:
        """Applies the picture's light and haze to a sprite."""
        if appearance.sun_left or rng.random() < 0.15:
            s = s.flipped()
        gain = appearance.light * appearance.tint * math.exp(rng.normal(0, appearance.spread))
        veil = 1 - math.exp(-depth / appearance.haze_m)
        bgr = s.bgr * (gain * (1 - veil)) + appearance.haze_colour * veil
        return s.recoloured(np.clip(bgr, 0, 255).astype(np.uint8))

    def paste_occluder(
        self, rng: Rng, picture: np.ndarray, owners: HeadOwners | None, at: np.ndarray, size: float
    ) -> None:
        """Pastes a placard, a flag, an umbrella or a pole in front of the people behind it."""
        kind = rng.choice(["placard", "flag", "pole", "umbrella"])
        w, h = {"placard": (3.2, 2.2), "flag": (4.5, 3.0), "pole": (0.25, 14.0), "umbrella": (4.4, 1.6)}[str(kind)]
        columns, rows = max(2, int(w * size * rng.uniform(0.6, 1.2))), max(2, int(h * size * rng.uniform(0.6, 1.2)))
        bgr = np.full((rows, columns, 3), any_colour(rng), np.float64)
        alpha = np.full((rows, columns), 255, np.uint8)
        if kind == "flag":
            for k in range(int(rng.integers(1, 4))):
                bgr[k * rows // 3 : (k + 1) * rows // 3] = any_colour(rng)
            bgr *= 1 + 0.3 * noise(rng, (rows, columns), 3)[..., None] if columns > 4 else 1
        elif kind == "placard":
            for k in range(1, 4):
                y = k * rows // 4
                cv2.line(
                    bgr,
                    (columns // 8, y),
                    (int(columns * rng.uniform(0.5, 0.9)), y),
                    any_colour(rng).tolist(),
                    max(1, rows // 12),
                )
        elif kind == "umbrella":
            alpha[:] = 0
            cv2.ellipse(alpha, (columns // 2, rows), (columns // 2, rows), 0, 180, 360, 255, -1)
        item = Sprite(np.clip(bgr, 0, 255).astype(np.uint8), alpha, alpha * 0, columns / 2, rows / 2, size)
        if rng.random() < 0.6 and kind != "pole":
            item = item.rotated(rng.normal(0, 12))
        paste(picture, owners, item, (at[0] + rng.normal(0, size), at[1] - size * rng.uniform(1.2, 3.5)), False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--root", action="append", default=[], help="kind=folder, see sources.py")
    parser.add_argument("--cutouts", type=Path, help="output of `pictures.cutouts`")
    parser.add_argument("--modelled", type=Path, help="output of `pictures.render --sprites`")
    parser.add_argument("--figures", type=int, default=160, help="drawn figures per pitch")
    parser.add_argument("--empty-share", type=float, default=0.12, help="share of pictures without people")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(arguments.seed)
    real = sprite.load(arguments.cutouts) if arguments.cutouts else []
    modelled = sprite.load(arguments.modelled) if arguments.modelled else []
    composer = Composer(Backgrounds(Roots(arguments.root)), SpritePool.make(rng, arguments.figures, real, modelled))
    writer = SetWriter(arguments.out, arguments.seed)
    for i in range(arguments.count):
        # A picture depends only on its number and the sprites, so it can be made again alone.
        writer.add(*composer.picture(np.random.default_rng([arguments.seed, i]), arguments.empty_share))
    writer.write()
    print(f"{arguments.out.name}: {writer.summary()}")


if __name__ == "__main__":
    main()
