"""Reads a pool of labelled pictures, which may grow during training.

A pool is a folder of sets. A set is a folder of pictures with a `labels.json`, which the generators
replace atomically.
"""

from __future__ import annotations

import json
import tomllib
from collections import OrderedDict
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np

#: Every N-th picture of a set is held out for checks and never trained on.
CHECK_EVERY = 40


@dataclass(frozen=True)
class Picture:
    """A picture on disk. size: (width, height); heads: rows (x, y, height, visible share), float32.

    Coordinates are in pixels.
    """

    path: Path
    size: tuple[int, int]
    heads: np.ndarray = field(compare=False)


@dataclass(frozen=True)
class Rule:
    """Sets whose name matches are drawn `share` times as often as a set with share 1."""

    match: str
    share: float


@dataclass(frozen=True)
class Recipe:
    """The relative frequencies of the sets."""

    rules: tuple[Rule, ...] = (Rule("*", 1.0),)
    #: A set with fewer pictures has a proportionally lower share, to avoid overfitting to few
    #: pictures.
    full_share_from: int = 200

    @staticmethod
    def read(path: Path | None) -> Recipe:
        """Reads a recipe; without a path, all sets have the same share.

        The TOML file has `full_share_from = 200` and tables `[[set]]` with `match` (a file pattern)
        and `share`.
        """
        if path is None:
            return Recipe()
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        rules = tuple(Rule(row["match"], float(row["share"])) for row in table.get("set", []))
        return Recipe(rules or Recipe.rules, int(table.get("full_share_from", Recipe.full_share_from)))

    def share(self, name: str, pictures: int) -> float:
        """Returns the share by the first matching rule. A set without a rule is not used."""
        share = next((rule.share for rule in self.rules if fnmatch(name, rule.match)), 0.0)
        return share * min(1.0, pictures / self.full_share_from)


def read_set(folder: Path) -> list[Picture]:
    """Reads the pictures of one set that are on disk."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    pictures = []
    for row in labels["pictures"]:
        path = folder / row["file"]
        heads = np.array(row["heads"], np.float32).reshape(-1, 4)
        if path.is_file():
            pictures.append(Picture(path, (int(row["size"][0]), int(row["size"][1])), heads))
    return pictures


class Pool:
    """Draws pictures by the recipe's shares. `rescan` reads newly added pictures."""

    def __init__(self, root: Path, recipe: Recipe, check: bool = False, cache_bytes: int = 2_000_000_000) -> None:
        """check: draws the held-out pictures instead of those for training."""
        self.root = root
        self.recipe = recipe
        self.check = check
        self.sets: dict[str, list[Picture]] = {}
        self._empty: list[Picture] = []
        self._read_at: dict[str, int] = {}
        self._names: list[str] = []
        self._shares = np.zeros(0)
        self._cache: OrderedDict[Path, np.ndarray] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._cached = 0
        self.rescan()

    def rescan(self, recipe: Recipe | None = None) -> None:
        """Reads new and changed sets. A set that cannot be read keeps its previous state."""
        self.recipe = recipe or self.recipe
        for labels in sorted(self.root.glob("*/labels.json")):
            name = labels.parent.name
            try:
                changed = labels.stat().st_mtime_ns
                if self._read_at.get(name) == changed:
                    continue
                pictures = read_set(labels.parent)
            except (OSError, ValueError, KeyError) as error:
                print(f"pool: set {name} not read: {type(error).__name__}: {error}", flush=True)
                continue
            self._read_at[name] = changed
            kept = [i % CHECK_EVERY == CHECK_EVERY - 1 for i in range(len(pictures))]
            self.sets[name] = [p for p, back in zip(pictures, kept, strict=True) if back == self.check]
        self._names = sorted(name for name in self.sets if self.sets[name])
        shares = np.array([self.recipe.share(name, len(self.sets[name])) for name in self._names])
        self._shares = shares / shares.sum() if shares.sum() > 0 else shares
        self._empty = [p for name in self._names for p in self.sets[name] if not len(p.heads)]

    def describe(self) -> str:
        """Describes pictures and share of every set in one line."""
        sets = zip(self._names, self._shares, strict=True)
        return ", ".join(f"{name} {len(self.sets[name])} ({share:.0%})" for name, share in sets) or "nothing"

    def __len__(self) -> int:
        return sum(len(self.sets[name]) for name, share in zip(self._names, self._shares, strict=True) if share)

    def draw(self, rng: np.random.Generator) -> Picture:
        """Draws a picture of a set chosen by its share."""
        name = self._names[rng.choice(len(self._names), p=self._shares)]
        return self.sets[name][rng.integers(len(self.sets[name]))]

    def draw_empty(self, rng: np.random.Generator) -> Picture | None:
        """Draws a picture without people, or None if there is none."""
        return self._empty[rng.integers(len(self._empty))] if self._empty else None

    def load(self, picture: Picture) -> np.ndarray:
        """Returns a picture's pixels, BGR [height, width, 3], cached if possible; read-only."""
        found = self._cache.get(picture.path)
        if found is not None:
            self._cache.move_to_end(picture.path)
            return found
        pixels = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
        if pixels is None or pixels.shape[1::-1] != picture.size:
            raise ValueError(f"{picture.path}: cannot be read as a picture of size {picture.size}")
        self._cache[picture.path] = pixels
        self._cached += pixels.nbytes
        while self._cached > self._cache_bytes:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return pixels
