"""`fit` against training loops written out by hand in plain torch, for every published order of players."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from bench.errors import TrainingDiverged, Unavailable
from bench.train.execution import Execution
from bench.train.loop import fit
from ugpnet.recipe import Batch, Budget, Optim, Player, Recipe, Schedule, Term

STEPS = 7
G_ADAM = Optim(lr=2e-3, betas=(0.0, 0.99))
D_ADAM = Optim(lr=1e-3)


class Noise:
    """Random pairs, a pure function of the step."""

    def batch(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        lq = torch.rand(4, 3, 6, 6, generator=generator)
        return Batch(lq, 1 - lq, torch.Generator().manual_seed(1000 + step))


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums are split among threads, so bits compare at equal numbers of threads only."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def generator() -> nn.Module:
    first = nn.Conv2d(3, 4, 3, padding=1)
    return nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))


def discriminator() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(64, 1))


def gradient_penalty(network: nn.Module, real: Tensor) -> Tensor:
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(real).sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def d_loss(network: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-network(real)).mean() + softplus(network(fake.detach())).mean()


class Regression(Recipe):
    """L1 plus a second term that the batch's generator takes part in."""

    def __init__(self, optim=G_ADAM, average=None, clip_norm=None):
        torch.manual_seed(0)
        super().__init__({"g": generator()}, (Player("g", ("g",), optim, clip_norm=clip_norm),), average)

    def forward(self, batch, step):
        return {"restored": self.networks["g"](batch.lq)}

    def losses(self, player, batch, shared, step):
        noise = torch.rand(batch.gt.shape, generator=batch.generator)
        l2 = (shared["restored"] - batch.gt - 0.01 * noise).square().mean()
        return {"l1": Term(1.0, (shared["restored"] - batch.gt).abs().mean()), "l2": Term(0.5, l2)}

    def restore(self, lq):
        return self.networks["g"](lq)


class Adversarial(Recipe):
    """One forward for both players, as UGPNet (D first, lazy R1 in the same step) and GFP-GAN (G first)."""

    def __init__(self, order=("d", "g"), average=None):
        torch.manual_seed(0)
        players = {"d": Player("d", ("d",), D_ADAM), "g": Player("g", ("g",), G_ADAM)}
        networks = {"g": generator(), "d": discriminator()}
        super().__init__(networks, tuple(players[name] for name in order), average)

    def forward(self, batch, step):
        return {"fake": self.networks["g"](batch.lq)}

    def losses(self, player, batch, shared, step):
        d, fake = self.networks["d"], shared["fake"]
        if player == "g":
            l1 = (fake - batch.gt).abs().mean()
            return {"l1": Term(1.0, l1), "gan": Term(0.3, softplus(-d(fake)).mean())}
        terms = {"gan": Term(1.0, d_loss(d, batch.gt, fake))}
        if step % 3 == 0:
            terms["r1"] = Term(15.0, gradient_penalty(d, batch.gt))
        return terms

    def restore(self, lq):
        return self.networks["g"](lq)


class FreshForwards(Recipe):
    """A forward pass per player and lazy regularisers as players of their own, as GPEN."""

    def __init__(self):
        torch.manual_seed(0)
        players = (
            Player("d", ("d",), D_ADAM),
            Player("r1", ("d",), D_ADAM, every=4),
            Player("g", ("g",), G_ADAM),
            Player("size", ("g",), G_ADAM, every=2),
        )
        super().__init__({"g": generator(), "d": discriminator()}, players, {"g": 0.9})
        self.register_buffer("mean_size", torch.zeros(()))

    def forward(self, batch, step):
        return {}

    def losses(self, player, batch, shared, step):
        g, d = self.networks["g"], self.networks["d"]
        if player == "r1":
            return {"r1": Term(20.0, gradient_penalty(d, batch.gt))}
        fake = g(batch.lq)
        if player == "d":
            return {"gan": Term(1.0, d_loss(d, batch.gt, fake))}
        if player == "g":
            return {"gan": Term(1.0, softplus(-d(fake)).mean())}
        size = fake.square().mean()
        self.mean_size.lerp_(size.detach(), 0.1)
        return {"size": Term(2.0, (size - self.mean_size).square())}

    def restore(self, lq):
        return self.networks["g"](lq)


def adam(network, optim):
    return torch.optim.Adam(network.parameters(), lr=optim.lr, betas=optim.betas)


def step(optimiser, loss):
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def run(recipe, tmp_path, steps=STEPS, budget=None, **arguments):
    arguments.setdefault("execution", Execution(device="cpu", log_every=3))
    budget = budget or Budget(iterations=steps, batch_size=4)
    return fit(recipe, Noise(), budget, tmp_path, seed=5, **arguments)


def assert_same(weights, networks):
    assert weights.keys() == networks.keys()
    for name, network in networks.items():
        for key, tensor in network.state_dict().items():
            assert torch.equal(weights[name][key], tensor), f"{name}.{key}"


def test_regression_equals_a_plain_loop(tmp_path):
    recipe = Regression()
    network = copy.deepcopy(recipe.networks["g"])
    optimiser = adam(network, G_ADAM)
    for t in range(STEPS):
        batch = Noise().batch(t)
        restored = network(batch.lq)
        noise = torch.rand(batch.gt.shape, generator=batch.generator)
        l2 = (restored - batch.gt - 0.01 * noise).square().mean()
        step(optimiser, (restored - batch.gt).abs().mean() + 0.5 * l2)
    assert_same(run(recipe, tmp_path).weights, {"g": network})


@pytest.mark.parametrize("order", [("d", "g"), ("g", "d")])
def test_players_share_one_forward_pass(tmp_path, order):
    recipe = Adversarial(order)
    g, d = copy.deepcopy(recipe.networks["g"]), copy.deepcopy(recipe.networks["d"])
    g_adam, d_adam = adam(g, G_ADAM), adam(d, D_ADAM)

    def move_d(batch, fake, t):
        loss = d_loss(d, batch.gt, fake)
        step(d_adam, loss + 15.0 * gradient_penalty(d, batch.gt) if t % 3 == 0 else loss)

    def move_g(batch, fake, t):
        step(g_adam, (fake - batch.gt).abs().mean() + 0.3 * softplus(-d(fake)).mean())

    for t in range(STEPS):
        batch = Noise().batch(t)
        fake = g(batch.lq)
        for player in order:
            {"d": move_d, "g": move_g}[player](batch, fake, t)
    weights = run(recipe, tmp_path).weights
    assert_same(weights, {"g": g, "d": d})
    assert weights["g"]["1.num_batches_tracked"] == STEPS


def test_players_with_fresh_forward_passes_and_lazy_regularisers(tmp_path):
    recipe = FreshForwards()
    g, d = copy.deepcopy(recipe.networks["g"]), copy.deepcopy(recipe.networks["d"])
    g_adam, d_adam = adam(g, G_ADAM), adam(d, D_ADAM)
    average, mean_size = copy.deepcopy(g), torch.zeros(())
    for t in range(STEPS):
        batch = Noise().batch(t)
        step(d_adam, d_loss(d, batch.gt, g(batch.lq)))
        if t % 4 == 0:
            step(d_adam, 20.0 * gradient_penalty(d, batch.gt))
        step(g_adam, softplus(-d(g(batch.lq))).mean())
        if t % 2 == 0:
            size = g(batch.lq).square().mean()
            mean_size.lerp_(size.detach(), 0.1)
            step(g_adam, 2.0 * (size - mean_size).square())
        for mean, live in zip(average.parameters(), g.parameters(), strict=True):
            mean.data.lerp_(live.data, 1 - 0.9)
    for mean, live in zip(average.buffers(), g.buffers(), strict=True):
        mean.copy_(live)
    assert_same(run(recipe, tmp_path).weights, {"g": average, "d": d})
    assert_same({"g": recipe.networks["g"].state_dict()}, {"g": g})
    assert torch.equal(recipe.mean_size, mean_size)


def test_learning_rates_and_optimiser_settings_per_network(tmp_path):
    class Two(Regression):
        def __init__(self):
            super().__init__()
            steps = Schedule(kind="multistep", milestones=(3, 5))
            slow = Optim(name="adamw", lr=1e-3, weight_decay=0.1, schedule=steps)
            cosine = Schedule(kind="cosine", floor=0.1)
            fast = Optim(name="adamw", lr=1e-2, betas=(0.5, 0.9), schedule=cosine)
            self.networks["head"] = nn.Conv2d(3, 3, 1)
            self.players = (Player("both", ("g", "head"), {"g": slow, "head": fast}),)

        def forward(self, batch, step):
            return {"restored": self.networks["head"](self.networks["g"](batch.lq))}

    recipe = Two()
    g, head = copy.deepcopy(recipe.networks["g"]), copy.deepcopy(recipe.networks["head"])
    slow = torch.optim.AdamW(g.parameters(), lr=1e-3, weight_decay=0.1)
    fast = torch.optim.AdamW(head.parameters(), lr=1e-2, betas=(0.5, 0.9), weight_decay=0.0)
    schedules = (
        torch.optim.lr_scheduler.MultiStepLR(slow, [3, 5]),
        torch.optim.lr_scheduler.CosineAnnealingLR(fast, STEPS, eta_min=1e-3),
    )
    for t in range(STEPS):
        batch = Noise().batch(t)
        shared = {"restored": head(g(batch.lq))}
        loss = sum(term.weight * term.value for term in recipe.losses("both", batch, shared, t).values())
        slow.zero_grad()
        step(fast, loss)
        slow.step()
        for schedule in schedules:
            schedule.step()
    weights = run(recipe, tmp_path).weights
    for name, network in {"g": g, "head": head}.items():
        torch.testing.assert_close(weights[name], network.state_dict(), rtol=0, atol=1e-7)


def test_gradient_norm_is_clipped_before_the_step(tmp_path):
    recipe = Regression(clip_norm=0.01)
    network = copy.deepcopy(recipe.networks["g"])
    optimiser = adam(network, G_ADAM)
    for t in range(STEPS):
        batch = Noise().batch(t)
        terms = recipe.losses("g", batch, {"restored": network(batch.lq)}, t)
        optimiser.zero_grad()
        sum(term.weight * term.value for term in terms.values()).backward()
        assert nn.utils.clip_grad_norm_(network.parameters(), 0.01) > 0.01
        optimiser.step()
    assert_same(run(recipe, tmp_path).weights, {"g": network})


def test_only_the_player_of_the_turn_requires_gradients(tmp_path):
    seen = {}

    class Watched(Adversarial):
        def __init__(self):
            super().__init__()
            self.networks["g"][0].weight.requires_grad_(False)
            self.perceptual = nn.Conv2d(3, 3, 1)

        def losses(self, player, batch, shared, step):
            seen[player] = {name for name, p in self.named_parameters() if p.requires_grad}
            return super().losses(player, batch, shared, step)

    recipe = Watched()
    frozen = recipe.networks["g"][0].weight.clone()
    before = {name: p.requires_grad for name, p in recipe.named_parameters()}
    run(recipe, tmp_path, steps=2)
    assert {name.split(".")[1] for name in seen["d"]} == {"d"}
    assert {name.split(".")[1] for name in seen["g"]} == {"g"}
    assert "networks.g.0.weight" not in seen["g"]
    assert {name: p.requires_grad for name, p in recipe.named_parameters()} == before
    assert torch.equal(recipe.networks["g"][0].weight, frozen)
    assert all(p.grad is None for p in recipe.parameters())


def test_gradients_of_a_shared_graph_stay_with_the_player(tmp_path):
    """The G player's loss reaches D's parameters through the shared forward; D must not move."""

    class Leaky(Adversarial):
        def forward(self, batch, step):
            fake = self.networks["g"](batch.lq)
            return {"fake": fake, "score": self.networks["d"](fake)}

        def losses(self, player, batch, shared, step):
            if player == "d":
                assert all(p.grad is None for p in self.parameters())
                return {}
            return {"gan": Term(1.0, softplus(-shared["score"]).mean())}

    recipe = Leaky(("g", "d"))
    before = copy.deepcopy(recipe.networks["d"])
    assert_same({"d": run(recipe, tmp_path).weights["d"]}, {"d": before})
    assert all(p.grad is None for p in recipe.parameters())


def test_a_player_without_terms_skips_its_step(tmp_path):
    class Late(Regression):
        def losses(self, player, batch, shared, step):
            return {} if step < 2 else super().losses(player, batch, shared, step)

    recipe = Late()
    before = copy.deepcopy(recipe.networks["g"])
    run(recipe, tmp_path / "a", steps=2)
    assert all(map(torch.equal, recipe.networks["g"].parameters(), before.parameters()))
    run(recipe, tmp_path / "b", steps=3)
    assert not all(map(torch.equal, recipe.networks["g"].parameters(), before.parameters()))


def test_the_log_holds_window_means(tmp_path):
    values = []

    class Watched(Regression):
        def losses(self, player, batch, shared, step):
            terms = super().losses(player, batch, shared, step)
            values.append(terms["l2"].value.item())
            return terms

    rows = run(Watched(), tmp_path).log
    assert [row.step for row in rows if row.name == "g/l2"] == [3, 6, 7]
    expected = [sum(values[:3]) / 3, sum(values[3:6]) / 3, values[6]]
    assert [row.value for row in rows if row.name == "g/l2"] == pytest.approx(expected, rel=1e-12)
    assert {row.name for row in rows} == {"g/l1", "g/l2"}


def test_progress_is_told_after_every_step(tmp_path):
    told = []
    run(Regression(), tmp_path, on_step=told.append)
    assert [now.step for now in told] == [1, 2, 3, 4, 5, 6, 7]
    assert {now.total for now in told} == {STEPS}
    assert told[-1].text.startswith("g/l1 0.")


@pytest.mark.parametrize("check_every", [1, 100])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch, check_every):
    """A GPU run looks at its losses 100 at a time; there too, no bad step may reach a checkpoint."""

    class Broken(Adversarial):
        def losses(self, player, batch, shared, step):
            terms = dict(super().losses(player, batch, shared, step))
            if step == 4 and player == "g":
                terms["gan"] = Term(0.3, terms["gan"].value * math.inf)
            return terms

    monkeypatch.setattr("bench.train.training._checks", lambda device: check_every)
    execution = Execution(device="cpu", checkpoint_every=3, log_every=100)
    with pytest.raises(TrainingDiverged, match="step 4, player 'g': term 'gan' is inf"):
        run(Broken(), tmp_path, execution=execution)
    assert [path.name for path in tmp_path.glob("*.json")] == ["checkpoint-000000003.json"]


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    class Broken(Regression):
        def losses(self, player, batch, shared, step):
            zero = self.networks["g"][0].weight[0, 0, 0, 0] * 0
            return {**super().losses(player, batch, shared, step), "root": Term(1.0, zero.sqrt())}

    with pytest.raises(TrainingDiverged, match="step 1, player 'g': its losses are finite, its weights are"):
        run(Broken(), tmp_path, steps=1)
    assert not list(tmp_path.iterdir())


def scripted(scores):
    """A validation that returns `scores` one after another and disturbs whatever it can."""
    remaining = list(scores)

    def validate(recipe):
        assert not any(module.training for module in recipe.modules())
        torch.rand(7)
        recipe.restore(torch.rand(1, 3, 6, 6))
        return remaining.pop(0)

    return validate


def test_the_best_validated_weights_are_returned(tmp_path):
    best = Budget(iterations=7, batch_size=4, validate_every=2, select="best_psnr")
    fitted = run(Regression(), tmp_path / "best", budget=best, validate=scripted([20.0, 23.0, 22.0, 23.0]))
    assert fitted.step == 4
    scores = [(row.step, row.value) for row in fitted.log if row.name == "validation/psnr"]
    assert scores == [(2, 20.0), (4, 23.0), (6, 22.0), (7, 23.0)]
    shorter = Regression()
    run(shorter, tmp_path / "shorter", steps=4)
    assert_same(fitted.weights, dict(shorter.networks))


def test_validation_sees_the_average_and_disturbs_nothing(tmp_path):
    class Partly(Regression):
        """Keeps its batch normalisation in eval mode, as a recipe with frozen parts does."""

        def train(self, mode=True):
            super().train(mode)
            self.networks["g"][1].eval()
            return self

    seen = []

    def validate(recipe):
        seen.append(copy.deepcopy(recipe.networks["g"].state_dict()))
        return scripted([20.0])(recipe)

    budget = Budget(iterations=STEPS, batch_size=4, validate_every=1)
    plain, validated = Partly(average={"g": 0.5}), Partly(average={"g": 0.5})
    states = {"plain": [], "validated": []}
    expected = run(plain, tmp_path / "plain", on_step=lambda now: states["plain"].append(torch.rand(1)))
    fitted = run(
        validated, tmp_path / "validated", budget=budget, validate=validate,
        on_step=lambda now: states["validated"].append(torch.rand(1)),
    )  # fmt: skip
    assert states["plain"] == states["validated"]
    assert_same(fitted.weights, {"g": Loaded(expected.weights["g"])})
    assert_same({"g": seen[-1]}, {"g": Loaded(expected.weights["g"])})
    assert_same({"g": validated.networks["g"].state_dict()}, {"g": plain.networks["g"]})
    assert validated.training
    assert validated.networks["g"][0].training
    assert not validated.networks["g"][1].training


class Loaded:
    """A state dict in the place of a network, for `assert_same`."""

    def __init__(self, state):
        self.state_dict = lambda: state


def test_a_validation_that_is_not_a_number_stops_the_run(tmp_path):
    budget = Budget(iterations=4, batch_size=4, validate_every=2)
    with pytest.raises(TrainingDiverged, match="step 2: the validation PSNR is nan"):
        run(Regression(), tmp_path, budget=budget, validate=lambda recipe: math.nan)


def test_selection_needs_validation(tmp_path):
    budget = Budget(iterations=4, batch_size=4, validate_every=2, select="best_psnr")
    with pytest.raises(ValueError, match="validate"):
        run(Regression(), tmp_path, budget=budget)


def test_reduced_precision_computes_in_it_and_keeps_full_weights(tmp_path):
    kinds = set()

    class Watched(Regression):
        def losses(self, player, batch, shared, step):
            kinds.add(shared["restored"].dtype)
            return super().losses(player, batch, shared, step)

    fitted = run(Watched(), tmp_path, budget=Budget(iterations=2, batch_size=4, precision="bf16"))
    assert kinds == {torch.bfloat16}
    assert fitted.weights["g"]["0.weight"].dtype == torch.float32
    with pytest.raises(Unavailable, match="fp16 needs a GPU"):
        run(Regression(), tmp_path / "b", budget=Budget(iterations=2, batch_size=4, precision="fp16"))


def test_global_state_is_left_as_it_was(tmp_path):
    torch.manual_seed(3)
    recipe = Regression()
    state = torch.get_rng_state()
    run(recipe, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
