"""The network that spandrel finds in a checkpoint, as one that can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any, cast

from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.released import release_names
from ugpnet.checkpoints import CheckpointMismatch


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
