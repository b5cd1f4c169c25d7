"""Makes a person as triangles: body, clothes as its offset copies, hair, hats and bags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import people
from .bodies import NAMES, BaseMesh, normals
from .figures import Part
from .poses import pose

Rng = np.random.Generator


#: Roles of vertices: painted; head; top and bottom, whose colour every instance of the person sets.
PLAIN, HEAD, TOP, BOTTOM = range(4)


@dataclass(frozen=True)
class Person:
    """A posed person in metres. y is up; feet or seat are at 0; the person looks along +z.

    points, normals, colours: float32 [v, 3], colours BGR 0..1; faces: int32 [f, 3]; face_at:
    float32 [v, 3], position on the head of bare skin, in head heights from its centre (elsewhere
    9); role: uint8 [v], one of PLAIN, HEAD, TOP, BOTTOM; centre: of the head; head_m: chin to
    crown.
    """

    points: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    faces: np.ndarray
    face_at: np.ndarray
    role: np.ndarray
    centre: np.ndarray
    head_m: float
    height_m: float
    sitting: bool


def ball(level: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Makes a unit ball of 20 * 4^level triangles."""
    g = (1 + 5**0.5) / 2
    points = np.array([[s, t * g, 0] for s in (-1, 1) for t in (-1, 1)], float)
    points = np.concatenate([np.roll(points, k, axis=1) for k in range(3)])
    points /= np.linalg.norm(points[0])
    near = np.linalg.norm(points[:, None] - points[None], axis=2)
    edge = 1.06
    faces = [
        (i, j, k) if np.dot(np.cross(points[j] - points[i], points[k] - points[i]), points[i]) > 0 else (i, k, j)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] < edge and near[j, k] < edge and near[i, k] < edge
    ]
    faces = np.array(faces, np.int32)
    for _ in range(level):
        points, faces = _finer(points, faces)
    return points, faces


def _finer(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits each triangle into four, with the edge midpoints moved to the unit ball."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, which = np.unique(edges, axis=0, return_inverse=True)
    middles = points[edges].sum(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = (len(points) + which.reshape(-1, 3)).T
    a, b, c = faces.T
    quarters = [np.stack(corners, axis=1) for corners in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    return np.concatenate([points, middles]), np.concatenate(quarters).astype(np.int32)


_BALLS = {level: ball(level) for level in (0, 1, 2)}


def ellipsoid(part: Part, level: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns points, normals, colours (0..1) and faces of a part, in its own units."""
    unit, faces = _BALLS[level]
    turn = np.eye(3) if part.turn is None else part.turn
    points = part.centre + (unit * part.radii) @ turn.T
    across = (unit / part.radii) @ turn.T
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    paint = part.paint(unit) if callable(part.paint) else np.broadcast_to(part.paint, unit.shape)
    return points, across, np.clip(paint, 0, 255) / 255, faces


def person(base: BaseMesh, rng: Rng, sitting: bool = False, active: bool = False) -> Person:
    """Makes a random person, dressed and posed; the choices do not depend on the mesh's detail."""
    man = rng.random() < 0.52
    age = rng.uniform(5, 14) if rng.random() < 0.07 else 16 + 62 * rng.beta(1.5, 2.6)
    shape = base.shape(rng, man, age)
    points, head_place = base.posed(shape, pose(rng, shape, sitting, active))
    skin, hair = _complexion(rng)
    if age > 58 and rng.random() < 0.7:
        hair = np.array([150, 152, 155]) * rng.uniform(0.7, 1.4)
    points, colours, faces, role = _clothed_body(base, rng, points, skin, man, sitting)
    # In the head's own axes, its centre is half way from chin to crown.
    rest = base.low_rest
    own = (base.low_part == 0) & (base.low_weights[:, NAMES.index("head")] > 0.9)
    low = base.cell_means(shape.points)
    crown, front = low[own, 1].max(), low[own, 2].max()
    chin = low[own & (low[:, 2] > front - 0.7), 1].min()
    head_dm = crown - chin
    middle = np.array([0, (crown + chin) / 2, np.median(low[own, 2]) - 0.05])
    centre = head_place[:3, :3] @ middle + head_place[:3, 3]
    turn = head_place[:3, :3]
    face_at = np.full((len(points), 3), 9.0)
    face_at[: len(rest)][own] = (points[: len(rest)][own] - centre) @ turn / head_dm
    lists = [[points], [normals(points, faces)], [colours], [faces], [face_at], [role]]
    for part in _extras(rng, skin, hair, not man):
        placed = Part(part.centre, part.radii, part.paint, part.turn)
        p, n, c, f = ellipsoid(placed, (2 if part.head else 1) - (base.coarse > 1))
        size = head_dm * 1.0
        if part.head:
            p, n = centre + (p * size) @ turn.T, n @ turn.T
        else:
            p = centre + p * size
        offset = sum(map(len, lists[0]))
        for known, new in zip(
            lists,
            (p, n, c, f + offset, np.full((len(p), 3), 9.0), np.full(len(p), HEAD if part.head else PLAIN)),
            strict=True,
        ):
            known.append(new)
    points, norms, colours, faces, face_at, role = (np.concatenate(known) for known in lists)
    floor = points[: len(rest), 1].min()
    scale = _metres_per_dm(rng, man, age, crown - low[:, 1].min())
    points = (points - [0, floor, 0]) * scale
    return Person(
        *(a.astype(np.float32) for a in (points, norms, colours)),
        faces.astype(np.int32),
        face_at.astype(np.float32),
        role.astype(np.uint8),
        ((centre - [0, floor, 0]) * scale).astype(np.float32),
        float(head_dm * scale),
        float((crown - floor) * scale),
        sitting,
    )


def _metres_per_dm(rng: Rng, man: bool, age: float, tall_dm: float) -> float:
    """Returns metres per decimetre of the mesh, for a realistic height."""
    adult = rng.normal(1.755 if man else 1.63, 0.07)
    tall = adult if age > 16 else adult * (0.42 + 0.58 * age / 17)
    return float(np.clip(tall, 0.9, 2.05) / tall_dm)


def _complexion(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    tone = rng.uniform(0, len(people.SKINS) - 1)
    low = int(tone)
    skin = people.SKINS[low] + (people.SKINS[min(low + 1, len(people.SKINS) - 1)] - people.SKINS[low]) * (tone - low)
    skin = np.clip(skin * rng.uniform(0.85, 1.1) + rng.uniform(-8, 8, 3), 10, 250)
    return skin, people.hair_colour(rng) if tone < 3.6 else np.array([20, 18, 18]) * rng.uniform(0.6, 1.8)


def _clothed_body(base: BaseMesh, rng: Rng, points: np.ndarray, skin: np.ndarray, man: bool, sitting: bool):
    """Makes body and clothes: points, colours 0..1, faces, roles."""
    rest, part, weights = base.low_rest, base.low_part, base.low_weights
    share = {name: weights[:, i] for i, name in enumerate(NAMES)}
    arm, hand = share["lowerarm_l"] + share["lowerarm_r"], share["hand_l"] + share["hand_r"]
    foot = share["foot_l"] + share["foot_r"]
    top = people.any_colour(rng)
    waist = rng.choice([0.9, 0.2, -1.6, -3.4], p=[0.4, 0.35, 0.17, 0.08])
    short_sleeves, shorts = rng.random() < 0.35, rng.random() < 0.12
    skirt = not man and not sitting and rng.random() < 0.22
    loose_top, loose_bottom = rng.choice([0.12, 0.24, 0.4]), rng.choice([0.06, 0.16, 0.26])
    tights = part == 1
    is_top = (tights & (rest[:, 1] > waist)) | (tights & (arm + hand + share["upperarm_l"] + share["upperarm_r"] > 0.3))
    bare_arm = (arm + hand > 0.5) & (short_sleeves | (hand > 0.5))
    bare_leg = tights & ~is_top & (shorts | skirt) & (rest[:, 1] < -2.6)
    colours = np.empty_like(points)
    colours[:] = skin
    cloth = people.cloth_paint(rng, top)
    unit = np.stack([rest[:, 0] / 1.9, (rest[:, 1] - 3.2) / 2.6, rest[:, 2]], axis=1)
    colours[is_top] = cloth(unit[is_top]) if callable(cloth) else cloth
    role = np.full(len(rest), PLAIN)
    # White marks the first colour, which the instance sets; stripes and prints keep their second
    # one.
    role[is_top & (np.abs(colours - top).max(axis=1) < 1)] = TOP
    role[tights & ~is_top] = BOTTOM
    role[part == 2] = BOTTOM if rng.random() < 0.5 else TOP
    colours[role >= TOP] = 255
    role[bare_arm | bare_leg | (foot > 0.6)] = PLAIN
    role[(part == 0) & (share["head"] > 0.5)] = HEAD
    colours[bare_arm | bare_leg] = skin
    colours[foot > 0.6] = people.any_colour(rng) * 0.7
    # Cloth is outside the body, slightly wrinkled; the bare parts of the suit stay on the skin.
    away = normals(points, base.low_faces)
    ease = np.where(is_top, loose_top, loose_bottom) * tights * ~bare_arm * ~bare_leg
    ease = ease * (1 + 0.5 * np.sin(rest[:, 1] * rng.uniform(1, 3) + rng.uniform(0, 6))) + 0.08 * (part == 2)
    points = points + away * ease[:, None]
    colours *= 1 + 0.06 * np.sin(rest[:, 1:2] * 4 + rng.uniform(0, 6)) * tights[:, None]
    own_head = share["head"] + share["neck_01"] > 0.4
    shown = np.where(part == 0, own_head | (hand > 0.4) | (foot > 0.4), True) & ((part != 2) | skirt) & (part != 3)
    shown &= ~(tights & ((hand > 0.6) | (foot > 0.7)))
    faces = base.low_faces[shown[base.low_faces].all(axis=1)]
    return points, np.clip(colours, 0, 255) / 255, faces, role


def _extras(rng: Rng, skin: np.ndarray, hair: np.ndarray, woman: bool) -> list[Part]:
    """Makes hair, headwear and a bag, in heads around the head's centre, without head and neck."""
    parts = [p for p in people.head_parts(rng, skin, hair, woman, straight=True) if p.radii.max() > 0.12][1:]
    # The parts are made for an ellipsoid head; a real skull is longer at the back.
    parts = [
        Part(p.centre * [1, 1, 1.02] + [0, 0.02, -0.03], p.radii * [1.04, 1.03, 1.08], p.paint, p.turn, p.head)
        for p in parts
        if p.head or p.radii[1] < 0.34
    ]
    if rng.random() < 0.2:
        parts.append(Part(np.array([0, -1.7, -0.62]), np.array([0.55, 0.8, 0.32]), people.any_colour(rng)))
    return parts
