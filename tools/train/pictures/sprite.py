"""Sprites: pictures of one person without background, the input of `compose`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np


@dataclass(frozen=True)
class Sprite:
    """A person, or the upper part of one.

    bgr: uint8 [h, w, 3]; alpha: uint8 [h, w], 255 on the person; head: uint8 [h, w], 255 on head,
    hair and hat; x, y: centre of the head; height: chin to crown; pitch: the camera's angle below
    level, in degrees; whole: the feet are in the sprite.
    """

    bgr: np.ndarray
    alpha: np.ndarray
    head: np.ndarray
    x: float
    y: float
    height: float
    pitch: float = 10.0
    whole: bool = False

    def flipped(self) -> Sprite:
        """Returns the mirror image."""
        width = self.alpha.shape[1]
        return self._with(
            self.bgr[:, ::-1], self.alpha[:, ::-1], self.head[:, ::-1], width - self.x, self.y, self.height
        )

    def scaled(self, height: float) -> Sprite:
        """Returns the sprite with a head of `height` pixels."""
        factor = height / self.height
        rows, columns = self.alpha.shape
        size = max(1, round(columns * factor)), max(1, round(rows * factor))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        # Weight colour with alpha; otherwise the old background bleeds into the rim.
        weighted = cv2.resize(
            cv2.multiply(self.bgr, cv2.merge([self.alpha] * 3), scale=1 / 255), size, interpolation=how
        )
        alpha = cv2.resize(self.alpha, size, interpolation=how)
        head = cv2.resize(self.head, size, interpolation=how)
        bgr = cv2.divide(weighted, cv2.merge([cv2.max(alpha, 1)] * 3), scale=255)
        fx, fy = size[0] / columns, size[1] / rows
        return self._with(bgr, alpha, head, self.x * fx, self.y * fy, self.height * fy)

    def rotated(self, degrees: float) -> Sprite:
        """Returns the sprite rotated clockwise about the head's centre. Corners are cropped."""
        rows, columns = self.alpha.shape
        turn = cv2.getRotationMatrix2D((self.x, self.y), -degrees, 1)
        bgr, alpha, head = (cv2.warpAffine(a, turn, (columns, rows)) for a in (self.bgr, self.alpha, self.head))
        return self._with(bgr, alpha, head, self.x, self.y, self.height)

    def bust(self, heads_below: float) -> Sprite:
        """Returns the sprite cut off `heads_below` head heights under the chin."""
        end = int(min(self.alpha.shape[0], self.y + self.height * (0.5 + heads_below)))
        cut = self._with(self.bgr[:end], self.alpha[:end], self.head[:end], self.x, self.y, self.height)
        return Sprite(cut.bgr, cut.alpha, cut.head, cut.x, cut.y, cut.height, self.pitch, False)

    def recoloured(self, bgr: np.ndarray) -> Sprite:
        """Returns the sprite with other colours. bgr: uint8 [h, w, 3]."""
        return self._with(bgr, self.alpha, self.head, self.x, self.y, self.height)

    def _with(self, bgr, alpha, head, x, y, height) -> Sprite:
        return Sprite(bgr, alpha, head, float(x), float(y), float(height), self.pitch, self.whole)


def save(path: Path, sprites: list[Sprite]) -> None:
    """Writes sprites as one numpy archive."""
    arrays: dict[str, np.ndarray] = {}
    for i, s in enumerate(sprites):
        arrays[f"{i}_pixels"] = np.dstack([s.bgr, s.alpha, s.head])
        arrays[f"{i}_head"] = np.array([s.x, s.y, s.height, s.pitch, s.whole], np.float64)
    np.savez_compressed(path, count=np.array(len(sprites)), **arrays)


def load(path: Path) -> list[Sprite]:
    """Reads an archive that `save` wrote."""
    sprites = []
    with np.load(path) as arrays:
        for i in range(int(arrays["count"])):
            pixels = arrays[f"{i}_pixels"]
            x, y, height, pitch, whole = (float(v) for v in arrays[f"{i}_head"])
            parts = (np.ascontiguousarray(p) for p in (pixels[..., :3], pixels[..., 3], pixels[..., 4]))
            sprites.append(Sprite(*parts, x, y, height, pitch, bool(whole)))
    return sprites
