"""Any checkpoint that spandrel recognises, as a row or as UGPNet's regressor: the file says which network it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar, cast

from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
from torch import Tensor, nn
from torch.nn import functional as F

from methods.base import Facts, File, Loaded, Method, Upstream
from methods.networks.released import release_names
from ugpnet.checkpointfile import read_checkpoint
from ugpnet.checkpoints import CheckpointMismatch, load_strict
from ugpnet.recipe import Config, Weights


class SpandrelConfig(Config):
    """`path` is the checkpoint: `.pth`, `.pt`, `.ckpt` or `.safetensors`, relative to the suite's folder."""

    path: File


class SpandrelNetwork(nn.Module):
    """Restored images (B, 3, h * scale, w * scale) of images (B, 3, h, w) of any size, in [0, 1], not clamped.

    State-dict keys are the network's own. What it cannot take is grown at the right and the bottom by mirroring, as
    spandrel does, and cropped back.
    """

    def __init__(self, described: ImageModelDescriptor[nn.Module]) -> None:
        super().__init__()
        self.model = described.model
        self.scale = described.scale
        self.sizes = described.size_requirements
        # The public call is this one in inference mode, in which nothing can be trained, and clamped.
        self.call = described._call_fn
        release_names(self, [(r"^model\.", "")])

    def forward(self, lq: Tensor) -> Tensor:
        height, width = lq.shape[-2:]
        restored: Tensor = self.call(self.model, self._grow(lq))
        return restored[..., : height * self.scale, : width * self.scale]

    def _grow(self, lq: Tensor) -> Tensor:
        height, width = lq.shape[-2:]
        right, below = self.sizes.get_padding(width, height)
        # A mirror shows no more than the image; what is still missing repeats the border.
        mirrored = min(right, width - 1), min(below, height - 1)
        grown = F.pad(lq, (0, mirrored[0], 0, mirrored[1]), "reflect")
        return F.pad(grown, (0, right - mirrored[0], 0, below - mirrored[1]), "replicate")


class SpandrelMethod(Method):
    version: ClassVar[int] = 1
    Config = SpandrelConfig
    config: SpandrelConfig
    shorthand: ClassVar[str | None] = "path"
    facts: ClassVar[Facts] = Facts(
        title="A checkpoint that spandrel recognises", family="regression",
        code="https://github.com/chaiNNer-org/spandrel", licence="MIT (spandrel); the checkpoint has its own",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        try:
            described = self._described
        except CheckpointMismatch as error:
            return str(error)
        channels = (described.input_channels, described.output_channels)
        if channels != (3, 3):
            return f"{self._name} maps {channels[0]} channels to {channels[1]}, not RGB to RGB"
        if described.scale != self.task.scale:
            return f"{self._name} enlarges {described.scale} times, the task {self.task.scale} times"
        return None

    def notes(self) -> tuple[str, ...]:
        return (f"{self._name}, trained elsewhere",)

    @cached_property
    def _described(self) -> ImageModelDescriptor[nn.Module]:
        """Read when first asked for; only facts are taken from it, since `network` has to be fresh."""
        return describe(read_checkpoint(self.config.path), self.config.path)

    @property
    def _name(self) -> str:
        return f"{self.config.path.name} ({self._described.architecture.name})"

    def stages(self) -> tuple[Loaded, ...]:
        return (Loaded("network", self.config.path),)

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        """The recognised network's entries: spandrel renames those of older layouts."""
        network = SpandrelNetwork(describe(checkpoint, self.config.path))
        return {"network": network.state_dict()}

    def network(self) -> SpandrelNetwork:
        return SpandrelNetwork(describe(read_checkpoint(self.config.path), self.config.path))

    def restorer(self, weights: Upstream) -> nn.Module:
        network = self.network()
        load_strict(network, weights["network"]["network"], self._name)
        return network.eval()


def describe(checkpoint: Mapping[str, Any], path: Path) -> ImageModelDescriptor[nn.Module]:
    """The network in a checkpoint, with its weights. Raises CheckpointMismatch naming the file."""
    try:
        described = ModelLoader().load_from_state_dict(dict(checkpoint))
    except UnsupportedModelError:
        keys = ", ".join(list(map(str, checkpoint))[:3])
        raise CheckpointMismatch(f"{path}: spandrel recognises no network by its keys ({keys}, ...)") from None
    except Exception as error:  # an architecture's own code, on a file that only resembles it
        reason = shorten(f"{type(error).__name__}: {error}", 200)
        raise CheckpointMismatch(f"{path}: spandrel cannot build the network that it resembles ({reason})") from None
    if not isinstance(described, ImageModelDescriptor):
        raise CheckpointMismatch(f"{path}: {described.architecture.name} wants a mask beside the image")
    return cast("ImageModelDescriptor[nn.Module]", described)
