"""Several processes on one training: the same samples and, but for rounding, the same weights as in one."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from bench.data.config import PortraitsData
from bench.data.pairs import Pairs, TrainingBatches
from bench.data.sources import open_source
from bench.degradations import GaussianNoise
from bench.errors import BenchError, DataError, TeamBroken, TrainingDiverged
from bench.team import Team, find_team, join_team, leave_team
from bench.train import checkpoint
from bench.train.execution import Execution
from bench.train.loop import Fitted, fit
from bench.train.stage import mean_psnr
from ugpnet.recipe import Batch, Budget, Optim, Player, Recipe, Shared, Term

STEPS = 6
BUDGET = Budget(iterations=STEPS, batch_size=5, patch=8, flips=("horizontal", "transpose"), validate_every=3)
FORK = multiprocessing.get_context("fork")


def pairs(count: int = 7, name: str = "train") -> Pairs:
    data = PortraitsData(split=name, count=count, size=16)  # type: ignore[arg-type]
    return Pairs(open_source(data, Path()), (GaussianNoise(sigma=0.1),), 0)


def batches(team: Team = Team(), batch_size: int = BUDGET.batch_size) -> TrainingBatches:
    return TrainingBatches(pairs(), 3, batch_size, BUDGET.patch, BUDGET.flips, team)


class Regression(Recipe):
    """One player whose term is a mean over images."""

    separable = True  # type: ignore[assignment]

    def __init__(self) -> None:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 3, padding=1))
        super().__init__(
            {"network": network}, (Player("network", ("network",), Optim(lr=1e-2), clip_norm=0.5),), {"network": 0.9}
        )

    def forward(self, batch: Batch, step: int) -> Shared:
        return {"restored": self.networks["network"](batch.lq)}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> dict[str, Term]:
        return {"l2": Term(1.0, (shared["restored"] - batch.gt).square().mean())}

    def restore(self, lq: Tensor) -> Tensor:
        restored: Tensor = self.networks["network"](lq)
        return restored


class Adversarial(Regression):
    """Two players, the second every other step, and a running mean that the first process keeps for all."""

    separable = False  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        judge = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(144, 1))
        self.networks["judge"] = judge
        self.players = (*self.players, Player("judge", ("judge",), Optim(lr=1e-2), every=2))
        self.register_buffer("seen", torch.zeros(()))

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> dict[str, Term]:
        judge, restored = self.networks["judge"], shared["restored"]
        if player == "judge":
            loss = softplus(-judge(batch.gt)).mean() + softplus(judge(restored.detach())).mean()
            return {"gan": Term(1.0, loss)}
        self.seen.add_(1)
        return super().losses(player, batch, shared, step) | {"gan": Term(0.1, softplus(-judge(restored)).mean())}


class AskedTo(Regression):
    """Does something to this process in its third step."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act

    def forward(self, batch: Batch, step: int) -> Shared:
        if step == 2:
            self.act()
        return super().forward(batch, step)


def train(recipe: Recipe, folder: Path, budget: Budget = BUDGET, source: Any = None, **execution: Any) -> Fitted:
    """In this process or, where the environment says so, as one of a team."""
    torch.set_num_threads(1)
    team = join_team(cpu=True)
    return fit(
        recipe, source or batches(team), budget, folder, seed=5, team=team,
        execution=Execution(device="cpu", log_every=2, **execution),
        validate=lambda trained: mean_psnr(pairs(3, "val"), trained, team),
    )  # fmt: skip


def in_team(size: int, work: Callable[[], Any]) -> list[Any]:
    """What `work` returns in each of so many processes, or the exception that ended it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    pipes, processes = [], []
    for rank in range(size):
        here, there = FORK.Pipe()
        process = FORK.Process(target=_work_as, args=(rank, size, port, work, there))
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    said = [pickle.loads(pipe.recv_bytes()) for pipe in pipes]  # bytes: tensors would go through the sender's memory
    for process in processes:
        process.join()
    return said


def _work_as(rank: int, size: int, port: str, work: Callable[[], Any], pipe: Any) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size), LOCAL_WORLD_SIZE=str(size),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=port, OMP_NUM_THREADS="1",
    )  # fmt: skip
    try:
        said = work()
    except BaseException as error:
        said = (type(error), str(error))
    pipe.send_bytes(pickle.dumps(said))
    leave_team()


def assert_close(one: Fitted, other: Fitted) -> None:
    for name, weights in one.weights.items():
        for key, tensor in weights.items():
            torch.testing.assert_close(other.weights[name][key], tensor, rtol=0, atol=1e-5)
    for mine, its in zip(one.log, other.log, strict=True):
        assert mine[:2] == its[:2]
        assert mine.value == pytest.approx(its.value, abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_places_are_each_one_process_s(size: int) -> None:
    assert [place for rank in range(size) for place in Team(rank, size).places(7)] == list(range(7))
    lengths = [len(Team(rank, size).places(7)) for rank in range(size)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] - lengths[-1] <= 1


def test_who_one_is_comes_from_the_environment() -> None:
    assert find_team({}) == Team(0, 1)
    assert find_team({"RANK": "3", "WORLD_SIZE": "8"}) == Team(3, 8)


@pytest.mark.parametrize("size", [2, 3])
def test_the_samples_of_a_step_are_the_same_however_many_share_them(size: int) -> None:
    for step in range(4):
        whole = batches().batch(step)
        parts = [batches(Team(rank, size)).batch(step) for rank in range(size)]
        assert torch.equal(torch.cat([part.lq for part in parts]), whole.lq)
        assert torch.equal(torch.cat([part.gt for part in parts]), whole.gt)
        assert tuple(view for part in parts for view in part.views) == whole.views


def test_only_what_recipes_draw_themselves_is_another_in_each_process() -> None:
    drawn = [torch.rand(3, generator=batches(Team(rank, 2)).batch(0).generator) for rank in range(2)]
    assert torch.equal(drawn[0], torch.rand(3, generator=batches().batch(0).generator))
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("recipe", [Regression, Adversarial])
@pytest.mark.parametrize(("size", "loaders"), [(2, 0), (3, 1)])
def test_the_weights_are_those_of_one_process(recipe: type[Recipe], size: int, loaders: int, tmp_path: Path) -> None:
    alone = train(recipe(), tmp_path / "alone")
    fitted = in_team(size, lambda: train(recipe(), tmp_path / "team", loaders=loaders))
    for one in fitted:
        assert_close(alone, one)
        assert all(
            torch.equal(one.weights["network"][key], value) for key, value in fitted[0].weights["network"].items()
        )
    assert {row.name for row in alone.log} >= {"validation/psnr"}


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2), (3, 2)])
def test_a_stopped_training_goes_on_with_another_number_of_processes(first: int, then: int, tmp_path: Path) -> None:
    def until_asked() -> Fitted:
        stop = AskedTo(lambda: os.kill(os.getpid(), signal.SIGTERM) if find_team().leads else None)
        return train(stop, tmp_path / "run")

    ended = in_team(first, until_asked)
    assert ended == [(SystemExit, "143")] * first  # only the first was asked
    found = checkpoint.load(tmp_path / "run")
    assert found is not None
    assert found.step == 3
    for fitted in in_team(then, lambda: train(Regression(), tmp_path / "run")):
        assert_close(train(Regression(), tmp_path / "alone"), fitted)


def test_what_one_process_cannot_read_ends_the_training_in_all(tmp_path: Path) -> None:
    class Unreadable:
        def batch(self, step: int) -> Batch:
            if step == 2 and not find_team().leads:
                raise DataError("b.png: cut off")
            return batches(find_team()).batch(step)

    ended = in_team(2, lambda: train(Regression(), tmp_path, source=Unreadable()))
    assert ended == [(BenchError, "b.png: cut off"), (DataError, "b.png: cut off")]


def test_a_checkpoint_that_cannot_be_written_ends_the_training_in_all(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder would be")
    ended = in_team(2, lambda: train(Regression(), tmp_path / "run"))
    assert ended[0][0] is FileExistsError
    assert ended[1] == (BenchError, ended[0][1])


def test_a_loss_that_is_not_finite_in_one_share_is_everybody_s(tmp_path: Path) -> None:
    class Poisoned:
        def batch(self, step: int) -> Batch:
            batch = batches(find_team()).batch(step)
            return Batch(batch.lq, batch.gt / 0) if step == 2 and not find_team().leads else batch

    ended = in_team(2, lambda: train(Regression(), tmp_path, source=Poisoned()))
    assert ended[0][0] is TrainingDiverged
    assert ended[0] == ended[1]
    assert "step 2, player 'network': term 'l2'" in ended[0][1]


def test_a_process_that_fails_where_the_others_wait_for_it_ends(tmp_path: Path) -> None:
    def fault() -> None:
        if not find_team().leads:
            raise ZeroDivisionError("a fault of its own")

    def work() -> Fitted:
        return train(AskedTo(fault), tmp_path)

    ended = in_team(2, work)
    assert ended[1] == (TeamBroken, "process 1 of 2 failed in step 2: a fault of its own")
    assert ended[0][0] is TeamBroken  # which the launcher would have ended


def test_weights_that_come_apart_are_not_kept(tmp_path: Path) -> None:
    def drift() -> Fitted:
        recipe = Regression()

        def nudge() -> None:
            with torch.no_grad():
                next(recipe.parameters()).add_(find_team().rank * 1e-6)

        recipe.register_forward_pre_hook(lambda *_: nudge())
        return train(recipe, tmp_path)

    ended = in_team(2, drift)
    assert [kind for kind, _ in ended] == [TrainingDiverged] * 2
    assert "have come apart" in ended[0][1]
    assert checkpoint.load(tmp_path) is None
