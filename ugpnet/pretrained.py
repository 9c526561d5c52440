"""Reading and writing whole models: our own folders, the hub, and the released checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from ugpnet.checkpointfile import read_checkpoint
from ugpnet.checkpoints import CheckpointMismatch, load_strict, unwrap
from ugpnet.config import Preset, UGPNetConfig, preset

if TYPE_CHECKING:
    from ugpnet.model import UGPNet
    from ugpnet.nn.stylegan2 import StyleGAN2Generator

CONFIG, WEIGHTS = "config.json", "model.safetensors"

File: TypeAlias = "str | PathLike[str]"
Model = TypeVar("Model", bound="Pretrained")


class Pretrained:
    """Mixed into `UGPNet`: `save_pretrained`, `from_pretrained`, `load_official`."""

    config: UGPNetConfig

    def save_pretrained(self: Any, folder: File) -> None:
        """Write `config.json` and `model.safetensors` into `folder`."""
        from safetensors.torch import save_file

        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, str(path / WEIGHTS))
        (path / CONFIG).write_text(self.config.model_dump_json(indent=1))

    @classmethod
    def from_pretrained(cls: type[Any], source: File, regressor: torch.nn.Module | None = None,
                        generator: StyleGAN2Generator | None = None) -> UGPNet:  # fmt: skip
        """The model that `save_pretrained` wrote to a local folder, or to a repository of that id on the hub.

        A regressor or generator that the configuration does not describe is needed here again, freshly built. Raises
        CheckpointMismatch if weights do not fit.
        """
        from safetensors.torch import load_file

        folder = Path(source) if Path(source).is_dir() else _download(str(source))
        config = UGPNetConfig.model_validate(json.loads((folder / CONFIG).read_text()))
        model: UGPNet = cls(config, regressor, generator)
        load_strict(model, load_file(str(folder / WEIGHTS)), str(folder / WEIGHTS))
        return model.eval()

    @classmethod
    def load_official(cls: type[Any], restoration: File, synthesis: File, fusion: File) -> UGPNet:
        """The released model from its three files: `resmodule_*.pth` (or the RRDBNet x8 file), `synmodule_*.pth`,
        `fusmodule_*.pth`.

        Which of the released variants it is, is read from the files. Loading is strict and runs no code (`weights_only`).
        Raises CheckpointMismatch naming the file and what does not fit.
        """
        states = {file: read_checkpoint(file) for file in (restoration, synthesis, fusion)}
        parts = join_parts(states[synthesis], str(synthesis))
        state = _unwrap(states[restoration], restoration)
        church = not any(name.startswith("fencoder.downblocks.5") for name in parts)
        model: UGPNet = cls(preset(identify(state, str(restoration)), church))
        load_strict(model.restoration, state, str(restoration))
        load_strict(model.synthesis, parts, str(synthesis))
        load_strict(model.fusion, _unwrap(states[fusion], fusion), str(fusion))
        return model.eval()


def identify(state: Mapping[str, Tensor], what: str) -> Preset:
    """The released variant to which a restoration module's state dict belongs."""
    if "conv_first.weight" in state:
        return "rrdb_x8"
    if "regression.conv_01.weight" in state:
        return "hinet_deblur" if len(state["regression.conv_01.bias"]) == 64 else "hinet_denoise"
    if "regression.intro.weight" in state:
        return "nafnet_deblur" if "regression.encoders.3.27.beta" in state else "nafnet_denoise"
    raise CheckpointMismatch(
        f"{what}: not a restoration module of UGPNet; its first keys are {', '.join(list(state)[:3])}"
    )


def join_parts(checkpoint: Mapping[str, Any], what: str) -> dict[str, Tensor]:
    """The synthesis module's state dict from its file, which keeps one per part. Raises CheckpointMismatch."""
    parts = ("generator", "fencoder", "wmodule")
    if missing := [part for part in parts if not isinstance(checkpoint.get(part), Mapping)]:
        raise CheckpointMismatch(f"{what}: not a synthesis module of UGPNet, it has no {', '.join(missing)}")
    return {f"{part}.{name}": value for part in parts for name, value in checkpoint[part].items()}


def _unwrap(checkpoint: Mapping[str, Any], file: File) -> dict[str, Tensor]:
    try:
        return unwrap(checkpoint)
    except CheckpointMismatch as error:
        raise CheckpointMismatch(f"{file}: {error}") from error


def _download(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repository, allow_patterns=[CONFIG, WEIGHTS]))
