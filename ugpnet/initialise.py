"""Initial weights of the parts that UGPNet trains from scratch."""

from __future__ import annotations

from torch import nn


def kaiming_fan_out(module: nn.Module) -> None:
    """Convolutions Kaiming normal (fan out, gain sqrt 2), batch norms 1 and 0, linears N(0, 0.01), biases 0.

    As in the released UGPNet; apply with `module.apply(kaiming_fan_out)`.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
