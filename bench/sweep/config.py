"""The section `sweep` of a suite: what is varied, what is wanted, and who chooses. Light: no Optuna."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, FiniteFloat, JsonValue, model_validator

from ugpnet.settings import Config

Goal: TypeAlias = Literal["max", "min"]
Sampler: TypeAlias = Literal["tpe", "nsgaii", "gp", "random", "grid", "cmaes"]
Pruner: TypeAlias = Literal["none", "median", "hyperband"]

ONE_OBJECTIVE: tuple[Sampler, ...] = ("cmaes",)
"""Samplers that know no Pareto front."""


class Dimension(Config):
    """What one field may be: `low` to `high`, both included, or one of `choices` (any YAML values).

    With a `step` it is `low` plus multiples of it, and an integer where all three are (`step: 1`: any integer). `log`: drawn
    uniformly in the logarithm.
    """

    low: int | FiniteFloat | None = None
    high: int | FiniteFloat | None = None
    log: bool = False
    step: int | FiniteFloat | None = Field(None, gt=0)
    choices: tuple[JsonValue, ...] | None = None

    @property
    def of_integers(self) -> bool:
        return all(isinstance(value, int) for value in (self.low, self.high, self.step))

    @model_validator(mode="after")
    def _range_or_choices(self) -> Dimension:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.step is not None or self.log:
                raise ValueError("give either `choices` or `low` and `high`")
            if len(self.choices) < 2 or any(value in self.choices[:i] for i, value in enumerate(self.choices)):
                raise ValueError("choices: at least two are wanted, each once")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give `low` and `high`, or `choices`")
        if self.low >= self.high:
            raise ValueError(f"an empty range: low {self.low} is not below high {self.high}")
        self._check_scale(self.low, self.high)
        return self

    def _check_scale(self, low: float, high: float) -> None:
        if self.log and low <= 0:
            raise ValueError(f"log: low must be above 0, found {low}")
        if self.step is None:
            return
        if self.log and (not self.of_integers or self.step != 1):
            raise ValueError("log: takes no step but `step: 1`, which makes integers")
        steps = (high - low) / self.step
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError(f"high {high} is not low {low} plus a multiple of the step {self.step}")


class Sweep(Config):
    """A study of one row: `space` by dotted field as `--set` takes it, `objectives` by metric of the suite.

    Every trial trains with all of the suite's `seeds`, and an objective is its mean over them. `trials` are those of the whole
    study, whoever runs them; none begins later than `timeout` seconds after a command. `median` and `hyperband` stop trials
    whose validation PSNR falls behind.
    """

    row: str
    space: dict[str, Dimension] = Field(min_length=1)
    objectives: dict[str, Goal] = Field(min_length=1)
    sampler: Sampler = "tpe"
    pruner: Pruner = "none"
    trials: int = Field(20, ge=1)
    timeout: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Sweep:
        several = len(self.objectives) > 1
        if several and self.pruner != "none":
            raise ValueError(
                f"pruner {self.pruner!r}: trials are pruned for one objective only, found {self._wanted()}"
            )
        if several and self.sampler in ONE_OBJECTIVE:
            raise ValueError(
                f"sampler {self.sampler!r}: takes one objective only, found {self._wanted()}; tpe takes several"
            )
        endless = [field for field, each in self.space.items() if each.choices is None and each.step is None]
        if self.sampler == "grid" and endless:
            raise ValueError(f"sampler 'grid': space.{endless[0]} needs a `step` or `choices`")
        return self

    def _wanted(self) -> str:
        return ", ".join(self.objectives)
