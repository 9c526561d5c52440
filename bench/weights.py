"""Files of weights: which there are (`bench.registry`), what they must hash to, where this machine keeps them.

Nothing here downloads unless `fetch` is called: a run that lacks a file reports `Unavailable` and goes on.
Imports no torch, so that `bench weights list` answers at once.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from bench.digest import known_digest
from bench.download import Progress, download, silent
from bench.errors import BenchError, Unavailable, WeightsError
from bench.registry import BACKBONES, RELEASED, Checkpoint, WeightFile

if TYPE_CHECKING:
    from torch import Tensor

FOLDER_VARIABLE = "UGPNET_BENCH_WEIGHTS"
"""Environment variable that names a folder with weight files, searched before every cache."""

PACKAGED = {"lpips_vgg16": ("lpips", "weights/v0.1/vgg.pth")}
"""Weights that stages may need and that come with a package: LPIPS' linear heads on VGG16."""


def registry() -> Mapping[str, WeightFile]:
    """Every known file by its short name."""
    return {entry.name: entry for entry in (*BACKBONES, *RELEASED)}


def find(name: str) -> WeightFile:
    """The entry called `name`. Raises BenchError with the nearest name if there is none."""
    entries = registry()
    if name in entries:
        return entries[name]
    near = get_close_matches(name, entries, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted(entries))}"
    raise BenchError(f"weights '{name}': unknown name; {hint}")


def find_all(name: str) -> tuple[WeightFile, ...]:
    """The entry called `name`, or those of the release called so. Raises as `find` does."""
    together = tuple(entry for entry in RELEASED if entry.release == name)
    return together or (find(name),)


def released(method: str) -> tuple[Checkpoint, ...]:
    """The checkpoints that were released of a method, as registered."""
    return tuple(entry for entry in RELEASED if entry.method == method)


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
    fetched = [entry for entry in lacking if not entry.by_hand]
    ways = [*_by_fetching(fetched), *_by_hand([entry for entry in lacking if entry.by_hand])]
    return f"{'; '.join(ways)} into {_shown(target_folder())} or a folder named by {FOLDER_VARIABLE}"


def _by_fetching(lacking: Sequence[WeightFile]) -> Iterator[str]:
    if lacking:
        fetch_all = f"bench weights fetch {' '.join(entry.name for entry in lacking)}"
        yield f"run `{fetch_all}`, or put {', '.join(f'{entry.file} ({entry.url})' for entry in lacking)}"


def _by_hand(lacking: Sequence[WeightFile]) -> Iterator[str]:
    """One way per page: several files of a release are behind one link."""
    for url in dict.fromkeys(entry.url for entry in lacking):
        files = [entry.file for entry in lacking if entry.url == url]
        yield f"open {url} in a browser and put {', '.join(files)}"


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
    """Path of the file, its sha256 checked where one is known. Raises Unavailable, or WeightsError on another digest."""
    entry, path = find(name), locate(name)
    found = known_digest(path)
    if not found.startswith(entry.sha256):
        raise WeightsError(
            f"{path}: sha256 starts with {found[:16]}, expected {entry.sha256[:16]}; the file is damaged or "
            f"another one: delete it and {_again(entry)}"
        )
    return path


def _again(entry: WeightFile) -> str:
    return f"get it again from {entry.url}" if entry.by_hand else f"run `bench weights fetch {entry.name}`"


def fetch(name: str, progress: Progress = silent) -> Path:
    """Path of the verified file, downloaded over https if no searched folder has it.

    A broken download is resumed by the next call. `progress(done, total)` is called in bytes. Raises
    Unavailable if the server cannot be reached or only gives the file to a browser, WeightsError if what it sends is
    too large or hashes to something else.
    """
    entry = find(name)
    if find_file(entry.file) is None and not entry.by_hand:
        target = target_folder() / entry.file
        download(entry.url, target, sha256=entry.sha256, limit=entry.size, progress=progress)
    return verify(name)


def load(name: str) -> dict[str, Tensor]:
    """State dict of a verified file, on the CPU. Never unpickles code. Raises as `verify` does."""
    from bench.weightfile import read_checkpoint  # torch

    return dict(read_checkpoint(verify(name)))


def _cache_folder() -> Path:
    return platformdirs.user_cache_path("ugpnet-bench") / "weights"
