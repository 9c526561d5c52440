"""Two folders of equal content: degraded images and their ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from bench.data.config import PairedData
from bench.data.fingerprint import digest_files, fingerprint
from bench.data.fit import center_crop
from bench.data.images import check_image, read_image
from bench.data.listing import abridge, drop_unusable, list_images, natural_key, take
from bench.data.meta_info import read_meta_info
from bench.data.scale import Sides, check_scale, check_size, find_scale
from bench.errors import DataError


class PairedSource:
    """See `PairedData`. The ids are those of gt.

    Opening matches the names, reads every header and looks for cut-off files, as `FolderSource` does; a pair
    is reported or left out as a whole. `scale` is gt's size over lq's in the first pair, and every pair must
    have it.
    """

    ids: Sequence[str]
    skipped: Sequence[str]
    scale: int

    def __init__(self, config: PairedData, root: Path, digests: Path | None = None) -> None:
        self._config = config
        self._digests = digests
        self._gt = list_images(root / config.gt)
        self._lq = list_images(root / config.lq)
        self._partner, lonely = self._match(None if config.meta_info is None else root / config.meta_info)
        names = take(list(self._partner), config.start, config.count, root / config.gt)
        self._sides: dict[str, tuple[Sides, Sides]] = {}
        readable, damaged = drop_unusable(names, self._check_files, config.on_error)
        self.scale = find_scale(*self._sides[readable[0]], config.size, self._gt[readable[0]])
        self.ids, unequal = drop_unusable(readable, self._check_scale, config.on_error)
        self.skipped = [*lonely, *damaged, *unequal]

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Ground truth `index`, (H, W, 3)."""
        gt, size = read_image(self._gt[self.ids[index]]), self._config.size
        return gt if size is None else center_crop(gt, size, self.scale)

    def degraded(self, index: int) -> NDArray[np.uint8]:
        """Its degraded image, (H / scale, W / scale, 3), at the same place."""
        lq, size = read_image(self._lq[self._partner[self.ids[index]]]), self._config.size
        return lq if size is None else center_crop(lq, size // self.scale)

    def fingerprint(self) -> str:
        """Digest of the ids, the bytes of both files of each pair and the crop size."""
        gt = digest_files([self._gt[name] for name in self.ids], self._digests)
        lq = digest_files([self._lq[self._partner[name]] for name in self.ids], self._digests)
        pairs = [(name, f"{one} {other}") for name, one, other in zip(self.ids, gt, lq, strict=True)]
        return fingerprint("paired", {"size": self._config.size}, pairs)

    def _match(self, meta_info: Path | None) -> tuple[dict[str, str], list[str]]:
        """The lq id of each gt id in natural order, and the names that have no partner."""
        wanted = self._expected()
        if meta_info is None:
            without_gt = sorted(set(self._lq) - set(wanted.values()), key=natural_key)
        else:
            wanted = {gt: lq or wanted.get(gt, gt) for gt, lq in read_meta_info(meta_info)}
            without_gt = [name for name in wanted if name not in self._gt]
        without_lq = [f"{gt} (lq {lq})" for gt, lq in wanted.items() if gt in self._gt and lq not in self._lq]
        partner = {gt: wanted[gt] for gt in self._gt if wanted.get(gt) in self._lq}
        if (without_lq or without_gt) and (self._config.on_error == "fail" or not partner):
            raise DataError(self._mismatch(without_lq, without_gt, meta_info))
        return partner, [*without_lq, *without_gt]

    def _expected(self) -> dict[str, str]:
        """The lq id that `template` gives each gt id; where there is none, the name that was looked for."""
        lq, gt = _by_stem(self._lq, self._config.lq), _by_stem(self._gt, self._config.gt)
        stems = {name: _lq_stem(stem, self._config.template) for stem, name in gt.items()}
        return {name: lq.get(stem, f"{stem}.*") for name, stem in stems.items()}

    def _mismatch(self, without_lq: list[str], without_gt: list[str], meta_info: Path | None) -> str:
        by = f"template {self._config.template!r}" if meta_info is None else f"the names in {meta_info}"
        lines = [f"lq {self._config.lq} and gt {self._config.gt} do not match by {by} (or `on_error: skip`)"]
        sides = (
            ("gt without lq", without_lq),
            ("lq without gt" if meta_info is None else "not in gt", without_gt),
        )
        lines += [f"  {title} ({len(names)}): {', '.join(abridge(names))}" for title, names in sides if names]
        return "\n".join(lines)

    def _check_files(self, name: str) -> None:
        gt, lq = check_image(self._gt[name]), check_image(self._lq[self._partner[name]])
        check_size(gt, self._config.size, self._gt[name])
        self._sides[name] = gt, lq

    def _check_scale(self, name: str) -> None:
        check_scale(*self._sides[name], self.scale, self._gt[name])


def _lq_stem(stem: str, template: str) -> str:
    path = PurePosixPath(stem)
    return (path.parent / template.replace("{}", path.name)).as_posix()


def _by_stem(images: Mapping[str, Path], folder: str) -> dict[str, str]:
    """Ids by their path without suffix; two files of one stem would leave the match open."""
    found: dict[str, str] = {}
    for name in images:
        stem = PurePosixPath(name).with_suffix("").as_posix()
        if stem in found:
            raise DataError(f"{folder}: holds both {found[stem]} and {name}: which one is meant? Remove one")
        found[stem] = name
    return found
