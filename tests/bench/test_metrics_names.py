"""Names: light to import, helpful when wrong, and formatted as the field prints them."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from bench.errors import BenchError
from bench.metrics import names


def test_checking_names_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bench.metrics import availability, names\n"
        "for name in ('psnr', 'fid', 'pyiqa.musiq'): names.check_name(name); availability(name)\n"
        "print(sorted({'numpy', 'torch', 'pyiqa', 'lpips', 'scipy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("psnrr", "'psnr'"),
        ("SSIM-Y", "'ssim_y'"),
        ("lpips-vgg", "'lpips_vgg'"),
        ("pyiqa.muisq", "'pyiqa.musiq'"),
    ],
)
def test_wrong_names_name_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(BenchError, match=f"metric '{name}'.*did you mean {nearest}"):
        names.check_name(name)


def test_a_name_like_none_lists_all() -> None:
    with pytest.raises(BenchError, match=r"known: psnr, psnr_y, .* pyiqa\.NAME"):
        names.check_name("zzz")


@pytest.mark.parametrize("name", ["pyiqa.fid", "pyiqa.inception_score", "pyiqa.clipscore"])
def test_pyiqa_metrics_without_a_score_per_image_are_refused(name: str) -> None:
    with pytest.raises(BenchError, match="no number per image"):
        names.check_name(name)


def test_directions_agree_with_pyiqa() -> None:
    table = names.pyiqa_table()
    shared = [name for name in names.known() if name in table]
    assert {"psnr", "lpips", "dists", "niqe", "gmsd"} <= set(shared)
    for name in shared:
        assert names.spec(name).higher_is_better != table[name].get("lower_better", False), name
        assert names.spec(f"pyiqa.{name}" if name != "fid" else "fid").higher_is_better == (
            names.spec(name).higher_is_better
        )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("psnr", 26.4871, "26.49"),
        ("ssim", 0.71234, "0.7123"),
        ("lpips", 0.20006, "0.2001"),
        ("fid", 35.918, "35.92"),
        ("psnr", math.inf, "∞"),
        ("fid", math.nan, "nan"),
    ],
)
def test_values_are_printed_as_the_field_does(name: str, value: float, text: str) -> None:
    assert names.format_value(name, value) == text
