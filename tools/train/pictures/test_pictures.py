"""Tests of the generators: run `python -m unittest pictures.test_pictures` in tools/train."""

from __future__ import annotations

import json
import math
import tempfile
import unittest
from pathlib import Path

import numpy as np

from . import scenes
from .bodies import normals, rotation_between
from .compose import paste
from .figures import Part, draw, limb, rotation
from .geometry import HEAD_CENTRE_M, HEAD_M, Camera, ground_to_picture
from .gpu import view_matrix
from .labels import HeadOwners, SetWriter, listed_heads
from .patterns import PATTERNS
from .people import figure
from .sprite import Sprite, load, save
from .things import KINDS, thing
from .wardrobe import ball


def square(side: int, head: int) -> Sprite:
    """Makes a white square with a head of `head` rows at its top."""
    alpha = np.full((side, side), 255, np.uint8)
    mask = alpha * 0
    mask[:head] = 255
    return Sprite(np.full((side, side, 3), 255, np.uint8), alpha, mask, side / 2, head / 2, head)


class CameraTest(unittest.TestCase):
    def test_heads_at_the_lower_edge_have_the_requested_size(self):
        for pitch, focal in ((0.05, 900.0), (0.5, 500.0), (1.2, 700.0)):
            camera = Camera.with_heads((640, 480), pitch, focal, 25.0)
            z = camera.ground_at(480.0, HEAD_CENTRE_M)
            pixels, depth = camera.project(np.array([[0.0, HEAD_CENTRE_M, z]]))
            self.assertAlmostEqual(pixels[0, 1], 480.0, places=4)
            self.assertAlmostEqual(camera.head_px(depth[0]), 25.0, places=4)

    def test_the_horizon_is_where_far_ground_goes(self):
        camera = Camera(5.0, 0.3, 600.0, 320.0, 240.0)
        pixels, _ = camera.project(np.array([[0.0, 0.0, 1e7]]))
        self.assertAlmostEqual(pixels[0, 1], camera.horizon(), places=2)
        self.assertTrue(math.isinf(camera.ground_at(camera.horizon() - 5)))

    def test_an_upward_view_is_refused(self):
        with self.assertRaises(ValueError):
            Camera.with_heads((640, 480), -0.6, 600.0, 20.0)

    def test_the_homography_agrees_with_the_projection(self):
        camera = Camera(4.0, 0.4, 700.0, 300.0, 200.0)
        pixels, _ = camera.project(np.array([[1.5, 0.0, 9.0]]))
        u = ground_to_picture(camera) @ [1.5, 9.0, 1.0]
        np.testing.assert_allclose(u[:2] / u[2], pixels[0], rtol=1e-9)


class VisibleShareTest(unittest.TestCase):
    def test_a_head_half_covered_counts_half(self):
        owners, picture = HeadOwners((100, 100)), np.zeros((100, 100, 3), np.uint8)
        paste(picture, owners, square(20, 10), (40.0, 40.0))
        self.assertEqual(owners.visible()[0], 1.0)
        paste(picture, owners, square(20, 10), (50.0, 40.0))
        self.assertEqual(list(owners.visible()), [0.5, 1.0])

    def test_a_body_hides_a_head_too(self):
        owners, picture = HeadOwners((100, 100)), np.zeros((100, 100, 3), np.uint8)
        paste(picture, owners, square(20, 10), (40.0, 50.0))
        paste(picture, owners, square(20, 10), (40.0, 40.0))
        self.assertEqual(list(owners.visible()), [0.0, 1.0])
        self.assertEqual(len(owners.listed()), 1)

    def test_pixels_outside_the_picture_are_not_visible(self):
        owners, picture = HeadOwners((100, 100)), np.zeros((100, 100, 3), np.uint8)
        paste(picture, owners, square(20, 10), (0.0, 50.0))
        self.assertEqual(owners.visible()[0], 0.5)

    def test_things_hide_heads_but_are_not_listed(self):
        owners, picture = HeadOwners((100, 100)), np.zeros((100, 100, 3), np.uint8)
        paste(picture, owners, square(20, 10), (40.0, 40.0))
        paste(picture, owners, square(20, 10), (40.0, 40.0), is_person=False)
        self.assertEqual(owners.listed(), [])

    def test_the_list_leaves_out_small_and_hidden_heads(self):
        heads = [(5.0, 5.0, 8.0), (-1.0, 5.0, 8.0), (5.0, 5.0, 8.0), (5.0, 5.0, 2.0), (9.999, 5.0, 8.0)]
        self.assertEqual(listed_heads((10, 10), heads, [1.2, 1.0, 0.09, 1.0, 1.0]), [[5.0, 5.0, 8.0, 1.0]])


class FigureTest(unittest.TestCase):
    def test_the_head_is_at_the_label(self):
        for pitch in (0.0, 0.6, 1.1):
            for seed in range(4):
                s = figure(np.random.default_rng(seed), pitch, 40)
                rows, columns = np.nonzero(s.head > 127)
                self.assertLess(abs(columns.mean() + 0.5 - s.x), 0.3 * s.height)
                self.assertLess(abs(rows.mean() + 0.5 - s.y), 0.35 * s.height)

    def test_a_ball_has_its_radius(self):
        parts = [Part(np.zeros(3), np.full(3, 0.5), np.full(3, 200.0), head=True)]
        s = draw(parts, 0.4, 0.3, 60, np.random.default_rng(0), np.array([0.0, 0, 1]), 0.5)
        self.assertAlmostEqual((s.head > 127).sum(), math.pi * 30**2, delta=60)

    def test_a_limb_reaches_from_point_to_point(self):
        part = limb([0, 0, 0], [0, -2, 0], 0.2, np.zeros(3))
        np.testing.assert_allclose(part.centre, [0, -1, 0])
        np.testing.assert_allclose(np.abs(part.turn[:, 1]), [0, 1, 0], atol=1e-12)

    def test_rotations_are_rotations(self):
        for axis in range(3):
            turn = rotation(axis, 0.7)
            np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
            self.assertAlmostEqual(np.linalg.det(turn), 1.0)

    def test_things_have_no_heads(self):
        rng = np.random.default_rng(3)
        self.assertFalse(any(thing(rng, 0.3, 20).head.any() for _ in range(3 * len(KINDS))))

    def test_scaling_keeps_the_head_in_place(self):
        s = figure(np.random.default_rng(1), 0.1, 40).scaled(12.0)
        rows, _ = np.nonzero(s.head > 127)
        self.assertAlmostEqual(s.height, 12.0, delta=0.3)
        self.assertLess(abs(rows.mean() + 0.5 - s.y), 5)

    def test_a_mirrored_figure_is_mirrored(self):
        s = figure(np.random.default_rng(2), 0.1, 30)
        f = s.flipped()
        self.assertAlmostEqual(f.x, s.alpha.shape[1] - s.x)
        self.assertTrue((f.flipped().bgr == s.bgr).all())

    def test_balls_are_closed(self):
        points, faces = ball(1)
        self.assertEqual((len(points), len(faces)), (42, 80))
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        self.assertTrue((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


class BodyTest(unittest.TestCase):
    def test_toward_turns_one_direction_to_the_other(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            old, new = rng.normal(0, 1, (2, 3))
            turn = rotation_between(old, new)
            np.testing.assert_allclose(turn @ old / np.linalg.norm(old), new / np.linalg.norm(new), atol=1e-9)
            self.assertAlmostEqual(np.linalg.det(turn), 1.0)

    def test_normals_point_out_of_a_ball(self):
        points, faces = ball(2)
        self.assertGreater((normals(points, faces) * points).sum(axis=1).min(), 0.99)

    def test_renderer_and_labels_use_the_same_camera(self):
        camera, size = Camera(6.0, 0.5, 700.0, 330.0, 250.0), (640, 480)
        points = np.array([[0.0, 0.0, 9.0], [2.0, 1.6, 14.0], [-1.0, 0.4, 7.0]])
        pixels, depth = camera.project(points)
        clip = np.column_stack([points, np.ones(3)]) @ view_matrix(camera, size).T
        np.testing.assert_allclose(clip[:, 3], depth, rtol=1e-9)
        drawn = (clip[:, :2] / clip[:, 3:] * [0.5, -0.5] + 0.5) * size
        np.testing.assert_allclose(drawn, pixels, rtol=1e-9)


class SceneTest(unittest.TestCase):
    def test_crowds_are_in_view_with_the_requested_density(self):
        camera = Camera(8.0, 0.6, 600.0, 320.0, 240.0)
        for layout in scenes.LAYOUTS:
            crowd = scenes.place(np.random.default_rng(4), camera, (640, 480), layout, 2.0, 400)
            self.assertLessEqual(len(crowd.feet), 400, layout)
            pixels, depth = camera.project(crowd.feet + [0, HEAD_CENTRE_M, 0])
            size = camera.focal_px * HEAD_M / depth
            self.assertTrue((pixels[:, 0] > -size - 1).all() and (pixels[:, 0] < 641 + size).all(), layout)
        crowd = scenes.place(np.random.default_rng(5), camera, (640, 480), "packed", 2.0, 5000)
        near = crowd.feet[(np.abs(crowd.feet[:, 0]) < 2) & (crowd.feet[:, 2] > 8) & (crowd.feet[:, 2] < 14)]
        self.assertAlmostEqual(len(near) / 24, 2.0, delta=0.7)


class PatternTest(unittest.TestCase):
    def test_patterns_fill_the_size_and_depend_only_on_the_seed(self):
        for draw_one in PATTERNS:
            one, same = (draw_one(np.random.default_rng(5), (160, 96)) for _ in range(2))
            self.assertEqual((one.shape, one.dtype), ((96, 160, 3), np.uint8))
            self.assertTrue((one == same).all())
            self.assertGreater(one.std(), 3)


class FilesTest(unittest.TestCase):
    def test_sets_and_sprites_are_read_as_written(self):
        with tempfile.TemporaryDirectory() as folder:
            writer = SetWriter(Path(folder) / "a", 7, every=1)
            writer.add(np.zeros((32, 48, 3), np.uint8), [[1.0, 2.0, 9.0, 0.5]])
            table = json.loads((Path(folder) / "a/labels.json").read_text(encoding="utf-8"))
            self.assertEqual(
                table["pictures"][0], {"file": "000000.jpg", "size": [48, 32], "heads": [[1.0, 2.0, 9.0, 0.5]]}
            )
            save(Path(folder) / "s.npz", [square(8, 4)])
            again = load(Path(folder) / "s.npz")[0]
            self.assertEqual((again.x, again.y, again.height), (4.0, 2.0, 4.0))
            self.assertTrue((again.head == square(8, 4).head).all())


if __name__ == "__main__":
    unittest.main()
