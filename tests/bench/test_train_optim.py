"""Learning rates against torch's schedulers; optimisers per player."""

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from bench.train.optim import build_updaters, factor
from ugpnet.recipe import Optim, Player, Schedule

TOTAL = 40


def rates(schedule, steps=TOTAL):
    return [0.5 * factor(schedule, step, steps) for step in range(steps)]


def torch_rates(make, steps=TOTAL):
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = make(optimiser)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Schedule(), lambda o: lr_scheduler.LambdaLR(o, lambda step: 1.0)),
        (
            Schedule(kind="multistep", milestones=(8, 20, 21), gamma=0.5),
            lambda o: lr_scheduler.MultiStepLR(o, [8, 20, 21], 0.5),
        ),
        (Schedule(kind="cosine", floor=1e-4), lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL, 0.5e-4)),
        (  # GLEAN: a period of twice the run
            Schedule(kind="cosine", total=2 * TOTAL, floor=1e-3),
            lambda o: lr_scheduler.CosineAnnealingLR(o, 2 * TOTAL, 0.5e-3),
        ),
        (
            Schedule(kind="cosine_restarts", total=10, floor=1e-3),
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, eta_min=0.5e-3),
        ),
        (  # Uformer: 1/3, 2/3, 1, then cosine over the rest
            Schedule(kind="cosine", floor=5e-3, warmup=3),
            lambda o: lr_scheduler.SequentialLR(
                o,
                [
                    lr_scheduler.LambdaLR(o, lambda step: (step + 1) / 3),
                    lr_scheduler.CosineAnnealingLR(o, TOTAL - 3, 2.5e-3),
                ],
                milestones=[3],
            ),
        ),
    ],
)
def test_rates_are_those_of_torch(schedule, make):
    assert rates(schedule) == pytest.approx(torch_rates(make), rel=1e-9)


def test_a_cosine_stays_at_its_floor():
    schedule = Schedule(kind="cosine", total=5, floor=0.2)
    found = [factor(schedule, step, 20) for step in (4, 5, 6, 19)]
    assert found == pytest.approx([0.2764, 0.2, 0.2, 0.2], abs=1e-4)


def test_milestones_count_from_the_end_of_the_warm_up():
    schedule = Schedule(kind="multistep", milestones=(2,), warmup=4)
    found = [factor(schedule, step, 8) for step in range(8)]
    assert found == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.1, 0.1])


FROZEN = nn.Linear(2, 2).requires_grad_(False)
NETWORKS = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "frozen": FROZEN})


def test_players_of_the_same_networks_share_an_optimiser():
    players = (
        Player("d", ("a", "b"), Optim()),
        Player("r1", ("b", "a"), Optim(), every=16),
        Player("g", ("a",), Optim()),
    )
    d, r1, g = build_updaters(players, NETWORKS)
    assert d is r1
    assert g.optimiser is not d.optimiser
    assert len(d.parameters) == 4
    assert type(d.optimiser) is torch.optim.Adam


def test_frozen_parameters_are_not_optimised():
    (updater,) = build_updaters((Player("g", ("a", "frozen"), Optim(name="adamw")),), NETWORKS)
    assert {id(p) for p in updater.parameters} == {id(p) for p in NETWORKS["a"].parameters()}
    assert type(updater.optimiser) is torch.optim.AdamW


@pytest.mark.parametrize(
    ("players", "message"),
    [
        ((Player("g", ("c",), Optim()),), r"'g' lists \['c'\], but the recipe has"),
        ((Player("g", ("frozen",), Optim()),), "'g' has a network without a parameter"),
        ((Player("g", ("a", "b"), {"a": Optim(), "b": Optim(name="adamw")}),), "'g' mixes"),
        ((Player("d", ("a",), Optim()), Player("r1", ("a",), Optim(lr=1.0))), "'d' and 'r1' share"),
    ],
)
def test_mistakes_are_named(players, message):
    with pytest.raises(ValueError, match=message):
        build_updaters(players, NETWORKS)
