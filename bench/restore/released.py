"""The restorer in checkpoints: released ones, one's own, or the files of a released UGPNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import methods
from bench import weights
from bench.adopt import fit_checkpoint
from bench.document import override
from bench.errors import BenchError, SuiteError, WeightsError
from bench.recognise import recognise
from bench.resolve import lone_row
from bench.restore.restorer import Restorer, from_method, from_model
from bench.weightfile import is_own, load_weights, read_checkpoint
from methods.base import Method, Task
from ugpnet.checkpoints import CheckpointMismatch, CheckpointUnreadable
from ugpnet.model import UGPNet
from ugpnet.recipe import Weights

MODULES = ("restoration", "synthesis", "fusion")


def from_checkpoints(name: str, files: Sequence[str], assignments: Sequence[str], size: int, scale: int) -> Restorer:
    """A method with weights from `files`: `PATH`, `STAGE=PATH`, or a name of `bench weights list` in place of the path.

    `assignments` set fields of its config, `size` is the side of its restored images. A UGPNet says all this itself: it
    is three files, or a folder of `save_pretrained`. Raises BenchError: unknown method or field, files that do not fit.
    """
    if name == "ugpnet":
        if assignments:
            raise BenchError("--set: a UGPNet is configured by its files")
        return from_model(_load_ugpnet(files), ", ".join(files))
    method = _method(name, assignments, Task("deblur" if scale == 1 else "sr", scale, size))
    paths = _by_stage(name, method.needs(), files)
    upstream = {stage: _adopt(method, name, stage, path) for stage, path in paths.items()}
    return from_method(method, name, ", ".join(map(str, paths.values())), upstream)


def _method(name: str, assignments: Sequence[str], task: Task) -> Method:
    try:
        methods.load(name)
    except LookupError as error:
        raise BenchError(f"--method {name}: {error}") from None
    fields = override({"methods": {name: {}}}, [f"methods.{name}.{assignment}" for assignment in assignments])
    try:
        method = lone_row(name, fields["methods"][name]).build(task)
    except SuiteError as error:
        raise BenchError(str(error).replace(f"methods.{name}.", "")) from None
    if reason := method.unsupported():
        raise BenchError(f"--method {name}: {reason} (--scale and --size say what is wanted)")
    return method


def _by_stage(name: str, stages: Sequence[str], files: Sequence[str]) -> Mapping[str, Path]:
    """The file of every stage whose weights are needed; of one that is alone, the name may be left out."""
    named = dict(_named(file, stages) for file in files)
    if len(named) == len(files) and set(named) == set(stages):
        return {stage: _locate(named[stage]) for stage in stages}
    wanted = " ".join(f"--weights {f'{stage}=' if len(stages) > 1 else ''}PATH" for stage in stages) or "no --weights"
    raise BenchError(f"--method {name}: give {wanted}")


def _named(file: str, stages: Sequence[str]) -> tuple[str, str]:
    stage, _, path = file.partition("=")
    return (stage, path) if stage in stages and path else (stages[0] if len(stages) == 1 else "", file)


def _locate(text: str) -> Path:
    """The path, or that of a registered file of this name. Raises Unavailable where it is not on this machine."""
    path = Path(text).expanduser()
    return weights.locate(text) if not path.exists() and text in weights.registry() else path


def _adopt(method: Method, name: str, stage: str, path: Path) -> Weights:
    return load_weights(path) if is_own(path) else fit_checkpoint(method, name, stage, path)


def _load_ugpnet(files: Sequence[str]) -> UGPNet:
    if len(files) == 1 and Path(files[0]).is_dir():
        return _guarded(lambda: UGPNet.from_pretrained(files[0]), ())
    paths = _by_stage("ugpnet", MODULES, files)
    return _guarded(lambda: UGPNet.load_official(*(paths[module] for module in MODULES)), tuple(paths.values()))


def _guarded(load: Callable[[], UGPNet], paths: Sequence[Path]) -> UGPNet:
    """What `load` gives; where files do not fit, what each of them looks like."""
    try:
        return load()
    except CheckpointUnreadable as error:
        raise WeightsError(str(error)) from None
    except CheckpointMismatch as error:
        known = [f"{path} looks like {found}" for path in paths if (found := recognise(read_checkpoint(path)))]
        raise WeightsError("; ".join([str(error), *known])) from None
