"""Fits a manifest's `[counting]` table to pictures that the network was not trained on.

usage: python fit.py --gain NETWORK.onnx SET... [--long-side 768]
       python fit.py --spread COUNTS.csv... [--coverage 0.9]

`--gain`: a network whose training stopped early counts too few people. Prints the factor for its
density (`export.py --gain`) that corrects the median picture with 20 heads or more. A set is a
folder with `labels.json` (see pool.py).

`--spread`: reads the output of `gatehouse-lab eval crowd --counts`. Prints the narrowest intervals that
contain the truth in the wanted share of the pictures. Pictures counted mostly by detections and
mostly by density have separate intervals. Fits every second picture and tests on the others.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from evaluate import density_map
from export import session
from network import CELL
from pool import read_set

FEWEST_HEADS = 20
CONSTANTS = np.arange(0.5, 6.1, 0.5)
PER_PERSON = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
RELATIVE = np.arange(0.0, 1.01, 0.05)


@dataclass(frozen=True)
class Counted:
    """One picture: marked people, counted people, and the part of the count by density."""

    marked: float
    counted: float
    by_density: float


def people(network: onnxruntime.InferenceSession, picture: np.ndarray, long_side: int) -> float:
    """Returns the sum of the density over a BGR picture."""
    density, scale = density_map(network, picture, long_side)
    rows, columns = (-(-round(side * scale) // CELL) for side in picture.shape[:2])
    return float(density[:rows, :columns].sum())


def gain(network: onnxruntime.InferenceSession, sets: list[Path], long_side: int) -> float:
    """Fits the factor for the density."""
    ratios = []
    for folder in sets:
        for picture in read_set(folder):
            if len(picture.heads) >= FEWEST_HEADS:
                counted = people(network, cv2.imread(str(picture.path)), long_side)
                ratios.append(len(picture.heads) / max(counted, 1.0))
    print(
        f"{len(ratios)} pictures; truth / count: "
        + ", ".join(f"{q} % {np.percentile(ratios, q):.2f}" for q in (10, 50, 90))
    )
    return float(np.median(ratios))


def read_counts(paths: list[Path]) -> list[Counted]:
    """Reads the output of `gatehouse-lab eval crowd --counts`."""
    counts = []
    for path in paths:
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                counted = float(row["counted"])
                part = float(row["share_by_density"])
                counts.append(Counted(float(row["marked"]), counted, counted * part))
    return counts


def half_widths(people: np.ndarray, constant: float, per_person: float, relative: float) -> np.ndarray:
    """Returns the half widths of the intervals around counts, as `CountSpread` of the manifest."""
    return np.sqrt(constant**2 + per_person * people + (relative * people) ** 2)


def spread(counts: list[Counted], coverage: float) -> tuple[float, float, float, float]:
    """Fits constant, per_person and relative of the narrowest intervals; also returns their mean half width."""
    errors = np.array([abs(c.marked - c.counted) for c in counts])
    people = np.array([c.counted for c in counts])
    best = None
    for constant, per_person, relative in itertools.product(CONSTANTS, PER_PERSON, RELATIVE):
        half = half_widths(people, constant, per_person, relative)
        if np.mean(errors <= half + 0.05) >= coverage and (best is None or half.mean() < best[3]):
            best = (float(constant), float(per_person), float(relative), float(half.mean()))
    if best is None:
        raise SystemExit(f"fit: no interval contains the truth in {coverage:.0%} of the pictures")
    return best


def coverage_of(counts: list[Counted], fitted: tuple[float, float, float, float]) -> float:
    """Returns the share of counts whose interval contains the truth."""
    errors = np.array([abs(c.marked - c.counted) for c in counts])
    people = np.array([c.counted for c in counts])
    return float(np.mean(errors <= half_widths(people, *fitted[:3]) + 0.05))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--gain", type=Path, metavar="NETWORK", help="fit the density's gain")
    what.add_argument("--spread", action="store_true", help="fit the intervals")
    parser.add_argument("files", type=Path, nargs="+", help="sets, or CSV files of counts")
    parser.add_argument("--long-side", type=int, default=768)
    parser.add_argument("--coverage", type=float, default=0.9)
    args = parser.parse_args()
    if args.gain:
        print(f"gain {gain(session(str(args.gain)), args.files, args.long_side):.3f}")
        return
    counts = read_counts(args.files)
    by_density = [c for c in counts if c.by_density >= c.counted / 2 and c.counted > 0]
    detections = [c for c in counts if c.by_density < c.counted / 2 or c.counted == 0]
    for name, some in (("detections", detections), ("density", by_density)):
        fitted = spread(some[::2], args.coverage)
        print(
            f"{name} = {{ constant = {fitted[0]:.1f}, per_person = {fitted[1]}, relative = {fitted[2]:.2f} }}"
            f"  # {len(some)} pictures; coverage {coverage_of(some[::2], fitted):.2f} of the fitted, "
            f"{coverage_of(some[1::2], fitted):.2f} of the others"
        )
    print(f"most_people = {max(c.counted for c in counts):.0f}")


if __name__ == "__main__":
    main()
