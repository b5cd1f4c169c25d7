"""A pinhole camera over a ground plane of height 0: metres to pixels and back.

Ground axes: X to the camera's right, Y up, Z ahead; the camera is at X = Z = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: An adult's head, chin to crown, and the height of its centre, standing; in metres.
HEAD_M = 0.235
HEAD_CENTRE_M = 1.57


@dataclass(frozen=True)
class Camera:
    """height_m: over the ground; pitch: radians below level; focal_px, cx, cy: in pixels."""

    height_m: float
    pitch: float
    focal_px: float
    cx: float
    cy: float

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Projects points [n, 3] in metres to pixels [n, 2] and axial depths [n] (behind: <= 0)."""
        up = points[:, 1] - self.height_m
        ahead = points[:, 2]
        sin, cos = math.sin(self.pitch), math.cos(self.pitch)
        depth = ahead * cos - up * sin
        lower = -(up * cos + ahead * sin)
        safe = np.where(depth > 1e-6, depth, np.nan)
        return (
            np.stack([self.cx + self.focal_px * points[:, 0] / safe, self.cy + self.focal_px * lower / safe], 1),
            depth,
        )

    def head_px(self, depth: np.ndarray | float) -> np.ndarray | float:
        """Returns the height in pixels of an adult's head at a depth."""
        return self.focal_px * HEAD_M / depth

    def horizon(self) -> float:
        """Returns the row of the horizon."""
        return self.cy - self.focal_px * math.tan(self.pitch)

    def ground_at(self, row: float, height_m: float = 0.0) -> float:
        """Returns Z where a row's middle meets `height_m`; infinite from the horizon up."""
        angle = self.pitch + math.atan2(row - self.cy, self.focal_px)
        return (self.height_m - height_m) / math.tan(angle) if angle > 1e-4 else math.inf

    def looks_down(self, row: float) -> float:
        """Returns the viewing angle below level at a row, in radians."""
        return self.pitch + math.atan2(row - self.cy, self.focal_px)

    @staticmethod
    def with_heads(
        size: tuple[int, int], pitch: float, focal_px: float, head_px: float, cy: float | None = None
    ) -> Camera:
        """Makes a camera that sees heads of `head_px` at the lower edge. size: (width, height)."""
        width, height = size
        cy = height / 2 if cy is None else cy
        angle = pitch + math.atan2(height - cy, focal_px)
        if angle < math.radians(2):
            raise ValueError(
                f"the lower edge of the picture is above level: pitch {math.degrees(pitch):.1f} degrees, "
                f"focal length {focal_px:.0f} px"
            )
        depth = focal_px * HEAD_M / head_px
        over_heads = depth / (math.sin(pitch) + math.cos(pitch) / math.tan(angle))
        return Camera(over_heads + HEAD_CENTRE_M, pitch, focal_px, width / 2, cy)


def ground_to_picture(camera: Camera) -> np.ndarray:
    """Returns the 3x3 homography of ground metres (X, Z, 1) to pixels."""
    sin, cos = math.sin(camera.pitch), math.cos(camera.pitch)
    f, cx, cy, h = camera.focal_px, camera.cx, camera.cy, camera.height_m
    depth = np.array([0.0, cos, h * sin])
    lower = np.array([0.0, -sin, h * cos])
    return np.stack([f * np.array([1.0, 0.0, 0.0]) + cx * depth, f * lower + cy * depth, depth])
