"""Metrics by name. `names` answers what exists, this module builds it; heavy libraries are imported when
needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import weights
from bench.errors import Unavailable
from bench.metrics import names
from bench.metrics.own import create_own, is_own

if TYPE_CHECKING:
    from bench.metrics.base import ImageMetric, SetMetric


def availability(name: str) -> str | None:
    """Why metric `name` cannot be built on this machine and what to do about it; None if nothing is known to
    lack.

    Looks for weight files, reads none, imports nothing heavy. For `pyiqa.NAME` the files are unknown until
    the metric is built: there, `create` may still raise Unavailable. Raises BenchError on an unknown name.
    """
    lacking = weights.missing(names.spec(name).weights)
    return None if lacking is None else f"{name} needs weights: {lacking}"


def create(name: str, device: str = "cpu") -> ImageMetric | SetMetric:
    """The metric called `name`, built once and usable for any number of scores; `device` holds its network,
    if any.

    Raises BenchError on an unknown name, Unavailable with the way to supply them if weights are missing,
    WeightsError if they are damaged.
    """
    reason = availability(name)
    if reason is not None:
        raise Unavailable(reason)
    if is_own(name):
        return create_own(name)
    if names.spec(name).of_set:
        return _set_metric(name, device)
    return _image_metric(name, device)


def _image_metric(name: str, device: str) -> ImageMetric:
    if name in ("psnr", "psnr_y", "ssim", "ssim_y"):
        from bench.metrics.fidelity import Psnr, Ssim

        of_rgb_or_luma = Psnr if name.startswith("psnr") else Ssim
        return of_rgb_or_luma("y" if name.endswith("_y") else "rgb")
    if name in ("lpips", "lpips_vgg"):
        from bench.metrics.perceptual import Lpips

        return Lpips.from_files("alex" if name == "lpips" else "vgg", device)
    from bench.metrics.iqa import PyiqaMetric

    return PyiqaMetric(name, device)


def _set_metric(name: str, device: str) -> SetMetric:
    if name == "swd":
        from bench.metrics.swd import Swd

        return Swd()
    from bench.metrics.distributions import Fid, Kid
    from bench.metrics.features import inception

    return Fid(inception(device)) if name == "fid" else Kid(inception(device))
