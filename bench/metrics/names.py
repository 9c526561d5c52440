"""Names of metrics: what a suite may ask for and how a table shows it. Imports neither numpy, torch nor
pyiqa.

Short names are listed here; `pyiqa.NAME` is any other metric of pyiqa, read from pyiqa's own table when asked
for; any other name with a dot is a module of the user's.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.metrics.own import find_metric, is_own

PYIQA_PREFIX = "pyiqa."


@dataclass(frozen=True)
class Spec:
    """What is known of a metric without building it. `weights` are names in `bench.weights`."""

    name: str
    label: str
    higher_is_better: bool
    decimals: int
    of_set: bool = False
    weights: tuple[str, ...] = ()


_SPECS = (
    Spec("psnr", "PSNR", True, 2),
    Spec("psnr_y", "PSNR-Y", True, 2),
    Spec("ssim", "SSIM", True, 4),
    Spec("ssim_y", "SSIM-Y", True, 4),
    Spec("ms_ssim", "MS-SSIM", True, 4),
    Spec("cw_ssim", "CW-SSIM", True, 4),
    Spec("fsim", "FSIM", True, 4),
    Spec("vif", "VIF", True, 4),
    Spec("vsi", "VSI", True, 4),
    Spec("gmsd", "GMSD", False, 4),
    Spec("nlpd", "NLPD", False, 4),
    Spec("piqe", "PIQE", False, 2),
    Spec("niqe", "NIQE", False, 2, weights=("niqe",)),
    Spec("dists", "DISTS", False, 4, weights=("vgg16", "dists")),
    Spec("lpips", "LPIPS", False, 4, weights=("alexnet",)),
    Spec("lpips_vgg", "LPIPS-VGG", False, 4, weights=("vgg16",)),
    Spec("fid", "FID", False, 2, of_set=True, weights=("inception",)),
    Spec("kid", "KID", False, 5, of_set=True, weights=("inception",)),
    Spec("swd", "SWD", False, 2, of_set=True),
)

# These take folders, captions or return several numbers, so that they have no score of one restored image.
_NOT_PER_IMAGE = {"fid", "sfid", "fid_dinov2", "inception_score", "clipscore", "fgresq_pair"}


def known() -> tuple[str, ...]:
    """Short names in the order in which tables show them."""
    return tuple(spec.name for spec in _SPECS)


def check_name(name: str) -> None:
    """Returns if `name` is a metric. Raises BenchError with the nearest name otherwise."""
    spec(name)


def spec(name: str) -> Spec:
    """Label, direction, decimals, kind and weights of a metric. Raises BenchError as `check_name` does."""
    if name.startswith(PYIQA_PREFIX):
        return _pyiqa_spec(name)
    if is_own(name):
        own = find_metric(name)
        return Spec(name, own.label, own.higher_is_better, own.decimals, of_set=hasattr(own, "protocol_for"))
    by_name = {entry.name: entry for entry in _SPECS}
    if name in by_name:
        return by_name[name]
    raise BenchError(f"metric '{name}': {_suggestion(name)}")


def format_value(name: str, value: float) -> str:
    """`value` with the decimals that the field prints for this metric; `∞` for the PSNR of equal images."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{spec(name).decimals}f}"


@lru_cache(maxsize=1)
def pyiqa_table() -> Mapping[str, Mapping[str, Any]]:
    """pyiqa's table of metric configurations by name. Raises BenchError if pyiqa is not installed.

    Executes that one file, which imports nothing heavy; `import pyiqa` would import torch and take seconds.
    """
    package = importlib.util.find_spec("pyiqa")
    if package is None or package.origin is None:
        raise BenchError("pyiqa is not installed: run `pip install pyiqa`")
    path = Path(package.origin).with_name("default_model_configs.py")
    found = importlib.util.spec_from_file_location("_pyiqa_default_model_configs", path)
    if found is None or found.loader is None:
        raise BenchError(f"{path}: cannot be read; reinstall pyiqa")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    table: Mapping[str, Mapping[str, Any]] = module.DEFAULT_CONFIGS
    return table


def _pyiqa_spec(name: str) -> Spec:
    short = name.removeprefix(PYIQA_PREFIX)
    table = pyiqa_table()
    if short not in table:
        near = get_close_matches(short, table, n=1)
        hint = f"; did you mean '{PYIQA_PREFIX}{near[0]}'?" if near else ""
        raise BenchError(f"metric '{name}': pyiqa has no metric '{short}'{hint}")
    if short in _NOT_PER_IMAGE:
        raise BenchError(f"metric '{name}': gives no number per image; for sets there are fid, kid, swd")
    return Spec(name, short.upper(), not table[short].get("lower_better", False), 4)


def _suggestion(name: str) -> str:
    near = get_close_matches(name.lower().replace("-", "_"), known(), n=1)
    if near:
        return f"unknown name; did you mean '{near[0]}'?"
    return f"unknown name; known: {', '.join(known())}, {PYIQA_PREFIX}NAME for any metric of pyiqa, and modules of your own"
