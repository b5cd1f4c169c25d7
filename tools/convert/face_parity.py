"""Compares the product's face scores with OpenCV's, on the same pictures with the same two models.

usage: python face_parity.py DIR SCORES --protocol lfw|folders
                             [--pairs FILE] [--tolerance PP] [--noise] [--json]

Needs the packages of requirements-golden.txt. Run these first:

    make setup WITH=peers
    gatehouse-lab eval face DIR --protocol lfw|folders [--pairs FILE] --scores SCORES

SCORES has one row per pair of the list, in the order of the list: LFW's pairs.txt, or a file in its
format. For privacy the rows have no names. A pair's number gives its line of the list, and that
line gives its two pictures. One function computes the rates of both sides, by the rules of
tools/eval/src/maths.

The Python side does what an OpenCV program does. It calls cv2.imread, then FaceDetectorYN at the
picture's own size with the product's score threshold and maximum IoU. It selects the face by the
protocol's rule and calls FaceRecognizerSF.alignCrop, feature and match. The product does the same,
but shrinks larger photos to 640x640 before detection. With `--detect-at product`, Python shrinks
them alike, so that size explains no difference. Only the product refuses photos with a side below
112 pixels.

With `gatehouse-lab eval face --as-video` the chroma of the pictures is halved, as in a camera's frames.
The differences then show the effect of halved chroma. YuNet finds several boxes per face, each with
its own landmarks, and the best score wins. If two scores are nearly equal, a small change of the
pixels selects the other box and shifts the crop. `--noise` measures this effect: Python against
itself, with every sample of the pictures changed by -1, 0 or 1.

Exits with 1 if a rate differs by more than the tolerance, and with 2 if a comparison is impossible.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
#: Maximum IoU of two faces, as in the product's yunet.rs. The manifest has the score threshold.
MAX_IOU = 0.3
MAX_FACES = 5000
#: Longest side of a photo at detection, in pixels, as in the product's yunet.rs.
PHOTO_SIDE = 640
EXTENSIONS = (".jpg", ".jpeg", ".png")
#: Number of folds for a list without folds.
FOLDS = 10
FMR_TARGETS = ("1e-1", "1e-2", "1e-3", "1e-4")
CONFIDENCE = 0.95
#: A difference of two scores that the report counts as large.
LARGE_DIFFERENCE = 0.02
ABOVE = f"above_{LARGE_DIFFERENCE}"
#: Below every cosine: a pair without a score is decided as "not the same person".
NO_SCORE = -2.0
#: The product's histogram of scores has this many bins per unit.
BINS_PER_UNIT = 1 << 20


def fail(message: str) -> NoReturn:
    print(f"face_parity: {message}", file=sys.stderr)
    sys.exit(2)


@dataclass(frozen=True)
class Model:
    """A model's manifest and file."""

    manifest: dict
    path: Path

    @classmethod
    def of(cls, name: str, path: Path | None) -> Model:
        manifest = tomllib.loads((PROJECT / "models" / "manifests" / f"{name}.toml").read_text(encoding="utf-8"))
        model = cls(manifest, path or assets() / "models" / manifest["file"]["path"])
        if not model.path.is_file():
            fail(f"{model.path} is missing; run `make setup WITH=peers`, or give the file with --{name}")
        return model

    def facts(self) -> dict[str, str]:
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        published = [member["sha256"] for source in self.manifest["source"] for member in source.get("member", [])]
        if digest == self.manifest["file"]["sha256"]:
            what = "the product's own"
        elif digest in published:
            what = "as published"
        else:
            what = "not in the manifest"
        return {"file": self.path.name, "sha256": digest, "is": what}


def assets() -> Path:
    base = os.environ.get("GATEHOUSE_ASSETS")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatehouse"


@dataclass(frozen=True)
class Pair:
    """Two pictures of the list, and whether they show the same person."""

    fold: int
    genuine: bool
    a: Path
    b: Path


def pictures_by_number(folder: Path) -> dict[tuple[str, int], Path]:
    """Maps folder name and trailing number to each picture, as in tools/eval/src/dataset."""
    pictures = {}
    people = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for person in people:
        for path in sorted(person.iterdir()):
            number = path.stem.rsplit("_", 1)[-1]
            shown = path.is_file() and not path.name.startswith(".") and path.suffix.lower() in EXTENSIONS
            if shown and number.isascii() and number.isdigit():
                pictures[person.name, int(number)] = path
    return pictures


def fields(line: str) -> list[str]:
    """Splits a line. With tabs, as in LFW's lists, names may contain spaces."""
    return [field.strip() for field in line.split("\t") if field.strip()] if "\t" in line else line.split()


def read_pairs(path: Path, pictures: dict[tuple[str, int], Path]) -> list[Pair]:
    """Reads the pairs whose pictures exist, as in tools/eval/src/dataset/pairs.rs."""
    lines = [parts for parts in map(fields, path.read_text(encoding="utf-8").splitlines()) if parts]
    try:
        head = [int(field) for field in lines[0]]
        folds, each = head if len(head) == 2 else (None, *head)
        pairs, before = [], [0, 0]
        for parts in lines[1:]:
            if len(parts) not in (3, 4):
                raise ValueError("NAME N M, or NAME N OTHER M")
            name, n, second, m = parts if len(parts) == 4 else (parts[0], parts[1], parts[0], parts[2])
            genuine = len(parts) == 3
            count = before[genuine]
            before[genuine] += 1
            fold = min(count // each, folds - 1) if folds else min(count * FOLDS // each, FOLDS - 1)
            a, b = pictures.get((name, int(n))), pictures.get((second, int(m)))
            if a and b:
                pairs.append(Pair(fold, genuine, a, b))
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        fail(f"{path} is not a list of pairs in the format of LFW's pairs.txt")
    if not pairs:
        fail(f"none of the {len(lines) - 1} pairs of {path} has both pictures in the folder")
    return pairs


def read_scores(path: Path, pairs: list[Pair]) -> np.ndarray:
    """Reads the product's scores; NaN where it made no comparison."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"pair", "same_person", "score"} <= rows[0].keys():
        fail(f"{path} was not written by `gatehouse-lab eval face --scores`: expected the columns pair, same_person, score")
    if len(rows) != len(pairs):
        fail(f"{path} has {len(rows)} pairs, the list has {len(pairs)} with pictures: use the same folder and list")
    for number, (row, pair) in enumerate(zip(rows, pairs, strict=True), 1):
        if row["pair"] != str(number) or row["same_person"] != str(int(pair.genuine)):
            fail(f"{path}: pair {number} differs from the list: use the list that wrote the scores")
    return np.array([float(row["score"]) if row["score"] else math.nan for row in rows])


class OpenCv:
    """Runs OpenCV's detector and embedder."""

    def __init__(self, yunet: Model, sface: Model, protocol: str, as_product: bool):
        min_score = yunet.manifest["threshold"]["value"]
        self.detector = cv2.FaceDetectorYN.create(str(yunet.path), "", (320, 320), min_score, MAX_IOU, MAX_FACES)
        self.recogniser = cv2.FaceRecognizerSF.create(str(sface.path), "")
        self.protocol = protocol
        self.max_size = (PHOTO_SIDE, PHOTO_SIDE) if as_product else None

    def faces(self, bgr: np.ndarray) -> np.ndarray:
        """Finds faces: rows of box (x, y, width, height), five landmarks and score, in pixels."""
        height, width = bgr.shape[:2]
        size = (width, height)
        if self.max_size:
            scale = min(self.max_size[0] / width, self.max_size[1] / height, 1)
            # The product's planes need even sides.
            size = tuple(max(math.floor(side * scale / 2 + 0.5) * 2, 2) for side in size)
            size = tuple(min(side, most) for side, most in zip(size, self.max_size, strict=True))
            bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR)
        self.detector.setInputSize(size)
        _, found = self.detector.detect(bgr)
        if found is None:
            return np.empty((0, 15), np.float32)
        found[:, :14] *= np.tile(np.array([width / size[0], height / size[1]], np.float32), 7)
        return found

    def select_face(self, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
        """Selects the face by the protocol's rule, as in tools/eval/src/acquire.rs."""
        if not len(faces):
            return None
        if self.protocol == "folders":
            return faces[(faces[:, 2] * faces[:, 3]).argmax()]
        centre = np.array(size, np.float32) / 2
        first, sides = faces[:, :2], faces[:, 2:4]
        holds = ((first <= centre) & (centre <= first + sides)).all(axis=1)
        if holds.any():
            return faces[np.where(holds, faces[:, 14], -1).argmax()]
        return faces[np.hypot(*(first + sides / 2 - centre).T).argmin()]

    def feature(self, path: Path, noise: np.random.Generator | None) -> np.ndarray | None:
        """Returns the embedding, or None if there is no picture or no face."""
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            return None
        if noise:
            bgr = (bgr.astype(np.int16) + noise.integers(-1, 2, bgr.shape, np.int16)).clip(0, 255).astype(np.uint8)
        face = self.select_face(self.faces(bgr), (bgr.shape[1], bgr.shape[0]))
        if face is None:
            return None
        # Copy the result: the network overwrites its output at the next face.
        return self.recogniser.feature(self.recogniser.alignCrop(bgr, face[None])).copy()

    def scores(self, pairs: list[Pair], noise: np.random.Generator | None = None) -> np.ndarray:
        """Returns each pair's score; NaN where a picture has no face."""
        features, listed = {}, listed_pictures(pairs)
        for done, path in enumerate(listed, 1):
            features[path] = self.feature(path, noise)
            if done % 500 == 0 or done == len(listed):
                print(f"{done} of {len(listed)} pictures", file=sys.stderr)
        found = ((features[pair.a], features[pair.b]) for pair in pairs)
        return np.array([math.nan if a is None or b is None else self.cosine(a, b) for a, b in found])

    def cosine(self, a: np.ndarray, b: np.ndarray) -> float:
        return min(max(self.recogniser.match(a, b, cv2.FaceRecognizerSF_FR_COSINE), -1.0), 1.0)


def listed_pictures(pairs: list[Pair]) -> list[Path]:
    return sorted({path for pair in pairs for path in (pair.a, pair.b)})


def pictures_without_score(pairs: list[Pair], scores: np.ndarray) -> int:
    """Counts the listed pictures without any comparison."""
    scored = {path for pair, score in zip(pairs, scores, strict=True) if score == score for path in (pair.a, pair.b)}
    return len(listed_pictures(pairs)) - len(scored)


def thresholds(values: np.ndarray, genuine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns all distinct thresholds, ascending, and how many pairs each decides correctly."""
    order = values.argsort(kind="stable")
    values, genuine = values[order], genuine[order]
    last_of_its_value = np.append(values[1:] > values[:-1], True)
    between = np.append((values[1:] + values[:-1]) / 2, values[-1] + 1)[last_of_its_value]
    gained = np.cumsum(np.where(genuine, -1, 1))[last_of_its_value]
    return np.append(values[0], between), genuine.sum() + np.append(0, gained)


def accuracy(folds: np.ndarray, genuine: np.ndarray, scores: np.ndarray) -> float:
    """Decides each fold with the threshold that is best on all other folds.

    Without folds, returns the best accuracy with genuine and impostor pairs weighted equally.
    """
    values = np.where(np.isnan(scores), NO_SCORE, scores)
    shares = []
    for fold in range(folds.max() + 1):
        own = folds == fold
        if own.all() or not own.any():
            marks, _ = thresholds(values, genuine)
            refused = [np.searchsorted(np.sort(values[kind]), marks) / kind.sum() for kind in (genuine, ~genuine)]
            return float((1 - refused[0] + refused[1]).max() / 2)
        marks, right = thresholds(values[~own], genuine[~own])
        best = marks[right == right.max()]
        shares.append(((values[own] >= best[len(best) // 2]) == genuine[own]).mean())
    return float(np.mean(shares))


def trials_to_prove(rate: float) -> int:
    """Returns how many error-free trials prove an error rate of at most `rate` (rule of three)."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-rate))


def fnmr_at(target: float, genuine: np.ndarray, scores: np.ndarray) -> float | None:
    """Returns the FNMR at the lowest threshold that accepts at most `target` of the impostors.

    None if there are too few impostors.
    """
    made = ~np.isnan(scores)
    bins = np.floor(np.where(made, scores, 0) * BINS_PER_UNIT)
    mated, impostors = bins[made & genuine], np.sort(bins[made & ~genuine])[::-1]
    allowed = math.floor(target * len(impostors) + 1e-6)
    if not len(mated) or len(impostors) < trials_to_prove(target) or impostors[allowed] >= BINS_PER_UNIT:
        return None
    return float((mated <= impostors[allowed]).mean())


def rates(pairs: list[Pair], scores: np.ndarray) -> dict[str, float | None]:
    folds, genuine = np.array([pair.fold for pair in pairs]), np.array([pair.genuine for pair in pairs])
    return {
        "failure to acquire": pictures_without_score(pairs, scores) / len(listed_pictures(pairs)),
        "accuracy": accuracy(folds, genuine, scores) if genuine.any() and not genuine.all() else None,
        **{f"FNMR at FMR {key}": fnmr_at(float(key), genuine, scores) for key in FMR_TARGETS},
    }


def build_report(pairs: list[Pair], product: np.ndarray, python: np.ndarray, tolerance: float) -> dict:
    """Builds the report: rates as shares, differences of rates in percentage points."""
    difference = np.abs(product - python)
    both = difference[~np.isnan(difference)]
    ours, theirs = rates(pairs, product), rates(pairs, python)
    shown = {}
    for name, rate in ours.items():
        known = rate is not None and theirs[name] is not None
        points = round(100 * (rate - theirs[name]), 6) if known else None
        shown[name] = {"product": rate, "python": theirs[name], "difference_pp": points}
    return {
        "pictures": len(listed_pictures(pairs)),
        "people": len({path.parent for path in listed_pictures(pairs)}),
        "comparisons": {
            "listed": len(pairs),
            "genuine": sum(pair.genuine for pair in pairs),
            "product": int((~np.isnan(product)).sum()),
            "python": int((~np.isnan(python)).sum()),
            "both": len(both),
        },
        "failures_to_acquire": {
            "product": pictures_without_score(pairs, product),
            "python": pictures_without_score(pairs, python),
        },
        "score_difference": {
            "mean": float(both.mean()) if len(both) else None,
            "max": float(both.max()) if len(both) else None,
            ABOVE: int((both > LARGE_DIFFERENCE).sum()),
        },
        "rates": shown,
        "tolerance_pp": tolerance,
        "within_tolerance": len(both) > 0 and all(abs(r["difference_pp"] or 0) <= tolerance for r in shown.values()),
    }


def measure_noise(pairs: list[Pair], noisy: np.ndarray, python: np.ndarray) -> dict:
    """Measures how one level of noise changes Python's own scores and rates."""
    whole = build_report(pairs, noisy, python, 0)
    points = {name: rate["difference_pp"] for name, rate in whole["rates"].items()}
    return {"score_difference": whole["score_difference"], "difference_pp": points}


def format_points(difference: float | None) -> str:
    return "" if difference is None else f"{difference:+.3f} pp"


def print_report(report: dict) -> None:
    comparisons, failures, score = report["comparisons"], report["failures_to_acquire"], report["score_difference"]
    print(f"{report['pictures']} pictures of {report['people']} people, OpenCV {report['made_with']['opencv']}")
    for name, model in report["models"].items():
        print(f"{name}: {model['file']}, {model['is']}")
    print(
        f"{comparisons['listed']} pairs, {comparisons['genuine']} of one person; with a score: "
        f"{comparisons['product']} in the product, {comparisons['python']} in Python, {comparisons['both']} in both"
    )
    print(f"pictures without a score: {failures['product']} in the product, {failures['python']} in Python")
    noise = report.get("noise", {"difference_pp": {}})
    for what, of in (
        ("scores differ", score),
        ("one level of noise changes Python's scores", noise.get("score_difference")),
    ):
        if of and of["mean"] is not None:
            print(
                f"{what} by {of['mean']:.5f} on average, {of['max']:.5f} at most; "
                f"{of[ABOVE]} by more than {LARGE_DIFFERENCE}"
            )
    last = "noise alone" if "noise" in report else ""
    print(f"\n{'':20} {'product':>10} {'Python':>10} {'difference':>12} {last:>12}".rstrip())
    for name, rate in report["rates"].items():
        if rate["difference_pp"] is None:
            print(f"{name:20} {'too few comparisons':>34}")
        else:
            product, python = (f"{100 * rate[side]:.3f} %" for side in ("product", "python"))
            points, noisy = format_points(rate["difference_pp"]), format_points(noise["difference_pp"].get(name))
            print(f"{name:20} {product:>10} {python:>10} {points:>12} {noisy:>12}".rstrip())
    verdict = "every rate is within" if report["within_tolerance"] else "NOT every rate is within"
    print(f"\n{verdict} {report['tolerance_pp']} percentage points")
    for pair in report.get("largest_differences", []):
        print(f"pair {pair['pair']}: {pair['product']:.5f} in the product, {pair['python']:.5f} in Python")


def largest_differences(product: np.ndarray, python: np.ndarray, count: int) -> list[dict]:
    """Returns the pairs whose scores differ most, by their number among the pairs with pictures."""
    difference = np.nan_to_num(np.abs(product - python), nan=-1)
    order = [int(i) for i in np.argsort(-difference, kind="stable")[:count] if difference[i] >= 0]
    return [{"pair": i + 1, "product": float(product[i]), "python": float(python[i])} for i in order]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path, metavar="DIR", help="the folder of people")
    parser.add_argument(
        "scores", type=Path, metavar="SCORES", help="the file that `gatehouse-lab eval face --scores` wrote"
    )
    parser.add_argument("--protocol", choices=("lfw", "folders"), required=True, help="as for `gatehouse-lab eval face`")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="the list of pairs; default: DIR/pairs.txt")
    parser.add_argument("--yunet", type=Path, metavar="FILE", help="the detector; default: as published")
    parser.add_argument("--sface", type=Path, metavar="FILE", help="the embedder; default: the product's")
    sizes = "detect faces at the picture's own size, or at the product's size"
    parser.add_argument("--detect-at", choices=("own", "product"), default="own", help=sizes)
    parser.add_argument("--tolerance", type=float, default=0.1, metavar="PP", help="in percentage points; default: 0.1")
    parser.add_argument("--largest", type=int, default=0, metavar="N", help="show the N pairs that differ most")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="OpenCV's threads; default: OpenCV decides")
    parser.add_argument(
        "--noise", action="store_true", help="also measure the effect of one level of noise; doubles the time"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.threads:
        cv2.setNumThreads(options.threads)
    # OpenCV needs YuNet's outputs as published; the weights are the same.
    yunet = Model.of("yunet", options.yunet or assets() / "peers" / "face_detection_yunet_2023mar.onnx")
    sface = Model.of("sface", options.sface)
    try:
        pictures = pictures_by_number(options.dir)
        pairs = read_pairs(options.pairs or options.dir / "pairs.txt", pictures)
        product = read_scores(options.scores, pairs)
    except OSError as error:
        fail(str(error))
    opencv = OpenCv(yunet, sface, options.protocol, options.detect_at == "product")
    python = opencv.scores(pairs)
    report = build_report(pairs, product, python, options.tolerance)
    if options.noise:
        report["noise"] = measure_noise(pairs, opencv.scores(pairs, np.random.default_rng(0)), python)
    report["made_with"] = {"opencv": cv2.__version__}
    report["models"] = {"yunet": yunet.facts(), "sface": sface.facts()}
    report["detect_at"] = options.detect_at
    if options.largest:
        report["largest_differences"] = largest_differences(product, python, options.largest)
    if options.json:
        print(json.dumps(report))
    else:
        print_report(report)
    sys.exit(0 if report["within_tolerance"] else 1)


if __name__ == "__main__":
    main()
