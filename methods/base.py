"""The contracts that every method fulfils, and how a method is found by name.

A method is a class in `methods/<name>.py` (or in any importable module, named by its dotted path). It states what it is
(`facts`), what can be set (`Config`), which trainings it needs (`stages`) and how the trained weights restore images
(`restorer`). It never imports another method: a field of type `Peer` names one, and the suite hands the object over.

Plans are made of configurations. Methods that come with this package therefore import networks and recipes, and torch with
them, where they build them: `bench plan` is there at once. A method of yours may import what it likes.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.settings import Budget
from ugpnet.settings import Config as AnyConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ugpnet.nn.stylegan2 import StyleGAN2Generator
    from ugpnet.recipe import Recipe, Weights

Family: TypeAlias = Literal["input", "regression", "generative", "hybrid", "prior"]


@dataclass(frozen=True)
class PeerField:
    """Marks a config field as a reference to another row or component of the suite."""


Peer: TypeAlias = Annotated[str | dict[str, dict[str, Any] | str], PeerField()]
"""The name of a row or component, or `{method: config}` in place (`{method: value}` for its `shorthand` field)."""


@dataclass(frozen=True)
class FileField:
    """Marks a config field as a file: relative to the suite's folder, and its content, not its name, enters keys."""


File: TypeAlias = Annotated[Path, FileField()]

Upstream: TypeAlias = "Mapping[str, Weights]"
"""Weights by what a stage or a restorer `needs`: own stages, roles of peers, released backbones."""


@dataclass(frozen=True)
class Facts:
    """What is known about a method beside its code; shown in tables, `bench methods` and reports."""

    title: str
    family: Family
    venue: str = ""
    arxiv: str = ""
    code: str = ""
    licence: str = ""
    bibtex: str = ""


@dataclass(frozen=True)
class Task:
    """What the rows of a suite have to do: `size` is the side of the ground truth in pixels, `scale` the factor by which
    the input is smaller."""

    name: Literal["deblur", "denoise", "sr", "prior"]
    scale: int = 1
    size: int = 64


@dataclass(frozen=True)
class Stage:
    """One training run. `config` is exactly what its recipe may read, hence what its key hashes.

    `needs` names own stages, roles of peers, or released backbones (`vgg16`, ...); `recipe` gets their weights under
    these names. `data` is `images` where only ground truth is read, so that the degradation does not enter the key.
    """

    name: str
    config: AnyConfig
    budget: Budget
    recipe: Callable[[Upstream], Recipe]
    needs: tuple[str, ...] = ()
    data: Literal["pairs", "images"] = "pairs"


@dataclass(frozen=True)
class Loaded:
    """A stage that is not trained: its weights are adopted from the file `path`."""

    name: str
    path: Path


class Method(ABC):
    """A restoration method, or a generative prior that others start from."""

    version: ClassVar[int]
    """Raise it when the same config gives other results: it enters every key."""
    any_size: ClassVar[bool] = False
    """Whether the restorer takes images of any size, not only squares of the task's size."""
    residual: ClassVar[bool | None] = None
    """Whether the network adds what it makes to its input (`ugpnet.nn.regressor`); None: to be asked of a built one."""
    parts: ClassVar[tuple[str, ...]] = ()
    """The images inside the method (`x_reg`, `x_syn`): fields, beside the restored `x_hat`, of what the restorer's
    `parts(lq)` returns."""
    Config: ClassVar[type[AnyConfig]]
    facts: ClassVar[Facts]
    shorthand: ClassVar[str | None] = None
    """The config field that a bare value in place of a mapping stands for."""

    def __init__(self, config: AnyConfig, task: Task, peers: Mapping[str, Method]) -> None:
        self.config = config
        self.task = task
        self.peers = peers

    def unsupported(self) -> str | None:
        """Why this method cannot do the task; shown in the table as `n/a: ...`."""
        return None

    def notes(self) -> tuple[str, ...]:
        """Footnotes of the table row, such as a part of the recipe that was off."""
        return ()

    def stages(self) -> tuple[Stage | Loaded, ...]:
        """The training runs, first to last, or files in their place; () for a training-free method."""
        return ()

    def needs(self) -> tuple[str, ...]:
        """What `restorer` wants to be given; the last stage unless overridden."""
        return tuple(stage.name for stage in self.stages()[-1:])

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        """The weights of `stage` from a released checkpoint, in the layout that the recipe of the stage leaves behind.

        Unless overridden: one network called `network`. Raises CheckpointMismatch where it does not fit.
        """
        network = self.network()
        state = unwrap(checkpoint, network.state_dict())
        load_strict(network, state, type(self).__name__)
        return {"network": state}

    def restorer(self, weights: Upstream) -> nn.Module:
        """A module from lq (B,3,h,w) to restored (B,3,H,W), RGB in [0, 1] (not clamped), in eval mode.

        Unless overridden: `network` with what the last stage left as `network`, adapted.
        """
        network = self.network()
        load_strict(network, weights[self.stages()[-1].name]["network"], type(self).__name__)
        return self.adapt(network).eval()

    @abstractmethod
    def network(self) -> nn.Module:
        """The architecture with the released state-dict keys, freshly initialised."""

    def adapt(self, network: nn.Module) -> nn.Module:
        """`network` from lq to restored in [0, 1]: where it wants another range or size, wrapped. Timed as it is."""
        return network


class Prior(Method):
    """A generative model: it restores nothing, rows start from it, and it is judged by its samples.

    Its stage leaves `generator` and, where there is one, `discriminator`; both know images of `value_range`.
    """

    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @abstractmethod
    def network(self) -> StyleGAN2Generator:
        """The generator, freshly initialised."""

    @abstractmethod
    def discriminator(self) -> nn.Module:
        """The discriminator that was trained against it, freshly initialised."""

    def unsupported(self) -> str | None:
        return (
            None if self.task.name == "prior" else "a generative prior has no restored image; list it under components"
        )

    @abstractmethod
    def sample(self, weights: Upstream, count: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Batches of samples (B,3,H,W), RGB in [0, 1], `count` images in all."""

    def restorer(self, weights: Upstream) -> nn.Module:
        raise TypeError(self.unsupported() or "a generative prior has no restored image")


class PriorMethod(Method):
    """A method that starts from a generative model, its peer `prior`."""

    @property
    def prior(self) -> Prior:
        """The peer. Raises TypeError where it is of another kind, which `unsupported` says beforehand."""
        prior = self.peers["prior"]
        if not isinstance(prior, Prior):
            raise TypeError(self.unsupported())
        return prior

    def unsupported(self) -> str | None:
        if isinstance(self.peers["prior"], Prior):
            return None
        return f"prior: {self.config.model_dump()['prior']!r} is no generative prior"


def backbones(upstream: Upstream) -> Mapping[str, Mapping[str, Tensor]]:
    """The released networks among `upstream` as plain state dicts, by name."""
    return {name: weights[""] for name, weights in upstream.items() if "" in weights}


def load(name: str) -> type[Method]:
    """The method class in `methods/<name>.py`, or in the module of a dotted path.

    Raises LookupError, with the nearest known name, where there is none.
    """
    path = name if "." in name else f"methods.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not path.startswith(error.name):
            raise
        raise LookupError(f"unknown method {name!r}{suggest(name, names())}") from error
    found: list[type[Method]] = [item for item in vars(module).values() if _is_method(item) and item.__module__ == path]
    if len(found) != 1:
        raise LookupError(f"{path} defines {len(found)} methods; a method's file defines exactly one Method subclass")
    return found[0]


def names() -> tuple[str, ...]:
    """The names that `load` knows, without importing any of them."""
    package = importlib.import_module("methods")
    infrastructure = {"base", "regression"}
    return tuple(
        item.name for item in pkgutil.iter_modules(package.__path__) if not item.ispkg and item.name not in infrastructure
    )  # fmt: skip


def roles(config: type[AnyConfig]) -> tuple[str, ...]:
    """The fields of a config that name peers."""
    return _marked(config, PeerField)


def files(config: type[AnyConfig]) -> tuple[str, ...]:
    """The fields of a config that name files."""
    return _marked(config, FileField)


def _marked(config: type[AnyConfig], mark: type[PeerField] | type[FileField]) -> tuple[str, ...]:
    return tuple(
        name for name, field in config.model_fields.items() if any(isinstance(m, mark) for m in field.metadata)
    )


def suggest(name: str, known: tuple[str, ...]) -> str:
    """`; did you mean 'x'?` where something is near, else the list of what is known."""
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"


def _is_method(item: object) -> bool:
    return inspect.isclass(item) and issubclass(item, Method) and not inspect.isabstract(item)


def unfit_size(size: int, least: int) -> str | None:
    """Why images of this side do not fit a network that halves them down to `least` pixels; None if they do."""
    if size >= least and size & (size - 1) == 0:
        return None
    return f"its images have a side that is a power of two and at least {least} px, not {size} px"
