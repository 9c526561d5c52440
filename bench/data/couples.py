"""Which degraded image belongs to which ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.data.collection import Collection
from bench.data.config import PairedData
from bench.data.listing import abridge, natural_key, stem
from bench.data.meta_info import read_meta_info
from bench.errors import DataError


@dataclass(frozen=True)
class Couples:
    """`partner` is the name in `lq` by the name in `gt`; `lonely` are those left out for want of one."""

    gt: Collection
    lq: Collection
    partner: Mapping[str, str]
    lonely: Sequence[str] = ()


def match_records(gt: Collection, lq: Collection) -> Couples:
    """Two columns of the same records."""
    return Couples(gt, lq, {name: name for name in gt.names})


def match_names(gt: Collection, lq: Collection, config: PairedData, meta_info: Path | None) -> Couples:
    """By the template, or by a list, in gt's order; see `PairedData`. Raises DataError, unless told to skip, on others."""
    in_gt, in_lq, wanted = set(gt.names), set(lq.names), _expected(gt, lq, config.template)
    if meta_info is None:
        without_gt = sorted(in_lq - set(wanted.values()), key=natural_key)
    else:
        wanted = {name: other or wanted.get(name, name) for name, other in read_meta_info(meta_info)}
        without_gt = [name for name in wanted if name not in in_gt]
    without_lq = [f"{name} (lq {other})" for name, other in wanted.items() if name in in_gt and other not in in_lq]
    partner = {name: wanted[name] for name in gt.names if wanted.get(name) in in_lq}
    if (without_lq or without_gt) and (config.on_error == "fail" or not partner):
        raise DataError(_mismatch(config, without_lq, without_gt, meta_info))
    return Couples(gt, lq, partner, [*without_lq, *without_gt])


def _expected(gt: Collection, lq: Collection, template: str) -> dict[str, str]:
    """The name in lq that `template` gives each name in gt; where there is none, the one that was looked for."""
    found = _by_stem(lq.names, lq.title)
    wanted = {name: _lq_stem(of_gt, template) for of_gt, name in _by_stem(gt.names, gt.title).items()}
    return {name: found.get(of_lq, f"{of_lq}.*") for name, of_lq in wanted.items()}


def _mismatch(config: PairedData, without_lq: list[str], without_gt: list[str], meta_info: Path | None) -> str:
    by = f"template {config.template!r}" if meta_info is None else f"the names in {meta_info}"
    lines = [f"lq {config.lq} and gt {config.gt} do not match by {by} (or `on_error: skip`)"]
    sides = (
        ("gt without lq", without_lq),
        ("lq without gt" if meta_info is None else "not in gt", without_gt),
    )
    lines += [f"  {title} ({len(names)}): {', '.join(abridge(names))}" for title, names in sides if names]
    return "\n".join(lines)


def _lq_stem(of_gt: str, template: str) -> str:
    path = PurePosixPath(of_gt)
    return (path.parent / template.replace("{}", path.name)).as_posix()


def _by_stem(names: Iterable[str], title: str) -> dict[str, str]:
    """Names by their path without suffix; two of one stem would leave the match open."""
    found: dict[str, str] = {}
    for name in names:
        if (known := found.setdefault(stem(name), name)) != name:
            raise DataError(f"{title}: holds both {known} and {name}: which one is meant? Remove one")
    return found
