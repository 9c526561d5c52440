"""UGPNet whole, under the released names of its three modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case
from ugpnet.config import preset
from ugpnet.model import UGPNet


class ReleasedNames(nn.Module):
    """The same modules as `resmodule`, `synmodule` and `fusmodule`: the fill rule draws by name."""

    def __init__(self, model: UGPNet) -> None:
        super().__init__()
        self.resmodule, self.synmodule, self.fusmodule = model.restoration, model.synthesis, model.fusion
        self.whole = [model]  # in a list: not registered a second time


def build(case: Case) -> nn.Module:
    variant = case.constructor["args"]
    config = preset(variant["type"], variant["church"]).model_copy(update={"spatial_size": variant["spatial_size"]})
    return ReleasedNames(UGPNet(config))


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    parts = cast(ReleasedNames, module).whole[0].eval().parts(inputs[0])
    return {"I_R": parts.x_reg, "F_R": parts.f_reg, "I_G": parts.x_syn, "F_G": parts.f_syn, "I_F": parts.x_hat}
