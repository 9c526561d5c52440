"""A method that misbehaves costs its own row, by name; the others have their numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.gather import gather
from ugpnet.nn.nafnet import NAFNet


def returns_nan(restored: Tensor) -> Tensor:
    restored[0, 0, 3, 5] = torch.nan
    return restored


def returns_infinity(restored: Tensor) -> Tensor:
    return restored / 0


def returns_another_size(restored: Tensor) -> Tensor:
    return restored[..., :-1]


def raises(restored: Tensor) -> Tensor:
    raise KeyError("a fault of its own")


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "reason"), [
    (returns_nan, "nafnet restore: image 'test-000000' came out with values that are not finite"),
    (returns_infinity, "nafnet restore: image 'test-000000' came out with values that are not finite"),
    (returns_another_size, "nafnet restore: image 'test-000000' came out (32, 31) for (32, 32)"),
    (raises, "nafnet restore: KeyError: 'a fault of its own' (traceback in "),
])  # fmt: skip
def test_a_restorer_s_fault_is_its_row_s(work: Any, monkeypatch: pytest.MonkeyPatch, fault: Any, reason: str) -> None:
    call = NAFNet.forward

    def forward(self: NAFNet, x: Tensor) -> Tensor:
        return call(self, x) if self.training else fault(call(self, x))

    monkeypatch.setattr(NAFNet, "forward", forward)
    monkeypatch.setattr("bench.train.stage.mean_psnr", lambda *_, **__: 20.0)  # validation restores images, too
    outcome = work.do()
    failed = work.reasons(outcome)
    assert set(failed) == {"nafnet restore", "nafnet score"}
    assert failed["nafnet score"].startswith(reason)
    report = gather(work.plan, work.store, outcome, "run")
    assert [method.reason for method in report.methods] == [None, failed["nafnet score"], None]
    assert set(report.rows.method) == {"input", "gfpgan"}
