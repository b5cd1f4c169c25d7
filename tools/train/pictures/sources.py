"""Finds, checks and reads the files of the table of sources (`sources.toml`).

Roots are folders: `python` (site-packages), `debian` (`/`, or folders with unpacked packages),
`npm` (a folder with an unpacked package, `package/`), `clips` (Intel's sample videos), `wheel` (an
unpacked wheel).
"""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

TABLE = Path(__file__).with_name("sources.toml")


@dataclass(frozen=True)
class Member:
    """One file of one source."""

    source: str
    licence: str
    root: str
    path: str
    sha256: str
    use: str
    #: First and last used frame of a clip, or None for all.
    frames: tuple[int, int] | None = None
    #: First and last usable row of a photograph, as shares of its height.
    rows: tuple[float, float] = (0.0, 1.0)


def members(use: str) -> list[Member]:
    """Lists the table's members for a use."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [
        Member(
            s["name"], s["licence"], s["root"], **{key: tuple(v) if isinstance(v, list) else v for key, v in m.items()}
        )
        for s in table["source"]
        for m in s["members"]
        if m["use"] == use
    ]


def check_bodies(folder: Path) -> None:
    """Refuses a folder `mpfb2` if licence, mesh, groups or weights differ from the table."""
    for member in members("body"):
        path = folder / member.path.partition("/mpfb2/")[2]
        if hashlib.sha256(path.read_bytes()).hexdigest() != member.sha256:
            raise ValueError(f"{path}: differs from the file that sources.toml records")


class Roots:
    """The folders with the sources' files."""

    def __init__(self, given: list[str]) -> None:
        """given: `kind=folder`, as on the command line."""
        self.folders: dict[str, list[Path]] = {}
        for word in given:
            kind, _, folder = word.partition("=")
            self.folders.setdefault(kind, []).append(Path(folder))

    def find(self, member: Member) -> Path | None:
        """Finds a member's file; refuses a file with another hash."""
        for folder in self.folders.get(member.root, []):
            path = folder / member.path
            if path.is_file():
                if hashlib.sha256(path.read_bytes()).hexdigest() != member.sha256:
                    raise ValueError(f"{path}: differs from the file that sources.toml records")
                return path
        return None

    def _found_members(self, use: str) -> Iterator[tuple[Member, Path]]:
        """Yields the members for a use whose files exist, with the files."""
        for member in members(use):
            path = self.find(member)
            if path is not None:
                yield member, path

    def pictures(self, use: str) -> list[np.ndarray]:
        """Reads all pictures for a use: BGR, uint8 [h, w, 3], longer side at most 1600."""
        found = []
        for member, path in self._found_members(use):
            bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if bgr is None:
                raise ValueError(f"{path}: cannot be read as a picture")
            first, last = (round(share * bgr.shape[0]) for share in member.rows)
            found.append(_shrink_to(bgr[first:last], 1600))
        return found

    def panoramas(self) -> list[np.ndarray]:
        """Reads equirectangular environments: BGR, float32 [h, 2 h, 3], linear light."""
        import OpenEXR

        found = []
        for _, path in self._found_members("panorama"):
            with tempfile.TemporaryDirectory() as folder:
                if path.suffix == ".js":
                    text = re.search(r"base64,([^'\"]+)", path.read_text(encoding="utf-8"))
                    path = Path(folder) / "panorama.exr"
                    path.write_bytes(base64.b64decode(text.group(1)))
                channels = OpenEXR.File(str(path)).channels()
                rgb = channels["RGB"].pixels
            found.append(np.ascontiguousarray(rgb[..., ::-1], dtype=np.float32))
        return found

    def empty_views(self) -> list[np.ndarray]:
        """Computes empty views: the median over time of clips in which people only pass, BGR."""
        found = []
        for member, path in self._found_members("empty-clip"):
            clip, frames = cv2.VideoCapture(str(path)), []
            first, last = member.frames or (0, int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) - 1)
            for i in range(last + 1):
                read, frame = clip.read()
                if not read:
                    break
                if i >= first and (i - first) % max(1, (last - first) // 30) == 0:
                    frames.append(frame)
            found.append(np.median(np.stack(frames), axis=0).astype(np.uint8))
        return found


def _shrink_to(bgr: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(bgr.shape[:2])
    return bgr if scale >= 1 else cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
