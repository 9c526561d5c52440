"""Images at 512 px out of a folder, tar shards and an lmdb, against what else reads them: `python -m benchmarks.data`.

Per process and thread, files in the page cache, seconds of the processor. Reading by offset, in a random order, is timed
against webdataset's own pipeline, and against Pillow on a folder and on an lmdb; the pixels are compared first. Then what a
loader process of a training costs (decoding, the paper's motion blur, batches sent to the training), what opening costs, and
how many loaders 8 GPUs need by the paper's recipes: `docs/throughput.md` is made of these figures.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.data import portraits
from bench.data.collection import Collection, Column, digest_images
from bench.data.config import FolderData, WebdatasetData
from bench.data.folder import FolderImages
from bench.data.ground_truth import GroundTruthSource
from bench.data.lmdb_images import LmdbImages
from bench.data.pairs import Pairs, TrainingBatches
from bench.data.sources import open_source
from bench.data.tar_index import read_index
from bench.data.webdataset import Samples
from bench.degradations import MotionBlur
from bench.train.batches import stream
from benchmarks.pairing import (
    Row,
    argument_parser,
    compare,
    machine,
    require_agreement,
    require_peers,
    set_threads,
    table,
)

Suffix = Literal["png", "jpg"]
Place = Literal["folder", "webdataset", "lmdb"]
Pixels = NDArray[np.uint8]

SIZE = 512
BLUR = (MotionBlur(kernel_size=71, bank=1000),)
"""Of `suites/deblur.yaml` in its profile `paper`."""
GRAIN = 2.0
"""Deviation of the noise upon rendered portraits that brings a PNG to the 360 kB that one of FFHQ has at this size."""
SMALL = 2000
"""Images of 32 px by which opening is measured: it reads headers and ends, whatever lies between."""

WHOLE, PATCHES = "a loader, whole images", "a loader, patches of 256"

GPUS = 8
FORWARD_AND_BACKWARD = 3
"""Times a forward pass: the backward pass computes as much for the inputs as for the weights."""
FASTER = (1, 4)
"""GPUs as fast as an RTX 3090, and four times as fast."""


@dataclass(frozen=True)
class Recipe:
    """Images per GPU and step, and seconds that a forward pass takes for one of 512 px (the paper's Table 2, RTX 3090)."""

    name: str
    batch: int
    patch: int
    forward: float

    @property
    def demand(self) -> float:
        """Images per second and GPU."""
        return 1 / (FORWARD_AND_BACKWARD * self.forward * (self.patch / SIZE) ** 2)


RECIPES = (
    Recipe("NAFNet", 4, 256, 0.0452),
    Recipe("GFP-GAN", 3, SIZE, 0.0227),
    Recipe("UGPNet, restoration", 8, SIZE, 0.0452),
    Recipe("UGPNet, synthesis and fusion", 8, SIZE, 0.0905),
)


def write_images(root: Path, count: int) -> dict[Suffix, float]:
    """The same images in folders, shards and lmdbs of both formats; mean bytes of a file."""
    rng = np.random.default_rng(0)
    images = [portraits.render(0, index, SIZE) for index in range(count)]
    noisy = [np.clip(image + rng.normal(0, GRAIN, (SIZE, SIZE, 1)), 0, 255).astype(np.uint8) for image in images]
    formats: dict[Suffix, dict[str, object]] = {"png": {"format": "PNG"}, "jpg": {"format": "JPEG", "quality": 95}}
    sizes: dict[Suffix, float] = {}
    for suffix, options in formats.items():
        files = {f"{index:05d}.{suffix}": _encode(image, options) for index, image in enumerate(noisy)}
        sizes[suffix] = sum(map(len, files.values())) / count
        write_folder(root / suffix / "s", files)
        write_shards(root / f"shards-{suffix}", files, 1)
        write_lmdb(root / f"{suffix}.lmdb", {f"s/{name}": content for name, content in files.items()})
    return sizes


def _encode(image: Pixels, options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def write_folder(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_shards(folder: Path, files: dict[str, bytes], shards: int) -> None:
    """`s.tar`, or `s0.tar` and so on; with times that are fractions, as webdataset has them, hence two headers a member."""
    folder.mkdir(parents=True)
    for index in range(shards):
        with tarfile.open(folder / f"s{index if shards > 1 else ''}.tar", "w") as tar:
            for name, content in list(files.items())[index::shards]:
                member = tarfile.TarInfo(name)
                member.size, member.mtime = len(content), 1.5  # type: ignore[assignment]
                tar.addfile(member, io.BytesIO(content))


def write_lmdb(folder: Path, files: dict[str, bytes]) -> None:
    import lmdb

    with lmdb.open(str(folder), map_size=1 << 30) as database, database.begin(write=True) as transaction:
        for name, content in files.items():
            transaction.put(name.rpartition(".")[0].encode(), content)
    (folder / "meta_info.txt").write_text("".join(f"{name} ({SIZE},{SIZE},3) 1\n" for name in files))


def collection(root: Path, suffix: Suffix, place: Place) -> Collection:
    """Ours."""
    match place:
        case "folder":
            return FolderImages(root / suffix)
        case "webdataset":
            return Column(Samples(WebdatasetData(path=f"shards-{suffix}"), root), suffix)
        case "lmdb":
            return LmdbImages(root / f"{suffix}.lmdb")


def read_folder(root: Path, suffix: Suffix) -> list[Pixels]:
    """By Pillow."""
    return [_decode(path) for path in sorted((root / suffix / "s").iterdir())]


def read_shards(root: Path, suffix: Suffix) -> list[Pixels]:
    """By webdataset, in the order of the shard."""
    import webdataset

    shards = [str(path) for path in (root / f"shards-{suffix}").iterdir()]
    return [image for (image,) in webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8").to_tuple(suffix)]


def read_lmdb(root: Path, suffix: Suffix) -> list[Pixels]:
    """By lmdb, opened once, and Pillow."""
    import lmdb

    folder = str(root / f"{suffix}.lmdb")
    with lmdb.open(folder, readonly=True, lock=False, readahead=False) as database, database.begin() as transaction:
        return [_decode(io.BytesIO(value)) for _, value in transaction.cursor()]


PEERS: dict[Place, tuple[str, Callable[[Path, Suffix], list[Pixels]]]] = {
    "folder": ("Pillow", read_folder),
    "webdataset": ("webdataset, in order", read_shards),
    "lmdb": ("lmdb opened once, Pillow", read_lmdb),
}


def _decode(file: Path | io.BytesIO) -> Pixels:
    with Image.open(file) as image:
        return np.array(image.convert("RGB"))


def compare_reader(root: Path, suffix: Suffix, place: Place, rounds: int) -> Row:
    """Ours in a random order, as a training asks, against the peer."""
    source = GroundTruthSource(collection(root, suffix, place), FolderData(path=""))
    order = np.random.default_rng(1).permutation(len(source.ids))
    peer, read = PEERS[place]
    both = zip([source.image(index) for index in range(len(order))], read(root, suffix), strict=True)
    difference = float(max(np.abs(ours.astype(int) - theirs).max() for ours, theirs in both))
    what = f"{len(order)} {suffix.upper()}, {place}"
    require_agreement(what, difference, 0)
    ran = compare(lambda: [source.image(index) for index in order], lambda: read(root, suffix), rounds, process_time)
    return Row(what, peer, 1.1, ran, difference)


def measure_work(root: Path, suffix: Suffix, rounds: int) -> dict[str, float]:
    """Milliseconds per image of what a loader process does, from shards."""
    images = collection(root, suffix, "webdataset")
    source = GroundTruthSource(images, FolderData(path=""))
    count = len(source.ids)
    clean, blurred = Pairs(source, (), 0), Pairs(source, BLUR, 0)
    gt = [clean.pixels(index)[1] for index in range(count)]
    rng = np.random.default_rng(0)
    whole = TrainingBatches(blurred, 0, 8)
    patches = TrainingBatches(blurred, 0, 8, patch=256, flips=("horizontal", "vertical", "transpose"))
    jobs: dict[str, Callable[[], object]] = {
        "read": lambda: [bytes(images.file(name).content[:]) for name in source.ids],  # type: ignore[union-attr]
        "digest, once": lambda: digest_images(images, source.ids),
        "decode": lambda: [source.image(index) for index in range(count)],
        "motion blur": lambda: [BLUR[0].apply(image, rng) for image in gt],
    }
    spent = {name: _seconds(job, rounds) / count for name, job in jobs.items()}
    loaders = {WHOLE: whole, PATCHES: patches}
    spent |= {name: median(_loader_seconds(batches, 8) for _ in range(rounds)) for name, batches in loaders.items()}
    return {name: 1e3 * seconds for name, seconds in spent.items()}


def _seconds(job: Callable[[], object], rounds: int) -> float:
    job()
    spent = []
    for _ in range(rounds):
        start = process_time()
        job()
        spent.append(process_time() - start)
    return median(spent)


def _loader_seconds(batches: TrainingBatches, size: int, count: int = 5) -> float:
    """Per image, of one loader process that makes batches of `size` images and sends them; without its start."""
    few, many = (_children_seconds(batches, steps) for steps in (1, count))
    return (many - few) / (count - 1) / size


def _children_seconds(batches: TrainingBatches, steps: int) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    with closing(stream(batches, range(steps), 1, torch.device("cpu"))) as arriving:
        for _ in arriving:
            pass
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_opening(root: Path, rounds: int) -> dict[str, float]:
    """Microseconds per image: the index of shards, opening them without and with what is remembered."""
    rng = np.random.default_rng(0)
    tiny = _encode(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), {"format": "PNG"})
    write_shards(root / "small", {f"{index:05d}.png": tiny for index in range(SMALL)}, 2)
    config, shards = WebdatasetData(path="small"), [root / "small" / f"s{index}.tar" for index in range(2)]
    jobs: dict[str, Callable[[], object]] = {
        "index of shards": lambda: [read_index(shard) for shard in shards],
        "opening, nothing remembered": lambda: open_source(config, root),
        "opening again": lambda: open_source(config, root, root / "cache"),
    }
    return {name: 1e6 * _seconds(job, rounds) / SMALL for name, job in jobs.items()}


def plan(work: dict[Suffix, dict[str, float]], sizes: dict[Suffix, float]) -> list[dict[str, object]]:
    """What each recipe asks of the loaders of 8 GPUs."""
    rows: list[dict[str, object]] = []
    for recipe in RECIPES:
        for faster in FASTER:
            images = GPUS * recipe.demand * faster
            batches = WHOLE if recipe.patch == SIZE else PATCHES
            row: dict[str, object] = {"recipe": recipe.name, "GPU": f"{faster} x RTX 3090", "images/s": round(images)}
            for suffix, spent in work.items():
                row[f"{suffix.upper()} MB/s"] = round(images * sizes[suffix] / 1e6, 1)
                row[f"loaders per GPU, {suffix.upper()}"] = round(images * spent[batches] / 1e3 / GPUS, 2)
            rows.append(row)
    return rows


def show(title: str, rows: Sequence[dict[str, object]]) -> None:
    view = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        view.add_row(*map(str, row.values()))
    Console().print(view)


def main() -> None:
    parser = argument_parser(__doc__, rounds=3)
    parser.add_argument("--images", type=int, default=8, help="per format (default: %(default)s)")
    arguments = parser.parse_args()
    require_peers("webdataset", "lmdb")
    set_threads(arguments.threads)
    suffixes: tuple[Suffix, ...] = ("png", "jpg")
    with TemporaryDirectory() as folder:
        root = Path(folder)
        sizes = write_images(root, arguments.images)
        opening = measure_opening(root, arguments.rounds)
        work = {suffix: measure_work(root, suffix, arguments.rounds) for suffix in suffixes}
        rows = [compare_reader(root, suffix, place, 2 * arguments.rounds + 1) for suffix in suffixes for place in PEERS]
    Console().print(table(rows))
    spent = [
        {"work": name, **{f"{suffix} ms": round(work[suffix][name], 2) for suffix in suffixes}} for name in work["png"]
    ]
    show("One thread, per image", spent)
    show("Opening shards, per image", [{"what": name, "us": round(us, 1)} for name, us in opening.items()])
    needed = plan(work, sizes)
    show(f"{GPUS} GPUs", needed)
    if arguments.json is not None:
        packages = ("torch", "numpy", "pillow", "scipy", "webdataset", "lmdb")
        ratios = [{**asdict(row), "ratio": row.comparison.ratio, "quartiles": row.comparison.quartiles} for row in rows]
        record = {
            "machine": machine(packages),
            "bytes": sizes,
            "rows": ratios,
            "work": work,
            "opening": opening,
            "plan": needed,
        }
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
