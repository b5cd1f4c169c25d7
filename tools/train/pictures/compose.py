"""Pastes people back to front on photographs and grounds.

python -m pictures.compose --seed 1 --count 600 --out POOL/composed-1 --root python=… --root debian=/ --cutouts c.npz
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
from .labels import Owners, SetWriter
from .patterns import pattern
from .people import any_colour, figure
from .sources import Roots
from .sprite import Sprite
from .things import thing

Rng = np.random.Generator

#: Camera pitches, in degrees, for which figures are drawn; each is used near its own.
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
class Cast:
    """Those who may appear. drawn, things, modelled (rendered): lists per pitch of PITCHES; real: cut-outs."""

    drawn: list[list[Sprite]]
    things: list[list[Sprite]]
    real: list[Sprite]
    modelled: list[list[Sprite]]

    @staticmethod
    def make(rng: Rng, per_pitch: int, real: list[Sprite], modelled: list[Sprite]) -> Cast:
        drawn = [[figure(rng, math.radians(p), 40, i % 2 == 0) for i in range(per_pitch)] for p in PITCHES]
        things = [[thing(rng, math.radians(p), 34) for _ in range(max(8, per_pitch // 3))] for p in PITCHES]
        near = [[s for s in modelled if nearest_pitch(math.radians(s.pitch)) == i] for i in range(len(PITCHES))]
        return Cast(drawn, things, real, near)


def nearest_pitch(radians: float) -> int:
    """Which of PITCHES is nearest."""
    return int(np.argmin([abs(math.degrees(radians) - p) for p in PITCHES]))


@dataclass(frozen=True)
class Look:
    """What all people of a picture share.

    light: brightness; tint: BGR factors; haze: its BGR and metres to 63 %; spread: of brightness; shadow: its strength.
    """

    light: float
    tint: np.ndarray
    sun_left: bool
    haze_colour: np.ndarray
    haze_m: float
    spread: float
    shadow: float


def paste(
    picture: np.ndarray, owners: Owners | None, sprite_: Sprite, at: tuple[float, float], is_person: bool = True
) -> bool:
    """Blends a sprite in with its head's centre at `at`; false if it lies outside."""
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


def shadow_under(picture: np.ndarray, x: float, y: float, size: float, strength: float, sun_left: bool) -> None:
    """Darkens the ground at somebody's feet. size: of the head, in pixels."""
    long, flat = size * 1.6, size * 0.4
    cx = x + (0.7 if sun_left else -0.7) * size
    x0, y0, x1, y1 = int(cx - long), int(y - flat * 1.5), int(cx + long), int(y + flat * 1.5)
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(picture.shape[1], x1), min(picture.shape[0], y1)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    rows, columns = np.mgrid[y0:y1, x0:x1]
    fall = np.clip(1 - ((columns - cx) / long) ** 2 - ((rows - y) / (flat * 1.4)) ** 2, 0, 1)
    picture[y0:y1, x0:x1] = (picture[y0:y1, x0:x1] * (1 - strength * fall[..., None])).astype(np.uint8)


def dressed(rng: Rng, s: Sprite) -> Sprite:
    """A cut-out in other colours from the neck down, and sometimes other hair."""
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
    """Looks down on a packed crowd whose heads, 14 to 60 pixels tall, fill the picture to its upper edge."""
    focal = size[0] * math.exp(rng.uniform(math.log(0.9), math.log(4)))
    head = math.exp(rng.uniform(math.log(14), math.log(60)))
    steepest = math.atan2(size[1] / 2, focal)
    return Camera.with_heads(size, min(1.3, steepest + math.radians(rng.uniform(5, 40))), focal, head)


def camera_for(rng: Rng, size: tuple[int, int], packed: bool) -> Camera:
    """Real focal lengths and heights; heads of 8 to 64 pixels at the lower edge in crowds, of 18 to 170 otherwise."""
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


def gathering(rng: Rng, size: tuple[int, int], packed: bool) -> tuple[Camera, str, float, scenes.Crowd]:
    """A camera and a crowd for it, with the crowd's layout and density (persons per square metre)."""
    if packed:
        layout = str(rng.choice(["packed", "rows", "stand", "ring", "column"], p=[0.66, 0.08, 0.14, 0.05, 0.07]))
        density, at_most = math.exp(rng.uniform(math.log(0.8), math.log(6.5))), int(rng.integers(150, 1300))
    else:
        layout = str(rng.choice(["scattered", "groups", "queue"], p=[0.48, 0.38, 0.14]))
        density, at_most = rng.uniform(0.05, 1), int(rng.integers(5, 180))
    if packed and layout == "packed" and rng.random() < 0.4:
        camera, density = close_camera(rng, size), rng.uniform(2.2, 6.5)
        crowd = scenes.place(rng, camera, size, layout, density, 4000)
        return camera, layout, density, scenes.thinned(rng, camera, crowd, 1500)
    best = None
    # Some crowds end within the picture, but most fill it: so look for a camera that need not leave people out.
    for _ in range(10 if packed else 1):
        camera = camera_for(rng, size, packed)
        crowd = scenes.place(rng, camera, size, layout, density, 4000)
        miss = abs(math.log((len(crowd.feet) + 1) / at_most)) + 2.0 * (1 - _covered(camera, size, crowd))
        if best is None or miss < best[0]:
            best = miss, camera, crowd
    _, camera, crowd = best
    return camera, layout, density, scenes.thinned(rng, camera, crowd, at_most)


def _covered(camera: Camera, size: tuple[int, int], crowd: scenes.Crowd) -> float:
    """The share of the picture, in 6 x 6 fields, in which somebody's head is."""
    pixels, _ = camera.project(crowd.feet + [0, HEAD_CENTRE_M, 0])
    fields = np.floor(pixels / size * 6).astype(int)
    inside = ((fields >= 0) & (fields < 6)).all(axis=1)
    return len(np.unique(fields[inside], axis=0)) / 36


class Composer:
    """Makes pictures of a cast before backgrounds."""

    def __init__(self, backgrounds: Backgrounds, cast: Cast) -> None:
        self.backgrounds = backgrounds
        self.cast = cast

    def picture(self, rng: Rng, nobody: float = 0.12) -> tuple[np.ndarray, list[list[float]]]:
        """One picture and its heads; a share of `nobody` has none."""
        size = SIZES[rng.integers(len(SIZES))]
        if rng.random() < nobody:
            return self.empty(rng, size), []
        packed = rng.random() < 0.62
        camera, _, _, crowd = gathering(rng, size, packed)
        backdrop = self.backgrounds.backdrop(rng, size, camera)
        owners = Owners(size)
        self.populate(rng, backdrop, owners, camera, crowd)
        return finish(rng, backdrop), owners.listed()

    def empty(self, rng: Rng, size: tuple[int, int]) -> np.ndarray:
        """A picture of nobody: repeated small things, or places, often with things that might be taken for people."""
        camera = camera_for(rng, size, rng.random() < 0.5)
        kind = rng.random()
        if kind < 0.5:
            return finish(rng, pattern(rng, size))
        photograph = kind < 0.7
        picture = self.backgrounds.photograph(rng, size) if photograph else self.backgrounds.backdrop(rng, size, camera)
        if rng.random() < 0.6:
            layout = str(rng.choice(["scattered", "groups", "packed", "rows", "stand", "queue"]))
            crowd = scenes.place(rng, camera, size, layout, rng.uniform(0.3, 2.5), int(rng.integers(3, 250)))
            shelf = self.cast.things[nearest_pitch(camera.pitch)]
            same = [shelf[rng.integers(len(shelf))] for _ in range(int(rng.integers(1, 5)))]
            self.populate(rng, picture, None, camera, crowd, same)
        return finish(rng, picture)

    def look(self, rng: Rng) -> Look:
        tint = np.exp(rng.normal(0, 0.05, 3))
        sky = rng.uniform(110, 225) + rng.uniform(-12, 12, 3)
        haze = math.exp(rng.uniform(math.log(90), math.log(900))) if rng.random() < 0.5 else 1e9
        return Look(
            rng.uniform(0.55, 1.2), tint, rng.random() < 0.5, sky, haze, rng.uniform(0.05, 0.25), rng.uniform(0, 0.6)
        )

    def populate(self, rng: Rng, picture: np.ndarray, owners: Owners | None, camera: Camera, crowd, only=None) -> None:
        """Pastes a crowd, the farthest first. only: things instead of people."""
        look = self.look(rng)
        heights = (
            HEAD_CENTRE_M * (0.78 if crowd.seated else 1) * np.clip(rng.normal(1, 0.055, len(crowd.feet)), 0.8, 1.15)
        )
        children = rng.random(len(heights)) < rng.choice([0.0, 0.05, 0.2])
        heights[children] *= rng.uniform(0.6, 0.85, int(children.sum()))
        pixels, depth = camera.project(crowd.feet + np.stack([heights * 0, heights, heights * 0], axis=1))
        share_real, share_modelled = rng.choice([0.0, 0.25, 0.6], p=[0.3, 0.4, 0.3]), rng.choice([0.0, 0.4, 0.8])
        apart = len(crowd.feet) < 60 and not crowd.seated and rng.random() < 0.9
        clutter = rng.random() < 0.35
        for i in np.argsort(-depth):
            size = camera.head_px(depth[i]) * rng.uniform(0.93, 1.08) * (0.92 if children[i] else 1)
            if size < 3.2 or size > 300:
                continue
            pitch = nearest_pitch(max(0.0, camera.looks_down(pixels[i, 1])))
            if only is not None:
                someone = only[rng.integers(len(only))]
            else:
                someone = self.someone(rng, pitch, size, share_real, share_modelled, apart)
            someone = self.lit(rng, someone.scaled(size * someone.height / (someone.height or 1)), look, depth[i])
            if someone.whole and not crowd.seated and look.shadow > 0.05:
                foot = camera.project(crowd.feet[i : i + 1])[0][0]
                shadow_under(picture, foot[0], foot[1], size, look.shadow, look.sun_left)
            paste(picture, owners, someone, (pixels[i, 0], pixels[i, 1]), only is None)
            if clutter and rng.random() < 0.03:
                self.clutter(rng, picture, owners, pixels[i], size)

    def someone(
        self, rng: Rng, pitch: int, size: float, share_real: float, share_modelled: float, whole: bool
    ) -> Sprite:
        """A person for a pitch; not a cut-out where it would be blown up or seen from quite another height."""
        modelled = self.cast.modelled[pitch]
        if pitch <= 2 and self.cast.real and rng.random() < share_real * (1 if pitch < 2 else 0.4):
            real = self.cast.real[rng.integers(len(self.cast.real))]
            if size < real.height * 1.5 and (real.whole or not whole):
                real = dressed(rng, real) if rng.random() < 0.8 else real
                real = real.bust(rng.uniform(1.2, 3)) if rng.random() < 0.5 and not whole else real
                return real.rotated(rng.normal(0, 4)) if rng.random() < 0.3 else real
        if modelled and rng.random() < share_modelled:
            return modelled[rng.integers(len(modelled))]
        shelf = self.cast.drawn[pitch]
        found = shelf[rng.integers(len(shelf))]
        while whole and not found.whole:
            found = shelf[rng.integers(len(shelf))]
        return found

    def lit(self, rng: Rng, s: Sprite, look: Look, depth: float) -> Sprite:
        """In the picture's light, and behind its haze."""
        if look.sun_left or rng.random() < 0.15:
            s = s.flipped()
        gain = look.light * look.tint * math.exp(rng.normal(0, look.spread))
        veil = 1 - math.exp(-depth / look.haze_m)
        bgr = s.bgr * (gain * (1 - veil)) + look.haze_colour * veil
        return s.recoloured(np.clip(bgr, 0, 255).astype(np.uint8))

    def clutter(self, rng: Rng, picture: np.ndarray, owners: Owners | None, at: np.ndarray, size: float) -> None:
        """A placard, a flag, an umbrella, a pole or a raised phone, in front of those behind."""
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
    parser.add_argument("--cutouts", type=Path, help="what `pictures.cutouts` wrote")
    parser.add_argument("--modelled", type=Path, help="what `pictures.render --sprites` wrote")
    parser.add_argument("--figures", type=int, default=160, help="drawn figures per pitch")
    parser.add_argument("--nobody", type=float, default=0.12, help="share of pictures without people")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(arguments.seed)
    real = sprite.load(arguments.cutouts) if arguments.cutouts else []
    modelled = sprite.load(arguments.modelled) if arguments.modelled else []
    composer = Composer(Backgrounds(Roots(arguments.root)), Cast.make(rng, arguments.figures, real, modelled))
    writer = SetWriter(arguments.out, arguments.seed)
    for i in range(arguments.count):
        # A picture depends on its number and the cast only, so that one can be made again alone.
        writer.add(*composer.picture(np.random.default_rng([arguments.seed, i]), arguments.nobody))
    writer.write()
    print(f"{arguments.out.name}: {writer.summary()}")


if __name__ == "__main__":
    main()
