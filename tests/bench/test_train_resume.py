"""A run that is stopped in any way and resumed equals, bit for bit, one that is not."""

import multiprocessing
import os
import random
import signal
import subprocess
import threading
import time

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from bench.errors import StoreError
from bench.train import checkpoint
from bench.train.execution import Execution
from bench.train.loop import fit
from ugpnet.recipe import Batch, Budget, Optim, Player, Recipe, Schedule, Term

STEPS = 24
G_OPTIM = Optim(name="adamw", lr=2e-3, schedule=Schedule(kind="cosine"))
BUDGET = Budget(iterations=STEPS, batch_size=4, validate_every=5, select="best_psnr")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Sums are split among threads, and a killed child (a fork) has one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Noise:
    def batch(self, step):
        generator = torch.Generator().manual_seed(step)
        lq = torch.rand(4, 3, 6, 6, generator=generator)
        return Batch(lq, 1 - lq, generator)


class Everything(Recipe):
    """Batch normalisation, dropout, the batch's generator, a running mean, an average, schedules."""

    def __init__(self, width=4):
        torch.manual_seed(0)
        first = nn.Conv2d(3, width, 3, padding=1)
        g = nn.Sequential(first, nn.BatchNorm2d(width), nn.Dropout(0.3), nn.Conv2d(width, 3, 1))
        d = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(64, 1))
        d_optim = Optim(lr=1e-3, schedule=Schedule(kind="multistep", milestones=(9,)))
        players = (
            Player("d", ("d",), d_optim),
            Player("r1", ("d",), d_optim, every=3),
            Player("g", ("g",), G_OPTIM, clip_norm=0.5),
        )
        super().__init__({"g": g, "d": d}, players, {"g": 0.9})
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, batch, step):
        return {"fake": self.networks["g"](batch.lq)}

    def losses(self, player, batch, shared, step):
        d, fake = self.networks["d"], shared["fake"]
        if player == "d":
            real_loss, fake_loss = softplus(-d(batch.gt)).mean(), softplus(d(fake.detach())).mean()
            return {"gan": Term(1.0, real_loss + fake_loss)}
        if player == "r1":
            return {"size": Term(0.1, d(batch.gt + 0.1 * torch.randn_like(batch.gt)).square().mean())}
        noise = torch.rand(batch.gt.shape, generator=batch.generator).to(fake)
        l1 = (fake - batch.gt - 0.1 * noise).abs().mean()
        self.mean.lerp_(l1.detach(), 0.1)
        return {"l1": Term(1.0, l1 + (l1 - self.mean).square()), "gan": Term(0.1, softplus(-d(fake)).mean())}

    def restore(self, lq):
        return self.networks["g"](lq)


def psnr(recipe):
    batch = Noise().batch(10_000)
    return float(-10 * (recipe.restore(batch.lq) - batch.gt).square().mean().log10())


def run(run_dir, recipe=None, budget=BUDGET, seed=3, on_step=None, **execution):
    recipe = recipe or Everything()
    execution = Execution(device="cpu", **{"log_every": 4, "checkpoint_every": 3, **execution})
    arguments = {"seed": seed, "execution": execution, "validate": psnr, "on_step": on_step}
    return fit(recipe, Noise(), budget, run_dir, **arguments)


def final_tensors(run_dir):
    """Weights, buffers, averages, moments, best weights: all that the last checkpoint holds."""
    found = checkpoint.load(run_dir)
    assert found.step == STEPS
    return found.tensors


def assert_same_run(one, other, one_dir, other_dir):
    for name, tensor in final_tensors(one_dir).items():
        assert torch.equal(tensor, final_tensors(other_dir)[name]), name
    assert final_tensors(one_dir).keys() == final_tensors(other_dir).keys()
    assert one.log == other.log
    assert one.step == other.step
    for network, weights in one.weights.items():
        assert all(torch.equal(tensor, other.weights[network][key]) for key, tensor in weights.items())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("uninterrupted")
    return run(run_dir, checkpoint_every=None), run_dir


class Stop(Exception):
    pass


def stopping_at(step):
    def stop(now):
        if now.step == step:
            raise Stop

    return stop


def test_checkpoints_hold_all_that_changes(uninterrupted):
    tensors = final_tensors(uninterrupted[1])
    kinds = {name.split(".")[0] for name in tensors}
    assert kinds == {"recipe", "average", "optimiser0", "optimiser1", "best"}
    assert {"recipe.mean", "recipe.networks.g.1.running_mean", "average.g.0.weight"} <= tensors.keys()
    assert tensors["optimiser0.0.step"] == STEPS + STEPS // 3


@pytest.mark.parametrize("loaders", [0, 2])
def test_exceptions_at_random_steps(uninterrupted, tmp_path, loaders):
    stops = [8, 19] if loaders else sorted(random.Random(7).sample(range(1, STEPS), 6))
    for step in stops:
        with pytest.raises(Stop):
            run(tmp_path, on_step=stopping_at(step), loaders=loaders)
    assert_same_run(run(tmp_path, loaders=loaders), uninterrupted[0], tmp_path, uninterrupted[1])


def test_an_exception_within_a_step(uninterrupted, tmp_path):
    class Fragile(Everything):
        def losses(self, player, batch, shared, step):
            if (player, step) == ("g", 10):
                raise Stop
            return super().losses(player, batch, shared, step)

    with pytest.raises(Stop):
        run(tmp_path, Fragile())
    assert checkpoint.load(tmp_path).step == 9
    assert_same_run(run(tmp_path), uninterrupted[0], tmp_path, uninterrupted[1])


@pytest.mark.parametrize("loaders", [0, 2])
@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_is_obeyed_after_the_step_is_saved(uninterrupted, tmp_path, number, error, loaders):
    """Also when the loaders get it too, as from a terminal or a scheduler."""

    class Signalled(Everything):
        def losses(self, player, batch, shared, step):
            if (player, step) == ("d", 7):
                children = [str(child.pid) for child in multiprocessing.active_children()]
                subprocess.run(["kill", f"-{int(number)}", *children, str(os.getpid())], check=True)
                time.sleep(0.05)
            return super().losses(player, batch, shared, step)

    before = signal.getsignal(number)
    with pytest.raises(error):
        run(tmp_path, Signalled(), loaders=loaders, checkpoint_every=None)
    assert checkpoint.load(tmp_path).step == 8
    assert not multiprocessing.active_children()
    assert signal.getsignal(number) is before
    assert_same_run(run(tmp_path), uninterrupted[0], tmp_path, uninterrupted[1])


def test_a_keyboard_interrupt_of_the_callback_saves(tmp_path):
    def interrupt(now):
        if now.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_step=interrupt, checkpoint_every=None)
    assert checkpoint.load(tmp_path).step == 5


def test_training_outside_the_main_thread(uninterrupted, tmp_path):
    fitted = []
    thread = threading.Thread(target=lambda: fitted.append(run(tmp_path)))
    thread.start()
    thread.join()
    assert_same_run(fitted[0], uninterrupted[0], tmp_path, uninterrupted[1])


def train_slowly(run_dir):
    run(run_dir, checkpoint_every=1, on_step=lambda now: time.sleep(0.01))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_sigkill_at_any_moment(uninterrupted, tmp_path):
    delays = random.Random(1)
    for _ in range(4):
        child = multiprocessing.get_context("fork").Process(target=train_slowly, args=(tmp_path,))
        reached = progress(tmp_path)
        child.start()
        while child.is_alive() and progress(tmp_path) <= reached + 2:
            time.sleep(0.001)
        time.sleep(delays.uniform(0, 0.02))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    assert 0 < progress(tmp_path) < STEPS
    assert_same_run(run(tmp_path), uninterrupted[0], tmp_path, uninterrupted[1])


def progress(run_dir):
    return max((int(path.stem.split("-")[1]) for path in run_dir.glob("checkpoint-*.json")), default=0)


def test_a_damaged_checkpoint_costs_only_its_steps(uninterrupted, tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, on_step=stopping_at(14))
    newest = tmp_path / "checkpoint-000000012.safetensors"
    os.truncate(newest, newest.stat().st_size - 1)
    with pytest.warns(RuntimeWarning, match="checkpoint-000000012"):
        fitted = run(tmp_path)
    assert_same_run(fitted, uninterrupted[0], tmp_path, uninterrupted[1])


def test_a_finished_run_is_not_trained_again(uninterrupted, tmp_path):
    first = run(tmp_path)
    again = run(tmp_path, on_step=stopping_at(STEPS))
    assert_same_run(again, first, tmp_path, tmp_path)
    checkpoint.clear(tmp_path)
    assert not list(tmp_path.iterdir())


def test_checkpoints_by_the_clock(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, on_step=stopping_at(2), checkpoint_every=None, checkpoint_seconds=0.0)
    assert checkpoint.load(tmp_path).step == 2


def test_the_checkpoint_of_another_run_is_refused(tmp_path):
    with pytest.raises(Stop):
        run(tmp_path, on_step=stopping_at(4))
    with pytest.raises(StoreError, match="made with seed 3, but this run has 4"):
        run(tmp_path, seed=4)
    with pytest.raises(StoreError, match="made with budget"):
        run(tmp_path, budget=BUDGET.model_copy(update={"iterations": 25}))
    with pytest.raises(StoreError, match=r"another version of the recipe \(.* tensors"):
        run(tmp_path, Everything(width=5))
