"""Pixel, adversarial and regularising losses: released values, closed forms, second derivatives."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.parity.oracle import make_input
from ugpnet import losses

GOLDENS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "goldens" / "losses.json").read_text())


def assert_golden(name: str, ours: Tensor, rtol: float = 1e-5) -> None:
    golden = GOLDENS[name]
    if isinstance(golden, dict):
        ours = ours[tuple(slice(None, None, step) for step in golden["stride"])]
        golden = torch.tensor(golden["values"]).view(golden["shape"])
        assert float((ours - golden).norm() / golden.norm()) < rtol
    else:
        assert ours.item() == pytest.approx(golden, rel=rtol)


@pytest.mark.parametrize(("name", "to_y"), [("psnr_loss", False), ("psnr_loss_toY", True)])
def test_psnr_loss_is_the_released_one(name: str, to_y: bool) -> None:
    restored, gt = make_input((3, 3, 32, 40), 0).requires_grad_(), make_input((3, 3, 32, 40), 1)
    value = losses.psnr_loss(restored, gt, to_y)
    assert_golden(f"{name}.value", value)
    assert_golden(f"{name}.grad_pred", torch.autograd.grad(value, restored)[0])


def test_pixel_losses_have_their_closed_forms() -> None:
    gt = torch.zeros(1, 3, 2, 2)
    restored = torch.full_like(gt, 0.3)
    assert losses.l1_loss(restored, gt).item() == pytest.approx(0.3)
    assert losses.mse_loss(restored, gt).item() == pytest.approx(0.09)
    assert losses.charbonnier_loss(restored, gt, eps=0.4).item() == pytest.approx(0.5)
    assert losses.charbonnier_loss(gt, gt).item() == pytest.approx(1e-3)
    assert losses.smooth_l1_loss(restored, gt).item() == pytest.approx(0.045)
    assert losses.smooth_l1_loss(restored, gt, beta=0.1).item() == pytest.approx(0.25)


def test_logistic_losses_are_the_released_ones() -> None:
    fake, real = make_input((8, 1), 0, -3, 3), make_input((8, 1), 1, -3, 3)
    assert_golden("logistic.d_loss", losses.logistic_d_loss(real, fake))
    assert_golden("logistic.g_loss", losses.logistic_g_loss(fake))


def test_vanilla_equals_logistic() -> None:
    real, fake = torch.randn(2, 5, 1, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(losses.vanilla_d_loss(real, fake), losses.logistic_d_loss(real, fake))
    torch.testing.assert_close(losses.vanilla_g_loss(fake), losses.logistic_g_loss(fake))


def test_hinge_has_its_closed_form() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert losses.hinge_d_loss(real, fake).item() == pytest.approx(0.5 + 1.0)
    assert losses.hinge_g_loss(fake).item() == pytest.approx(1.0)


def test_relativistic_compares_with_the_other_side_s_mean() -> None:
    real, fake = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([0.0, -2.0], requires_grad=True)
    log_sigmoid = F.logsigmoid
    expected = -(log_sigmoid(real + 1).mean() + log_sigmoid(-(fake - 2)).mean()) / 2
    torch.testing.assert_close(losses.relativistic_d_loss(real, fake), expected)
    halves = -(log_sigmoid(real + 1).mean() + log_sigmoid(-(fake - 2)).mean()) / 2  # the means are constants here
    for found, wanted in zip(
        torch.autograd.grad(losses.relativistic_d_loss(real, fake), (real, fake)),
        torch.autograd.grad(halves, (real, fake)), strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(found, wanted)
    generator = losses.relativistic_g_loss(real, fake)
    expected = -(log_sigmoid(-(real + 1)).mean() + log_sigmoid(fake - 2).mean()) / 2
    torch.testing.assert_close(generator, expected)
    generator.backward()
    assert real.grad is None
    assert fake.grad is not None
    assert (fake.grad < 0).all()


def test_r1_is_the_released_one_and_differentiable() -> None:
    real = make_input((4, 3, 16, 16), 0).requires_grad_()
    kernel = make_input((8, 3, 3, 3), 4, -0.5, 0.5).requires_grad_()
    pred = 10 * torch.tanh(F.conv2d(real, kernel)).square().mean((1, 2, 3)).unsqueeze(1)
    penalty = losses.r1_penalty(pred, real)
    assert_golden("r1_conv.r1_penalty", penalty)
    assert_golden("r1_conv.grad_regd_wrt_C", torch.autograd.grad(50 * penalty, kernel)[0])
    linear = make_input((1, 3, 16, 16), 3, -0.5, 0.5)
    assert_golden("r1_linear.r1_penalty", losses.r1_penalty((real * linear).sum((1, 2, 3)), real))


def double_gradient(loss: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> bool:
    weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.autograd.gradcheck(loss, weight.requires_grad_())


def test_r1_gradient_is_the_numerical_one() -> None:
    real = torch.rand(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    real.requires_grad_()
    assert double_gradient(
        lambda weight: losses.r1_penalty(F.conv2d(real, weight).tanh().sum((1, 2, 3)), real), (2, 3, 3, 3)
    )


def path_images(latents: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(latents.mean(1) @ weight).view(-1, 3, 2, 2)


def test_path_length_gradient_is_the_numerical_one() -> None:
    latents = torch.randn(3, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    latents.requires_grad_()

    def penalty(weight: Tensor) -> Tensor:
        module = losses.PathLengthPenalty().double()
        value: Tensor = module(path_images(latents, weight), latents, torch.Generator().manual_seed(2))
        return value

    assert double_gradient(penalty, (5, 12))


def test_path_length_of_a_linear_generator() -> None:
    # One latent per pixel and scale s: J = s I, so a length is s |noise| / sqrt(HW).
    latents = torch.zeros(4, 1, 3 * 8 * 8).requires_grad_()
    penalty = losses.PathLengthPenalty(decay=0.25)
    value = penalty(2 * latents.view(4, 3, 8, 8), latents, torch.Generator().manual_seed(3))
    noise = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    lengths = 2 * noise.flatten(1).norm(dim=1) / 8
    assert penalty.mean_length.item() == pytest.approx(0.25 * lengths.mean().item())
    assert value.item() == pytest.approx((lengths - 0.25 * lengths.mean()).square().mean().item())
    penalty(2 * latents.view(4, 3, 8, 8), latents, torch.Generator().manual_seed(3))
    assert penalty.mean_length.item() == pytest.approx((1 - 0.75**2) * lengths.mean().item())
    assert math.isclose(penalty.state_dict()["mean_length"].item(), penalty.mean_length.item())
