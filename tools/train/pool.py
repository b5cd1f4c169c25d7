"""Reading a pool of labelled pictures that may still be growing.

A pool is a folder of sets; a set is a folder of pictures and a `labels.json`, which the generators replace as a whole.
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

#: Every so manieth picture of a set is kept back to check with, and never trained on.
CHECK_EVERY = 40


@dataclass(frozen=True)
class Picture:
    """A picture on disc. size: (width, height); heads: float32 rows (x, y, height, visible share), in pixels."""

    path: Path
    size: tuple[int, int]
    heads: np.ndarray = field(compare=False)


@dataclass(frozen=True)
class Rule:
    """Sets whose name matches are drawn `share` times as often as a set of share 1."""

    match: str
    share: float


@dataclass(frozen=True)
class Recipe:
    """How often each set is drawn from."""

    rules: tuple[Rule, ...] = (Rule("*", 1.0),)
    #: A set of fewer pictures than this gets proportionally less, or a few pictures would be learnt by heart.
    full_at: int = 200

    @staticmethod
    def read(path: Path | None) -> Recipe:
        """Without a path, all sets alike.

        From TOML: `full_at = 200` and tables `[[set]]` with `match` (a file pattern) and `share`.
        """
        if path is None:
            return Recipe()
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        rules = tuple(Rule(row["match"], float(row["share"])) for row in table.get("set", []))
        return Recipe(rules or Recipe.rules, int(table.get("full_at", Recipe.full_at)))

    def share(self, name: str, pictures: int) -> float:
        """The first rule that matches decides; a set that no rule names isn't used."""
        share = next((rule.share for rule in self.rules if fnmatch(name, rule.match)), 0.0)
        return share * min(1.0, pictures / self.full_at)


def read_set(folder: Path) -> list[Picture]:
    """The pictures of one set that are on disc."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    pictures = []
    for row in labels["pictures"]:
        path = folder / row["file"]
        heads = np.array(row["heads"], np.float32).reshape(-1, 4)
        if path.is_file():
            pictures.append(Picture(path, (int(row["size"][0]), int(row["size"][1])), heads))
    return pictures


class Pool:
    """Draws pictures by the recipe's shares; `rescan` takes in what has been added since."""

    def __init__(self, root: Path, recipe: Recipe, check: bool = False, cache_bytes: int = 2_000_000_000) -> None:
        """check: the pictures kept back instead of those to train on."""
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
        """Reads sets that are new or changed. One that can't be read just now stays as it was."""
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
        """One line: pictures and share of every set."""
        sets = zip(self._names, self._shares, strict=True)
        return ", ".join(f"{name} {len(self.sets[name])} ({share:.0%})" for name, share in sets) or "nothing"

    def __len__(self) -> int:
        return sum(len(self.sets[name]) for name, share in zip(self._names, self._shares, strict=True) if share)

    def draw(self, rng: np.random.Generator) -> Picture:
        """A picture of a set chosen by its share."""
        name = self._names[rng.choice(len(self._names), p=self._shares)]
        return self.sets[name][rng.integers(len(self.sets[name]))]

    def draw_empty(self, rng: np.random.Generator) -> Picture | None:
        """A picture without people, where there is one."""
        return self._empty[rng.integers(len(self._empty))] if self._empty else None

    def load(self, picture: Picture) -> np.ndarray:
        """Its pixels, BGR [height, width, 3], from memory where possible. Not to be written to."""
        found = self._cache.get(picture.path)
        if found is not None:
            self._cache.move_to_end(picture.path)
            return found
        pixels = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
        if pixels is None or pixels.shape[1::-1] != picture.size:
            raise ValueError(f"{picture.path}: not a picture of {picture.size}")
        self._cache[picture.path] = pixels
        self._cached += pixels.nbytes
        while self._cached > self._cache_bytes:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return pixels
