"""Draws a contact sheet of a set, with its labels.

python -m pictures.sheet POOL/composed-1 sheet.jpg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np


def tile(folder: Path, row: dict, side: int, labels: bool) -> np.ndarray:
    """Draws one picture in a square. Heads are circles, green (visible) to red (mostly hidden)."""
    bgr = cv2.imread(str(folder / row["file"]))
    scale = side / max(bgr.shape[:2])
    bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if labels:
        for x, y, s, v in row["heads"]:
            cv2.circle(
                bgr,
                (round(x * scale), round(y * scale)),
                max(1, round(s * scale / 2)),
                (0, int(255 * v), int(255 * (1 - v))),
                1,
            )
    cv2.putText(bgr, f"{row['file'][:6]} {len(row['heads'])}", (3, 12), 0, 0.4, (0, 255, 255), 1)
    return cv2.copyMakeBorder(bgr, 0, side - bgr.shape[0], 0, side - bgr.shape[1], cv2.BORDER_CONSTANT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--plain", action="store_true", help="without the labels")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--side", type=int, default=320)
    arguments = parser.parse_args()
    rows = json.loads((arguments.folder / "labels.json").read_text(encoding="utf-8"))["pictures"]
    rows = rows[arguments.first : arguments.first + arguments.count]
    tiles = [tile(arguments.folder, row, arguments.side, not arguments.plain) for row in rows]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % arguments.columns)
    lines = [np.hstack(tiles[i : i + arguments.columns]) for i in range(0, len(tiles), arguments.columns)]
    cv2.imwrite(str(arguments.out), np.vstack(lines))


if __name__ == "__main__":
    main()
