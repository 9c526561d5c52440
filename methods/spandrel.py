"""Any checkpoint that spandrel recognises, as a row or as UGPNet's regressor: the file says which network it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import Facts, File, Loaded, Method, Upstream
from ugpnet.checkpoints import CheckpointMismatch, load_strict
from ugpnet.settings import Config

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor
    from torch import nn

    from methods.networks.spandrel import SpandrelNetwork
    from ugpnet.recipe import Weights


class SpandrelConfig(Config):
    """`path` is the checkpoint: `.pth`, `.pt`, `.ckpt` or `.safetensors`, relative to the suite's folder."""

    path: File


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
        from methods.networks.spandrel import describe
        from ugpnet.checkpoint_file import read_checkpoint

        return describe(read_checkpoint(self.config.path), self.config.path)

    @property
    def _name(self) -> str:
        return f"{self.config.path.name} ({self._described.architecture.name})"

    def stages(self) -> tuple[Loaded, ...]:
        return (Loaded("network", self.config.path),)

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        """The recognised network's entries: spandrel renames those of older layouts."""
        from methods.networks.spandrel import SpandrelNetwork, describe

        network = SpandrelNetwork(describe(checkpoint, self.config.path))
        return {"network": network.state_dict()}

    def network(self) -> SpandrelNetwork:
        from methods.networks.spandrel import SpandrelNetwork, describe
        from ugpnet.checkpoint_file import read_checkpoint

        return SpandrelNetwork(describe(read_checkpoint(self.config.path), self.config.path))

    def restorer(self, weights: Upstream) -> nn.Module:
        network = self.network()
        load_strict(network, weights["network"]["network"], self._name)
        return network.eval()
