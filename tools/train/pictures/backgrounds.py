"""Makes backgrounds: photographs, environments, skies, facades, and grounds in perspective."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .geometry import Camera, ground_to_picture
from .people import any_colour
from .sources import Roots

Rng = np.random.Generator


def noise(rng: Rng, shape: tuple[int, int], cells: float) -> np.ndarray:
    """Makes smooth noise, float32 [h, w], about -1..1, with `cells` bumps per row."""
    rows, columns = max(2, round(cells * shape[0] / shape[1])), max(2, round(cells))
    coarse = rng.normal(0, 0.6, (rows, columns)).astype(np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


class Backgrounds:
    """Reads the sources once and makes backgrounds from them."""

    def __init__(self, roots: Roots) -> None:
        self.scenes = roots.pictures("scene") + roots.empty_views()
        self.aerial = roots.pictures("aerial")
        self.close = roots.pictures("close")
        self.textures = roots.pictures("texture")
        self.panoramas = roots.panoramas()
        if not self.scenes or not self.textures:
            raise ValueError("no photographs found: check the folders given with --root")

    def photograph(self, rng: Rng, size: tuple[int, int], kind: str = "any") -> np.ndarray:
        """Crops a random photograph, BGR uint8. kind: scene, close, aerial or any."""
        pools = {"scene": self.scenes, "close": self.close, "aerial": self.aerial or self.scenes}
        pool = pools.get(kind) or self.scenes + self.close + self.aerial
        bgr = pool[rng.integers(len(pool))]
        width, height = size
        fits = max(width / bgr.shape[1], height / bgr.shape[0])
        scale = fits * math.exp(rng.uniform(0, math.log(2.2)))
        w, h = min(bgr.shape[1], math.ceil(width / scale)), min(bgr.shape[0], math.ceil(height / scale))
        x, y = rng.integers(bgr.shape[1] - w + 1), rng.integers(bgr.shape[0] - h + 1)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        crop = cv2.resize(bgr[y : y + h, x : x + w], size, interpolation=how)
        return np.ascontiguousarray(crop[:, ::-1]) if rng.random() < 0.5 else crop

    def view(self, rng: Rng, size: tuple[int, int], pitch: float, focal_px: float) -> np.ndarray:
        """Renders an environment for a camera that looks down by `pitch` (radians), BGR uint8."""
        panorama = self.panoramas[rng.integers(len(self.panoramas))]
        width, height = size
        yaw = rng.uniform(0, 2 * math.pi)
        x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        sin, cos = math.sin(pitch), math.cos(pitch)
        ahead, up = focal_px * cos - y * sin, -(y * cos + focal_px * sin)
        east = np.arctan2(x, ahead) + yaw
        high = np.arctan2(up, np.hypot(x, ahead))
        rows, columns = panorama.shape[:2]
        map_x = ((east / (2 * math.pi)) % 1.0 * columns - 0.5).astype(np.float32)
        map_y = ((0.5 - high / math.pi) * rows - 0.5).astype(np.float32)
        # Clip lamps and the sun first; otherwise the interpolation rings around them.
        panorama = np.minimum(panorama, np.percentile(panorama[::4, ::4], 98))
        linear = cv2.remap(panorama, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
        white = np.percentile(linear, rng.uniform(85, 98)) + 1e-4
        return (np.clip(linear / white, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)

    def texture(self, rng: Rng, side: int = 512) -> np.ndarray:
        """Makes a repeating square of ground, BGR uint8."""
        if rng.random() < 0.35:
            bgr = cv2.resize(
                self.textures[rng.integers(len(self.textures))], (side, side), interpolation=cv2.INTER_AREA
            )
            tint = rng.uniform(60, 200) + rng.uniform(-18, 18, 3)
            tile = np.clip(bgr.astype(np.float32) * tint / 128, 0, 255)
        else:
            tile = _ground(rng, side)
        return np.vstack([np.hstack([tile, tile[:, ::-1]]), np.hstack([tile[::-1], tile[::-1, ::-1]])]).astype(np.uint8)

    def ground(self, rng: Rng, size: tuple[int, int], camera: Camera) -> np.ndarray:
        """Renders ground in perspective, BGR uint8. Pixels above the horizon are undefined."""
        tile = self.texture(rng)
        metres = math.exp(rng.uniform(math.log(2), math.log(14)))
        far = 120.0
        # One warp covers a limited area of tiles; farther tiles are smaller than a pixel.
        tiles = 3
        canvas = np.tile(tile, (tiles, tiles, 1))
        canvas = cv2.resize(canvas, (1536, 1536), interpolation=cv2.INTER_AREA)
        span = metres * tiles
        centre = min(
            far, max(0.0, camera.ground_at(size[1] * 0.6)) if math.isfinite(camera.ground_at(size[1] * 0.6)) else 20
        )
        turn = rng.uniform(0, math.pi)
        c, s = math.cos(turn), math.sin(turn)
        k = span / canvas.shape[1]
        to_ground = np.array(
            [[c * k, -s * k, -span / 2 * (c - s)], [s * k, c * k, centre - span / 2 * (s + c)], [0, 0, 1]]
        )
        whole = ground_to_picture(camera) @ to_ground
        # As with mipmaps, rows whose pixels span more of the canvas use a smaller copy of it.
        rows = np.arange(size[1])
        depth = np.array([camera.ground_at(r + 0.5) for r in rows])
        spans = np.hypot(np.where(np.isfinite(depth), depth, 1e4), camera.height_m) / camera.focal_px / k
        level = np.clip(np.log2(np.maximum(spans * 1.5, 1e-3)), 0, 4.999)
        out = np.zeros((size[1], size[0], 3), np.float32)
        for halving in range(6):
            weight = np.clip(1 - np.abs(level - halving), 0, 1)
            if weight.any():
                small = cv2.resize(canvas, None, fx=0.5**halving, fy=0.5**halving, interpolation=cv2.INTER_AREA)
                warp = whole @ np.diag([2.0**halving, 2.0**halving, 1.0])
                laid = cv2.warpPerspective(small, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
                out += laid * weight[:, None, None].astype(np.float32)
        mean = tile.reshape(-1, 3).mean(axis=0)
        # Far ground has the mean colour, to avoid aliasing.
        near = np.clip((rows - camera.horizon()) / (0.12 * size[1]), 0, 1)[:, None, None]
        out = out * near + mean * (1 - near)
        patches = 1 + 0.12 * noise(rng, size[::-1], rng.uniform(2, 8))[..., None]
        return np.clip(out * patches, 0, 255).astype(np.uint8)

    def backdrop(self, rng: Rng, size: tuple[int, int], camera: Camera) -> np.ndarray:
        """Makes a whole picture without people for the camera, BGR uint8."""
        kind = rng.random()
        horizon = camera.horizon()
        if kind < 0.3:
            return self.photograph(rng, size, "aerial" if camera.pitch > 0.5 and rng.random() < 0.5 else "any")
        if kind < 0.42 and self.panoramas:
            return self.view(rng, size, camera.pitch, camera.focal_px)
        picture = self.ground(rng, size, camera)
        edge = int(np.clip(horizon + rng.uniform(0, 0.05) * size[1], 0, size[1]))
        if edge > 3:
            behind = self.behind(rng, size, camera)
            soft = np.clip((np.arange(size[1]) - edge) / rng.uniform(1, 6), 0, 1)[:, None, None]
            picture = (picture * soft + behind * (1 - soft)).astype(np.uint8)
        return picture

    def behind(self, rng: Rng, size: tuple[int, int], camera: Camera) -> np.ndarray:
        """Makes the part at and above the horizon, BGR uint8 of the whole size."""
        how = rng.random()
        if how < 0.4 and self.panoramas:
            return self.view(rng, size, camera.pitch, camera.focal_px)
        if how < 0.7:
            return self.photograph(rng, size, "scene")
        return facades(rng, size, int(np.clip(camera.horizon() + 0.04 * size[1], 4, size[1])))


def _ground(rng: Rng, side: int) -> np.ndarray:
    """Draws asphalt, slabs, cobbles, boards, lawn or carpet, float32 [side, side, 3]."""
    base = rng.uniform(50, 200) + rng.uniform(-14, 14, 3)
    rough = rng.normal(0, rng.uniform(3, 16), (side, side, 1)) + 10 * noise(rng, (side, side), 9)[..., None]
    tile = np.broadcast_to(base, (side, side, 3)).astype(np.float32).copy()
    kind = rng.choice(["asphalt", "slabs", "cobbles", "boards", "lawn", "plain"])
    if kind == "lawn":
        tile[:] = np.array([45, 110, 75]) * rng.uniform(0.6, 1.4)
        rough = rough * 2
    elif kind in ("slabs", "boards"):
        rows = int(rng.integers(4, 14))
        columns = rows if kind == "slabs" else 2
        joint = base * rng.uniform(0.5, 1.1)
        for r in range(rows):
            shift = rng.uniform(0, 1) if rng.random() < 0.5 else 0
            for c in range(columns + 1):
                y0, x0 = r * side // rows, int((c - shift) * side / columns)
                shade = base * rng.uniform(0.85, 1.12)
                cv2.rectangle(tile, (x0, y0), (x0 + side // columns, y0 + side // rows), shade.tolist(), -1)
                cv2.rectangle(tile, (x0, y0), (x0 + side // columns, y0 + side // rows), joint.tolist(), 2)
    elif kind == "cobbles":
        tile[:] = base * 0.5
        step = int(rng.integers(14, 40))
        for y in range(0, side + step, step):
            for x in range(0, side + step, step):
                at = (int(x + rng.normal(0, step * 0.12)), int(y + rng.normal(0, step * 0.12)))
                radius = (max(2, int(step * rng.uniform(0.36, 0.5))), max(2, int(step * rng.uniform(0.34, 0.48))))
                cv2.ellipse(tile, at, radius, rng.uniform(0, 180), 0, 360, (base * rng.uniform(0.75, 1.2)).tolist(), -1)
    return np.clip(tile + rough, 0, 255)


def facades(rng: Rng, size: tuple[int, int], edge: int) -> np.ndarray:
    """Draws sky, and houses with windows that stand on row `edge`, BGR uint8."""
    width, height = size
    top = np.array([rng.uniform(150, 250), rng.uniform(120, 220), rng.uniform(90, 220)])
    low = np.minimum(255, top * rng.uniform(0.9, 1.4))
    picture = np.linspace(top, low, height)[:, None, :] * np.ones((1, width, 1))
    picture += 18 * np.maximum(0, noise(rng, (height, width), 5))[..., None]
    x = -rng.uniform(0, 60)
    while x < width and rng.random() < 0.97:
        w, h = rng.uniform(0.08, 0.4) * width, rng.uniform(0.3, 1.4) * edge
        wall = any_colour(rng) * 0.5 + rng.uniform(50, 140)
        cv2.rectangle(picture, (int(x), int(edge - h)), (int(x + w), edge + 4), wall.tolist(), -1)
        step_x, step_y = rng.uniform(7, 34), rng.uniform(8, 40)
        pane = np.array([rng.uniform(20, 200)] * 3) + rng.uniform(-15, 15, 3)
        arched = rng.random() < 0.25
        for wy in np.arange(edge - h + step_y * 0.4, edge - step_y * 0.6, step_y):
            for wx in np.arange(x + step_x * 0.3, x + w - step_x * 0.6, step_x):
                shade = (pane * rng.uniform(0.7, 1.3)).tolist()
                corner = int(wx + step_x * 0.5), int(wy + step_y * 0.55)
                cv2.rectangle(picture, (int(wx), int(wy)), corner, shade, -1)
                if arched:
                    cv2.circle(picture, (int(wx + step_x * 0.25), int(wy)), max(1, int(step_x * 0.25)), shade, -1)
        x += w * rng.uniform(0.9, 1.3)
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
