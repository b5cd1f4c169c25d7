"""Tests of the training: run `python -m unittest test_train` in this folder.

$NANODET is the path of the detector's file. Without it, the detector's test is skipped.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
import unittest
from pathlib import Path

import cv2
import numpy as np
import torch

import augment
import export
from loss import block_sums, consistency_loss, density_loss
from network import STRIDES, CrowdNet, Detector, load_detector
from pool import CHECK_EVERY, Pool, Recipe, Rule
from target import LARGEST_HEAD, counted_cells, density_target
from train import Trainer


def heads(rng: np.random.Generator, number: int, width: int, height: int) -> np.ndarray:
    """Draws heads of 4 to 100 pixels, some on the border."""
    corner = np.array([[0.0, 0.0], [width - 0.01, height - 0.01], [0.0, height / 2]])
    centres = np.concatenate([corner, rng.uniform(0, 1, (number - 3, 2)) * [width, height]])
    sizes = np.exp(rng.uniform(np.log(4), np.log(100), number))
    return np.column_stack([centres, sizes, np.ones(number)]).astype(np.float32)


def write_set(root: Path, name: str, number: int, people: int) -> None:
    """Writes a set of grey pictures with a white disc for every head."""
    folder = root / name
    folder.mkdir(parents=True)
    rng, rows = np.random.default_rng(number), []
    for i in range(number):
        pixels = np.full((300, 400, 3), 60, np.uint8)
        found = heads(rng, people, 400, 300) if people else np.zeros((0, 4))
        for x, y, size, _ in found:
            cv2.circle(pixels, (int(x), int(y)), int(size / 2), (255, 255, 255), -1)
        cv2.imwrite(str(folder / f"{i:06d}.jpg"), pixels)
        rows.append({"file": f"{i:06d}.jpg", "size": [400, 300], "heads": found.tolist()})
    (folder / "labels.json").write_text(json.dumps({"set": name, "seed": number, "pictures": rows}))


class TargetTest(unittest.TestCase):
    def test_the_sum_is_the_number_of_heads(self) -> None:
        found = heads(np.random.default_rng(0), 200, 320, 256)
        target = density_target(found, 320, 256)
        self.assertEqual(target.shape, (32, 40))
        self.assertAlmostEqual(float(target.sum()), 200.0, places=2)
        self.assertGreaterEqual(float(target.min()), 0.0)

    def test_a_head_is_at_its_position(self) -> None:
        target = density_target(np.array([[84.0, 44.0, 12.0, 1.0]], np.float32), 256, 256)
        self.assertEqual(np.unravel_index(target.argmax(), target.shape), (5, 10))
        np.testing.assert_allclose(target[5, 9], target[5, 11], rtol=1e-4)
        np.testing.assert_allclose(target[4, 10], target[6, 10], rtol=1e-4)

    def test_a_tall_head_is_ignored(self) -> None:
        tall = np.array([[128.0, 128.0, LARGEST_HEAD + 10, 1.0], [10.0, 10.0, 12.0, 1.0]], np.float32)
        self.assertAlmostEqual(float(density_target(tall, 256, 256).sum()), 1.0, places=4)
        counted = counted_cells(tall, 256, 256)
        self.assertEqual(counted[16, 16], 0)
        self.assertEqual(counted[1, 1], 1)
        wrong = torch.zeros(1, 1, 32, 32)
        wrong[..., 16, 16] = 5.0
        zero = torch.zeros_like(wrong)
        mask = torch.from_numpy(counted).float()[None, None]
        self.assertEqual(float(density_loss(wrong, zero, mask)), 0.0)

    def test_a_picture_without_heads_has_density_0(self) -> None:
        self.assertEqual(float(density_target(np.zeros((0, 4), np.float32), 256, 256).sum()), 0.0)


class LossTest(unittest.TestCase):
    def test_block_sums_conserve_the_count(self) -> None:
        density = torch.rand(2, 1, 32, 40, generator=torch.Generator().manual_seed(1))
        sums = block_sums(density)
        self.assertEqual(sums.shape, (2, 1, 8, 10))
        torch.testing.assert_close(sums.sum((1, 2, 3)), density.sum((1, 2, 3)))
        torch.testing.assert_close(sums[0, 0, 1, 2], density[0, 0, 4:8, 8:12].sum())

    def test_density_loss_is_zero_only_for_the_target(self) -> None:
        target = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(2))
        ones = torch.ones_like(target)
        self.assertEqual(float(density_loss(target, target, ones)), 0.0)
        self.assertGreater(float(density_loss(target * 1.1, target, ones)), 0.0)

    def test_maps_of_two_sizes_with_equal_regions_are_consistent(self) -> None:
        regions = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(3))
        small = regions.repeat_interleave(4, 2).repeat_interleave(4, 3) / 16
        large = regions.repeat_interleave(8, 2).repeat_interleave(8, 3) / 64
        self.assertAlmostEqual(float(consistency_loss(small, large)), 0.0, places=5)
        self.assertGreater(float(consistency_loss(small, 2 * large)), 0.01)


class PoolTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def test_new_sets_and_pictures_are_read(self) -> None:
        write_set(self.root, "first", CHECK_EVERY + 2, 5)
        pool = Pool(self.root, Recipe())
        self.assertEqual(len(pool), CHECK_EVERY + 1)
        self.assertEqual(len(Pool(self.root, Recipe(), check=True)), 1)
        write_set(self.root, "second", 3, 0)
        pool.rescan()
        self.assertEqual(len(pool), CHECK_EVERY + 4)
        self.assertIsNotNone(pool.draw_empty(np.random.default_rng(0)))

    def test_an_invalid_set_is_skipped(self) -> None:
        write_set(self.root, "good", 2, 5)
        (self.root / "bad").mkdir()
        (self.root / "bad" / "labels.json").write_text("{")
        self.assertEqual(list(Pool(self.root, Recipe()).sets), ["good"])

    def test_sets_are_drawn_by_their_shares(self) -> None:
        recipe = Recipe((Rule("empty*", 0.0), Rule("*", 2.0)), full_share_from=10)
        self.assertEqual(recipe.share("empty-street", 100), 0.0)
        self.assertEqual(recipe.share("crowd", 100), 2.0)
        self.assertEqual(recipe.share("crowd", 5), 1.0)

    def test_the_recipe_of_this_folder_is_valid(self) -> None:
        recipe = Recipe.read(Path(__file__).parent / "recipe.toml")
        self.assertGreater(recipe.share("anything", 1000), 0.0)

    def test_batches_are_reproducible_and_consistent(self) -> None:
        write_set(self.root, "crowd", 4, 30)
        write_set(self.root, "empty", 2, 0)
        first, second = (augment.batch(np.random.default_rng((1, 7)), Pool(self.root, Recipe()), 6) for _ in range(2))
        for name, value in first.items():
            np.testing.assert_array_equal(value, second[name])
        _, height, width, _ = first["pictures"].shape
        self.assertEqual(first["density"].shape, (6, 1, height // 8, width // 8))
        self.assertEqual(first["counted"].shape, first["density"].shape)

    def test_a_crop_keeps_heads_on_their_pixels(self) -> None:
        write_set(self.root, "crowd", 1, 12)
        pool = Pool(self.root, Recipe())
        picture = pool.sets["crowd"][0]
        for seed in range(20):
            crop = augment.cut(np.random.default_rng(seed), pool, picture, 256, 256)
            for x, y, size, _ in crop.heads:
                if size > 8 and 2 < x < 253 and 2 < y < 253:
                    self.assertGreater(int(crop.pixels[int(y), int(x)].min()), 150)


class NetworkTest(unittest.TestCase):
    def test_shapes_and_range(self) -> None:
        with torch.no_grad():
            detections, density = CrowdNet()(torch.randn(2, 3, 96, 160))
        self.assertEqual(density.shape, (2, 1, 12, 20))
        self.assertGreaterEqual(float(density.min()), 0.0)
        for stride, (scores, distances) in zip(STRIDES, detections, strict=True):
            self.assertEqual(scores.shape, (2, 1, 96 // stride, 160 // stride))
            self.assertEqual(distances.shape, (2, 44, 96 // stride, 160 // stride))

    @unittest.skipUnless(os.environ.get("NANODET"), "no $NANODET")
    def test_port_and_export_equal_the_original(self) -> None:
        path = Path(os.environ["NANODET"])
        detector = load_detector(path)
        original = export.session(str(path))
        x = torch.randn(2, 3, 224, 352, generator=torch.Generator().manual_seed(5))
        with torch.no_grad():
            detections = detector.detect(detector.features(x))
        for stride, (scores, distances) in zip(STRIDES, detections, strict=True):
            expected = original.run([f"people_{stride}"], {"input": x.numpy()})[0]
            np.testing.assert_allclose(scores.sigmoid(), expected[:, :1], atol=5e-7)
            np.testing.assert_allclose(distances, expected[:, 1:], atol=1e-4)
        network = CrowdNet(detector).requires_grad_(False)
        export.round_to_half(network.density)
        model = export.build(network, export.onnx.load(path)).SerializeToString()
        self.assertLess(export.density_difference(network, model), export.TOLERANCE)
        self.assertTrue(export.has_identical_detections(model, path))

        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "crowd.onnx"
            written.write_bytes(model)
            read = export.load_exported(written, detector).state_dict()
        for name, weight in network.state_dict().items():
            torch.testing.assert_close(read[name], weight, rtol=0, atol=0, msg=name)


class TrainerTest(unittest.TestCase):
    def test_steps_in_bfloat16_nearly_equal_those_in_float32(self) -> None:
        generator = torch.Generator().manual_seed(6)
        data = {
            "pictures": torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8, generator=generator),
            "density": torch.rand(4, 1, 8, 8, generator=generator) / 10,
            "counted": torch.ones(4, 1, 8, 8, dtype=torch.uint8),
        }
        torch.manual_seed(7)
        detector = Detector()
        rows = []
        for quick in (False, True):
            torch.manual_seed(8)
            trainer = Trainer(copy.deepcopy(detector), 1000, bfloat16=quick)
            # Iteration 601 also compares two scales.
            rows.append([trainer.step(iteration, data) for iteration in (600, 601)])
            self.assertTrue(all(weight.dtype == torch.float32 for weight in trainer.network.parameters()))
            for name, weight in trainer.network.detector.state_dict().items():
                self.assertTrue(torch.equal(weight, detector.state_dict()[name]), name)
        for exact, rough in zip(*rows, strict=True):
            self.assertEqual(exact.keys(), rough.keys())
            self.assertAlmostEqual(exact["density"], rough["density"], delta=0.05 * exact["density"])


if __name__ == "__main__":
    unittest.main()
