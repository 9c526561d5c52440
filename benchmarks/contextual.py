"""Our contextual loss against a textbook one with N x N graphs: `python -m benchmarks.contextual`.

Forward and backward at 512 x 512, batch 2, tiles of 128: on given VGG19 relu3_4 features (32 tiles of 256 x
32 x 32), and from images through VGG19 with random weights. The outputs are compared first, then the two are
timed in alternation; the peak memory of each is the growth of a fresh process' resident set (Linux). Targets:
0.5 of the time, 0.35 of the memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal, TypeAlias

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.features import VGGFeatures
from ugpnet.losses import PatchContextualLoss, contextual_loss

PATCH = 128
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Stage: TypeAlias = Literal["features", "images"]


def textbook_loss(x: Tensor, y: Tensor, band_width: float = 0.5) -> Tensor:
    """The definition, line by line, on features (B,C,H,W)."""
    mean = y.mean((0, 2, 3), keepdim=True)
    unit_x, unit_y = (F.normalize(features - mean, dim=1).flatten(2) for features in (x, y))
    distance = 1 - unit_x.transpose(1, 2) @ unit_y
    relative = distance / (distance.min(dim=2, keepdim=True).values + 1e-5)
    weight = torch.exp((1 - relative) / band_width)
    affinity, winner = (weight / weight.sum(dim=2, keepdim=True)).max(dim=1, keepdim=True)
    confidence = torch.exp((1 - distance) / 0.5).gather(1, winner)
    similarity = (confidence * affinity).sum(2) / confidence.sum(2)
    return -torch.log(similarity + 1e-5).mean()


def textbook_patch_loss(vgg: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """All tiles through VGG19 at once."""
    with torch.no_grad():
        target = vgg(_normalised_tiles(y))
    return textbook_loss(vgg(_normalised_tiles(x)), target)


def _normalised_tiles(images: Tensor) -> Tensor:
    tiles = images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).permute(2, 3, 0, 1, 4, 5)
    mean, std = (images.new_tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return (tiles.reshape(-1, 3, PATCH, PATCH) - mean) / std


def losses(stage: Stage) -> dict[str, Loss]:
    """Ours and the textbook's."""
    if stage == "features":
        return {"ours": contextual_loss, "textbook": textbook_loss}
    torch.manual_seed(0)
    vgg = torchvision.models.vgg19().eval().requires_grad_(False)
    ours = PatchContextualLoss(VGGFeatures("vgg19", ("relu3_4",), vgg.state_dict()), PATCH)
    return {"ours": ours, "textbook": partial(textbook_patch_loss, vgg.features[:18])}


def pair(stage: Stage, size: int, batch: int) -> tuple[Tensor, Tensor]:
    """Input that needs a gradient, and a target half of which is the input."""
    tiles = batch * (size // PATCH) ** 2
    shape = (batch, 3, size, size) if stage == "images" else (tiles, 256, PATCH // 4, PATCH // 4)
    generator = torch.Generator().manual_seed(1)
    x, other = (torch.rand(shape, generator=generator) for _ in range(2))
    return x.requires_grad_(), (x.detach() + other) / 2


def run(loss: Loss, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
    """Value, gradient and seconds of one forward and backward."""
    start = perf_counter()
    value = loss(x, y)
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient, perf_counter() - start


def time_both(stage: Stage, size: int, batch: int, repeats: int) -> dict[str, float]:
    """Median seconds of each after one checked run of both."""
    both, (x, y) = losses(stage), pair(stage, size, batch)
    outputs = {name: run(loss, x, y) for name, loss in both.items()}
    torch.testing.assert_close(outputs["ours"][0], outputs["textbook"][0], rtol=1e-5, atol=0)
    ours, textbook = outputs["ours"][1], outputs["textbook"][1]
    if (error := float((ours - textbook).norm() / textbook.norm())) > 2e-3:
        raise SystemExit(f"{stage}: gradients differ by {error:.1e}")
    rounds = [{name: run(loss, x, y)[2] for name, loss in both.items()} for _ in range(repeats)]
    return {name: median(times[name] for times in rounds) for name in both}


def peak(stage: Stage, name: str, size: int, batch: int) -> float:
    """Growth of this process' resident set in MiB; to be called once per process."""
    loss = losses(stage)[name]
    run(loss, *pair(stage, PATCH, 1))  # loads kernels
    x, y = pair(stage, size, batch)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, see proc(5)
    before = _resident("VmRSS")
    run(loss, x, y)
    return (_resident("VmHWM") - before) / 1024


def _resident(field: str) -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[field].split()[0])


def compare(stage: Stage, size: int, batch: int, repeats: int) -> dict[str, float | str]:
    """One row of the table."""
    command = [sys.executable, "-m", "benchmarks.contextual", "--size", f"{size}", "--batch", f"{batch}"]
    memory = {name: float(subprocess.check_output([*command, "--peak", stage, name])) for name in ("ours", "textbook")}
    seconds = time_both(stage, size, batch, repeats)
    return {
        "stage": stage, "ours_s": seconds["ours"], "textbook_s": seconds["textbook"],
        "time_ratio": seconds["ours"] / seconds["textbook"], "ours_mib": memory["ours"],
        "textbook_mib": memory["textbook"], "memory_ratio": memory["ours"] / memory["textbook"],
    }  # fmt: skip


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peak", nargs=2, metavar=("STAGE", "NAME"), help="print one peak in MiB and stop")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    if arguments.peak:
        stage, name = arguments.peak
        print(peak(stage, name, arguments.size, arguments.batch))
        return
    stages: tuple[Stage, ...] = ("features", "images")
    rows = [compare(stage, arguments.size, arguments.batch, arguments.repeats) for stage in stages]
    print("  ".join(f"{name:>12}" for name in rows[0]))
    for row in rows:
        cells = (value if isinstance(value, str) else round(value, 3) for value in row.values())
        print("  ".join(f"{cell:>12}" for cell in cells))
    print(json.dumps({"threads": torch.get_num_threads(), "torch": torch.__version__, "rows": rows}))


if __name__ == "__main__":
    main()
