"""Labels of pictures: the heads, their visible shares, and the label file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

#: Minimum visible share of listed heads. Annotators of crowds mark even heads of which little is
#: visible.
MIN_VISIBLE = 0.1
#: Minimum height of listed heads, in pixels.
MIN_HEAD_PX = 3.0


@dataclass
class HeadOwners:
    """Stores which head owns each pixel while people are pasted back to front. 0: no head."""

    size: tuple[int, int]
    pixels: np.ndarray = field(init=False)
    heads: list[tuple[float, float, float]] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixels = np.zeros((self.size[1], self.size[0]), np.int32)

    def add(
        self, at: tuple[slice, slice], alpha: np.ndarray, head: np.ndarray, area: int, label: tuple[float, float, float]
    ):
        """Adds a person in front of all previous ones.

        at: rows and columns in the picture; alpha, head: uint8 of that shape; area: pixels of the
        whole head, including those outside the picture; label: x, y, height.
        """
        self.heads.append(label)
        self.areas.append(area)
        part = self.pixels[at]
        part[alpha > 127] = 0
        part[head > 127] = len(self.heads)

    def cover(self, at: tuple[slice, slice], alpha: np.ndarray) -> None:
        """Adds a thing in front of everything so far."""
        self.pixels[at][alpha > 127] = 0

    def visible(self) -> np.ndarray:
        """Returns the visible share of every head, in the order of adding."""
        seen = np.bincount(self.pixels.ravel(), minlength=len(self.heads) + 1)[1:]
        return seen / np.maximum(self.areas, 1)

    def listed(self) -> list[list[float]]:
        """Returns rows x, y, height, visible share of the listed heads."""
        return listed_heads(self.size, self.heads, self.visible())


def listed_heads(size: tuple[int, int], heads, shares) -> list[list[float]]:
    """Returns rows x, y, height, visible share of the heads with enough visible pixels."""
    width, height = size
    rounded = (
        [round(float(x), 2), round(float(y), 2), round(float(s), 2), round(min(1.0, float(v)), 3)]
        for (x, y, s), v in zip(heads, shares, strict=True)
    )
    return [
        [x, y, s, v]
        for x, y, s, v in rounded
        if 0 <= x < width and 0 <= y < height and v >= MIN_VISIBLE and s >= MIN_HEAD_PX
    ]


@dataclass
class SetWriter:
    """Writes a set: its pictures, and repeatedly `labels.json`, each time atomically."""

    folder: Path
    seed: int
    every: int = 25
    pictures: list[dict] = field(default_factory=list)

    def add(self, bgr: np.ndarray, heads: list[list[float]]) -> None:
        """Writes a picture. bgr: uint8 [h, w, 3]; heads: rows x, y, height, visible share."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{len(self.pictures):06d}.jpg"
        if not cv2.imwrite(str(self.folder / name), bgr, [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise OSError(f"{self.folder / name}: cannot be written")
        self.pictures.append({"file": name, "size": [bgr.shape[1], bgr.shape[0]], "heads": heads})
        if len(self.pictures) % self.every == 0:
            self.write()

    def write(self) -> None:
        """Replaces labels.json atomically."""
        table = {"set": self.folder.name, "seed": self.seed, "pictures": self.pictures}
        fresh = self.folder / "labels.json.part"
        fresh.write_text(json.dumps(table, separators=(",", ":")), encoding="utf-8")
        os.replace(fresh, self.folder / "labels.json")

    def summary(self) -> str:
        """Returns one line for the log."""
        counts = [len(p["heads"]) for p in self.pictures]
        mean = sum(counts) / max(1, len(counts))
        return (
            f"{len(counts)} pictures, {mean:.1f} heads each, at most {max(counts, default=0)}, {counts.count(0)} empty"
        )
