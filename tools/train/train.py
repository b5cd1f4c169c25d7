"""Trains the density; the detector stays unchanged.

usage: python train.py --name NAME --pool POOL --detector NANODET.onnx --runs RUNS
                       [--recipe recipe.toml] [--resume] [--start-from CROWD.onnx] [--bfloat16]

On one machine, the same seed, pool and recipe give the same weights, resumed or not. A pool that
grows during training is a different pool. The run's folder has `last.pt`, with the whole state, and
the averaged weights every 1000 iterations.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import random
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from augment import batch
from export import load_exported, load_network
from loss import consistency_loss, density_loss
from network import CrowdNet, Detector, load_detector, normalise
from pool import Pool, Recipe

BATCH = 8
HEAD_RATE = 1e-3
#: Learning rate of the stages relative to the head's: the stages start with useful weights.
STAGES_SHARE = 0.15
#: Iterations in which only the head learns: an untrained head would damage the stages.
FROZEN = 400
WARM_UP = 100
STAGES_WARM_UP = 300
FINAL_SHARE = 0.03
SMOOTHING = 0.999
LARGEST_GRADIENT = 5.0
#: At every SCALES_EVERY-th iteration, half of the crops are also evaluated at a second scale.
SCALES_EVERY, SCALES_PICTURES, SCALES_WEIGHT = 4, 4, 0.2
SECOND_SCALES = (0.6, 1.6)
LOG_EVERY, SAVE_EVERY, KEEP_EVERY = 100, 500, 1000


class Batches(Dataset):
    """Makes batch i from the seed and i only, so that a resumed run gives the same batches."""

    def __init__(self, pool: Pool, recipe: Path | None, seed: int, rescan: int) -> None:
        self.pool, self.recipe, self.seed, self.rescan = pool, recipe, seed, rescan
        self.next_scan = 0

    def __getitem__(self, iteration: int) -> dict[str, np.ndarray]:
        cv2.setNumThreads(1)
        if iteration >= self.next_scan:
            self.pool.rescan(Recipe.read(self.recipe))
            self.next_scan = iteration + self.rescan
            print(f"{iteration}: pool: {self.pool.describe()}", flush=True)
        return batch(np.random.default_rng((self.seed, iteration)), self.pool, BATCH)


class MovingAverage:
    """An exponential moving average of the density's weights."""

    def __init__(self, network: CrowdNet) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, network: CrowdNet, iteration: int) -> None:
        """Updates the average. Early averages are short, to forget the untrained head."""
        share = 1 - min(SMOOTHING, (1 + iteration) / (10 + iteration))
        torch._foreach_lerp_(list(self.network.density.parameters()), list(network.density.parameters()), share)


def learning_rates(iteration: int, iterations: int, highest: float) -> tuple[float, float]:
    """Returns the learning rates of head and stages: warm-up, then a cosine to `FINAL_SHARE`."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, iteration / iterations)))
    rate = highest * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine) * min(1.0, (iteration + 1) / WARM_UP)
    thawed = min(1.0, max(0, iteration + 1 - FROZEN) / STAGES_WARM_UP)
    return rate, rate * STAGES_SHARE * thawed


def sums_weight(iteration: int) -> float:
    """Returns the weight for `density_loss`: 0 at first, 1 from the end of the frozen phase."""
    return min(1.0, max(0.0, iteration / FROZEN - 0.25) / 0.75)


class Trainer:
    """Holds networks and optimiser, and performs training steps."""

    def __init__(
        self, detector: Detector, iterations: int, device: str = "cpu", bfloat16: bool = False, rate: float = HEAD_RATE
    ) -> None:
        """bfloat16: runs convolutions in bfloat16. rate: the head's highest learning rate.

        Weights, their updates and the losses are always float32.
        """
        self.iterations, self.rate = iterations, rate
        self.device = torch.device(device)
        self.bfloat16 = bfloat16
        self.network = CrowdNet(detector).to(self.device, memory_format=torch.channels_last)
        self.smoothed = MovingAverage(self.network)
        density = self.network.density
        groups = [{"params": list(part.parameters())} for part in (density.head, density.stages)]
        self.optimiser = torch.optim.AdamW(groups, lr=HEAD_RATE, betas=(0.9, 0.99), weight_decay=1e-4, foreach=True)

    def autocast(self) -> torch.autocast:
        """Returns a context that runs convolutions in bfloat16 if `bfloat16` is set."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def density(self, pictures: Tensor, frozen: bool = False) -> Tensor:
        """Computes the density map, in float32."""
        with self.autocast():
            return self.network.density(self.network.features(pictures), frozen).float()

    def losses(self, iteration: int, pictures: Tensor, target: Tensor, counted: Tensor) -> dict[str, Tensor]:
        """Computes the weighted losses by name; `error` and `bias` are only logged."""
        density = self.density(pictures, iteration < FROZEN)
        result = {"density": density_loss(density, target, counted, sums_weight(iteration))}
        if iteration >= FROZEN and iteration % SCALES_EVERY == 1:
            some = pictures[-SCALES_PICTURES:]
            factor = math.exp(random.Random(iteration).uniform(*map(math.log, SECOND_SCALES)))
            size = [max(4, round(side * factor / 32)) * 32 for side in some.shape[2:]]
            again = functional.interpolate(some, size=size, mode="bilinear", antialias=True, align_corners=False)
            result["scales"] = SCALES_WEIGHT * consistency_loss(density[-SCALES_PICTURES:], self.density(again))
        with torch.no_grad():
            count, wanted = ((x * counted).sum((1, 2, 3)) for x in (density, target))
            result["error"] = (count - wanted).abs().sum() / (wanted.sum() + 1)
            result["bias"] = (count - wanted).sum() / (wanted.sum() + 1)
        return result

    def step(self, iteration: int, data: dict[str, Tensor]) -> dict[str, float]:
        """Makes one update; returns the losses."""
        data = {name: value.to(self.device, non_blocking=True) for name, value in data.items()}
        for group, rate in zip(
            self.optimiser.param_groups, learning_rates(iteration, self.iterations, self.rate), strict=True
        ):
            group["lr"] = rate
        losses = self.losses(iteration, normalise(data["pictures"]), data["density"], data["counted"].float())
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.stack([losses[name] for name in ("density", "scales") if name in losses]).sum()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.density.parameters(), LARGEST_GRADIENT)
        if not torch.isfinite(norm):
            raise SystemExit(f"train: iteration {iteration}: the gradient is not finite; resume from last.pt")
        self.optimiser.step()
        self.smoothed.update(self.network, iteration)
        return {name: float(value.detach()) for name, value in losses.items()} | {"gradient": float(norm)}

    def state(self, iteration: int) -> dict[str, Any]:
        """Returns the state for `restore`. iteration: the number of updates so far."""
        parts = {"network": self.network, "smoothed": self.smoothed.network, "optimiser": self.optimiser}
        return {"iteration": iteration} | {name: part.state_dict() for name, part in parts.items()}

    def restore(self, state: dict[str, Any]) -> int:
        """Restores a saved state; returns the number of updates so far."""
        self.network.load_state_dict(state["network"])
        self.smoothed.network.load_state_dict(state["smoothed"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["iteration"])


def save(state: dict[str, Any], path: Path) -> None:
    """Writes the state atomically."""
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def log_line(iteration: int, past: list[dict[str, float]], seconds: float) -> str:
    """Formats the means of the last iterations. A loss is averaged where it was computed."""
    names = ("density", "scales", "error", "bias", "gradient")
    means = {name: [row[name] for row in past if name in row] for name in names}
    text = " ".join(f"{name} {np.mean(values):.3f}" for name, values in means.items() if values)
    return f"{iteration} {text} {len(past) / seconds:.2f} it/s"


def train(trainer: Trainer, batches: Batches, folder: Path, start: int, loaders: int) -> None:
    """Trains until the last iteration."""
    numbers = range(start, trainer.iterations)
    loader = DataLoader(
        batches, batch_size=None, sampler=numbers, num_workers=loaders, prefetch_factor=4 if loaders else None
    )
    past: list[dict[str, float]] = []
    began = time.monotonic()
    for iteration, data in zip(numbers, loader, strict=True):
        past.append(trainer.step(iteration, data))
        done = iteration + 1
        if done % LOG_EVERY == 0 or done == trainer.iterations:
            print(log_line(done, past, time.monotonic() - began), flush=True)
            past, began = [], time.monotonic()
        if done % KEEP_EVERY == 0 or done == trainer.iterations:
            save({"iteration": done, "smoothed": trainer.smoothed.network.state_dict()}, folder / f"{done:06d}.pt")
        if done % SAVE_EVERY == 0 or done == trainer.iterations:
            save(trainer.state(done), folder / "last.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the run")
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True, help="nanodet-g-416-dynamic.onnx")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the run's folder")
    parser.add_argument("--recipe", type=Path, help="TOML file with the shares of the sets")
    parser.add_argument("--iterations", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--rate",
        type=float,
        default=HEAD_RATE,
        help="highest learning rate of the head; use a lower one with trained weights",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="PyTorch device")
    parser.add_argument("--loaders", type=int, default=1, help="processes that make batches; 0: only this process")
    parser.add_argument("--rescan", type=int, default=300, help="iterations between two scans of the pool")
    parser.add_argument("--bfloat16", action="store_true", help="faster on processors with AMX or AVX512-BF16")
    parser.add_argument("--start-from", type=Path, help="initial weights: a run's checkpoint, or an exported ONNX file")
    parser.add_argument("--resume", action="store_true", help="continue from the run's last.pt")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    folder = args.runs / args.name
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "last.pt"
    if last.exists() and not args.resume:
        parser.error(f"{last} exists: give --resume or another --name")
    detector = load_detector(args.detector)
    trainer = Trainer(detector, args.iterations, args.device, args.bfloat16, args.rate)
    start = 0
    if args.start_from:
        exported = args.start_from.suffix == ".onnx"
        begun = load_exported(args.start_from, detector) if exported else load_network(args.start_from)
        weights = begun.state_dict()
        trainer.network.load_state_dict(weights)
        trainer.smoothed.network.load_state_dict(weights)
    if args.resume and last.exists():
        start = trainer.restore(torch.load(last, map_location=args.device, weights_only=True))
    pool = Pool(args.pool, Recipe.read(args.recipe))
    if not len(pool):
        parser.error(f"{args.pool} has no pictures")
    print(f"{start}: to {args.iterations}, seed {args.seed}, {len(pool)} pictures, on {args.device}", flush=True)
    train(trainer, Batches(pool, args.recipe, args.seed, args.rescan), folder, start, args.loaders)


if __name__ == "__main__":
    main()
