"""Measures the counts of an exported network's density, by set and size.

`gatehouse-lab eval crowd` measures the product's counts and the detector's accuracy.

usage: python evaluate.py CROWD.onnx [--points POINTS.json] [--empty FOLDER] [--pool POOL]
                          [--sizes 768 1024] [--overlays FOLDER]

--points   JSON: picture (path relative to the file) -> head points; --every N uses every N-th
--empty    a folder of pictures without people
--pool     a training pool, of which the held-out pictures are used

Bias is (estimate - truth). Relative bias is the sum of estimates over the sum of truths, minus 1.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from export import session
from network import CELL, MEAN, STD
from pool import Pool, Recipe

#: Bounds of the bands of people per picture; errors are reported by band.
BANDS = (0, 1, 10, 40, 100, 300, 600, 10**6)
RESCALED = (0.75, 1.33)


@dataclass(frozen=True)
class Case:
    """A picture and the number of people in it."""

    name: str
    pixels: np.ndarray = field(repr=False)
    people: float


def tensor(pixels: np.ndarray, longer_side: int) -> tuple[np.ndarray, float]:
    """Scales a picture to `longer_side`, pads it to multiples of 32; also returns the scale."""
    scale = longer_side / max(pixels.shape[:2])
    width, height = (max(1, round(side * scale)) for side in pixels.shape[1::-1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros(((height + 31) // 32 * 32, (width + 31) // 32 * 32, 3), np.uint8)
    canvas[:height, :width] = cv2.resize(pixels, (width, height), interpolation=way)
    values = (canvas.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None]), scale


def density_map(model: onnxruntime.InferenceSession, pixels: np.ndarray, longer_side: int) -> tuple[np.ndarray, float]:
    """Returns persons per cell [rows, columns], and the scale from picture to tensor."""
    x, scale = tensor(pixels, longer_side)
    return model.run(["density"], {"input": x})[0][0, 0], scale


def count(model: onnxruntime.InferenceSession, pixels: np.ndarray, longer_side: int) -> float:
    """Returns the number of persons by the density map."""
    return float(density_map(model, pixels, longer_side)[0].sum())


def errors(title: str, estimates: list[float], truths: list[float]) -> str:
    """Formats the error figures in one line."""
    estimate, truth = np.array(estimates), np.array(truths)
    difference = estimate - truth
    text = f"{title}: n {len(truth)}, mean {truth.mean():.1f}, MAE {np.abs(difference).mean():.2f}"
    text += f", RMSE {np.sqrt((difference**2).mean()):.2f}, bias {difference.mean():+.2f}"
    return text + (f" ({estimate.sum() / truth.sum() - 1:+.1%})" if truth.sum() else "")


def report(title: str, model: onnxruntime.InferenceSession, cases: list[Case], sizes: list[int]) -> None:
    """Prints the errors at every size, by band if there are several."""
    truths = [case.people for case in cases]
    for size in sizes:
        estimates = [count(model, case.pixels, size) for case in cases]
        print(errors(f"{title} at {size}", estimates, truths), flush=True)
        bands = np.digitize(truths, BANDS)
        for band in np.unique(bands) if len(np.unique(bands)) > 1 else []:
            chosen = np.flatnonzero(bands == band)
            label = f"  {BANDS[band - 1]} to {BANDS[band] - 1}"
            print(errors(label, [estimates[i] for i in chosen], [truths[i] for i in chosen]))


def report_scales(title: str, model: onnxruntime.InferenceSession, cases: list[Case], size: int) -> None:
    """Prints how the count changes with scale: mean log ratio, signed and absolute."""
    plain = np.array([count(model, case.pixels, size) for case in cases])
    for factor in RESCALED:
        other = np.array([count(model, case.pixels, round(size * factor)) for case in cases])
        change = np.log((other + 1) / (plain + 1))
        mean, absolute = np.expm1(change.mean()), np.expm1(np.abs(change).mean())
        print(f"{title} {size} x {factor}: {mean:+.1%}, absolute {absolute:.1%}")


def points_cases(path: Path, every: int) -> list[Case]:
    """Reads every N-th picture of a list of head points."""
    rows = sorted(json.loads(path.read_text(encoding="utf-8")).items())[::every]
    return [Case(name, read(path.parent / name), len(points)) for name, points in rows]


def read(path: Path) -> np.ndarray:
    """Reads a picture; on failure, exits with an error that names it."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"evaluate: {path} cannot be read as a picture")
    return pixels


def overlay(pixels: np.ndarray, density: np.ndarray, scale: float, title: str) -> np.ndarray:
    """Draws the picture twice, side by side, with the density as a heat map on the second."""
    height, width = pixels.shape[:2]
    sides = (round(density.shape[1] * CELL / scale), round(density.shape[0] * CELL / scale))
    enlarged = cv2.resize(density, sides, interpolation=cv2.INTER_LINEAR)[:height, :width]
    heat = cv2.applyColorMap((np.clip(enlarged * 3, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    drawn = cv2.addWeighted(pixels, 0.45, heat, 0.75, 0)
    cv2.putText(drawn, title, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    return np.hstack([pixels, drawn])


def write_overlays(model: onnxruntime.InferenceSession, cases: list[Case], size: int, folder: Path) -> None:
    """Writes the pictures with their densities, for visual inspection."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        density, scale = density_map(model, case.pixels, size)
        title = f"{density.sum():.1f} of {case.people:g}"
        cv2.imwrite(str(folder / f"{Path(case.name).stem}.jpg"), overlay(case.pixels, density, scale, title))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--points", type=Path)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--empty", type=Path)
    parser.add_argument("--pool", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[768, 1024])
    parser.add_argument("--overlays", type=Path)
    args = parser.parse_args()

    cv2.setNumThreads(1)
    model = session(str(args.model))
    sets: dict[str, list[Case]] = {}
    if args.points:
        sets["points"] = points_cases(args.points, args.every)
    if args.empty:
        found = sorted(path for path in args.empty.iterdir() if path.suffix.lower() in {".jpg", ".png"})
        sets["empty"] = [Case(path.name, read(path), 0) for path in found]
    if args.pool:
        kept = Pool(args.pool, Recipe(), check=True)
        for name, pictures in sorted(kept.sets.items()):
            sets[f"pool {name}"] = [Case(f"{name}-{p.path.stem}", kept.load(p), len(p.heads)) for p in pictures[:20]]
    for title, cases in sets.items():
        if not cases:
            continue
        report(title, model, cases, args.sizes)
        if title == "points":
            report_scales(title, model, cases, args.sizes[0])
        if args.overlays:
            write_overlays(model, cases[:: max(1, len(cases) // 4)], args.sizes[0], args.overlays)


if __name__ == "__main__":
    main()
