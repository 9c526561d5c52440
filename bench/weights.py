"""Registry of weight files: where they come from, what they must hash to, where this machine keeps them.

Nothing here downloads unless `fetch` is called: a run that lacks a file reports `Unavailable` and goes on.
Imports no torch, so that `bench weights list` answers at once.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from bench.download import Progress, download, sha256_of, silent
from bench.errors import BenchError, Unavailable, WeightsError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER_VARIABLE = "UGPNET_BENCH_WEIGHTS"
"""Environment variable that names a folder with weight files, searched before every cache."""

_TORCHVISION = "https://download.pytorch.org/models/"
_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download/v0.1.0/"
_PYIQA = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"


@dataclass(frozen=True)
class WeightFile:
    """One downloadable file. `sha256` may be a prefix; empty where the publisher states none."""

    name: str
    url: str
    sha256: str
    size: int
    licence: str
    purpose: str

    @property
    def file(self) -> str:
        """File name as published, the name under which every folder is searched."""
        return self.url.rsplit("/", 1)[-1]


BACKBONES = (
    WeightFile(
        "alexnet", _TORCHVISION + "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911, "BSD-3-Clause (torchvision)", "lpips",
    ),
    WeightFile(
        "vgg16", _TORCHVISION + "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881, "BSD-3-Clause (torchvision)", "lpips_vgg, dists, perceptual losses",
    ),
    WeightFile(
        "vgg19", _TORCHVISION + "vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361, "BSD-3-Clause (torchvision)", "perceptual and contextual losses",
    ),
    WeightFile(
        "inception",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        95_628_359, "Apache-2.0", "fid, kid",
    ),
    WeightFile(
        "dists", _PYIQA + "DISTS_weights-f5e65c96.pth",
        "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
        1 << 20, "MIT", "dists",
    ),
    WeightFile(
        "niqe", _PYIQA + "niqe_modelparameters.mat", "",
        1 << 20, "research use (LIVE, UT Austin)", "niqe",
    ),
    WeightFile(
        "arcface_resnet18", _GFPGAN + "arcface_resnet18.pth", "",
        128 << 20, "Apache-2.0 (TencentARC/GFPGAN)", "gfpgan: training.identity_weight",
    ),
    WeightFile(
        "arcface_ir_se50", "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models/model_ir_se50.pth", "",
        256 << 20, "academic and non-commercial use (yangxy/GPEN)", "gpen: training.identity",
    ),
    WeightFile(
        "face_boxes", _GFPGAN + "FFHQ_eye_mouth_landmarks_512.pth", "",
        128 << 20, "Apache-2.0 (TencentARC/GFPGAN)", "gfpgan: training.components: face_boxes, on FFHQ",
    ),
)  # fmt: skip
"""What metrics and losses measure with; where the exact size is unknown, a bound."""


PACKAGED = {"lpips_vgg16": ("lpips", "weights/v0.1/vgg.pth")}
"""Weights that stages may need and that come with a package: LPIPS' linear heads on VGG16."""


def registry() -> Mapping[str, WeightFile]:
    """Every known file by its short name."""
    return {entry.name: entry for entry in BACKBONES}


def find(name: str) -> WeightFile:
    """The entry called `name`. Raises BenchError with the nearest name if there is none."""
    entries = registry()
    if name in entries:
        return entries[name]
    near = get_close_matches(name, entries, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(entries))}"
    raise BenchError(f"weights '{name}': unknown name; {hint}")


def folders() -> tuple[Path, ...]:
    """Folders in the order of search: the user's own, this project's cache, torch's, pyiqa's."""
    own = os.environ.get(FOLDER_VARIABLE)
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    hub = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub"
    explicit = (Path(own).expanduser(),) if own else ()
    return (*explicit, _cache_folder(), hub / "checkpoints", hub / "pyiqa")


def target_folder() -> Path:
    """Where `fetch` writes: the user's own folder if the environment names one, else this project's cache."""
    return folders()[0]


def find_file(file: str) -> Path | None:
    """Path of the first file with this name in the searched folders, or None."""
    return next((folder / file for folder in folders() if (folder / file).is_file()), None)


def missing(names: Iterable[str]) -> str | None:
    """How to supply the files that this machine lacks, or None if it lacks none. Reads no file."""
    lacking = [entry for entry in map(find, names) if find_file(entry.file) is None]
    if not lacking:
        return None
    fetch_all = f"bench weights fetch {' '.join(entry.name for entry in lacking)}"
    by_hand = ", ".join(f"{entry.file} ({entry.url})" for entry in lacking)
    return f"run `{fetch_all}`, or put {by_hand} into {_shown(target_folder())} or a folder named by {FOLDER_VARIABLE}"


def _shown(folder: Path) -> str:
    """The path as a user writes it, without the name of this machine's user: it ends up in manifests."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def locate(name: str) -> Path:
    """Path of the file, not yet verified. Raises Unavailable with the way to supply it."""
    if name in PACKAGED:
        return _packaged(name)
    entry = find(name)
    path = find_file(entry.file)
    if path is None:
        raise Unavailable(f"{entry.file} is not on this machine: {missing([name])}")
    return path


def _packaged(name: str) -> Path:
    """A file that an installed package brings."""
    package, inside = PACKAGED[name]
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise Unavailable(f"{name} comes with the package {package}, which is not installed: pip install {package}")
    return Path(found.origin).parent / inside


def verify(name: str) -> Path:
    """Path of the file, its sha256 checked. Raises Unavailable, or WeightsError on another digest."""
    entry, path = find(name), locate(name)
    found = digest(path)
    if not found.startswith(entry.sha256):
        raise WeightsError(
            f"{path}: sha256 starts with {found[:16]}, expected {entry.sha256[:16]}; the file is damaged or "
            f"another one: delete it and run `bench weights fetch {name}`"
        )
    return path


def fetch(name: str, progress: Progress = silent) -> Path:
    """Path of the verified file, downloaded over https if no searched folder has it.

    A broken download is resumed by the next call. `progress(done, total)` is called in bytes. Raises
    Unavailable if the server cannot be reached, WeightsError if what it sends is too large or hashes to
    something else.
    """
    entry = find(name)
    if find_file(entry.file) is None:
        target = target_folder() / entry.file
        download(entry.url, target, sha256=entry.sha256, limit=entry.size, progress=progress)
    return verify(name)


def load(name: str) -> dict[str, Tensor]:
    """State dict of a verified file, on the CPU. Never unpickles code. Raises as `verify` does."""
    import pickle

    import torch

    path = verify(name)
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path}: holds more than tensors and is not loaded: {error}") from error
    return state


def digest(path: Path) -> str:
    """sha256 of a file in hex; remembered until its size or modification time changes."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


def _cache_folder() -> Path:
    return platformdirs.user_cache_path("ugpnet-bench") / "weights"


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, modified: int) -> str:
    return sha256_of(path)
