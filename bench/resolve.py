"""Rows from the raw entries of a suite: which method, configured how, with whose weights, referring to which other rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from pydantic import ValidationError

import methods
import methods.base
from bench import official
from bench.complaint import complaints
from bench.document import Document, find_file, overlay
from bench.errors import BenchError, SuiteError
from bench.registry import Checkpoint
from bench.row import Row, WeightSource
from methods.base import Task, files, roles, suggest
from ugpnet.settings import Config

ASSETS = Path(__file__).parent / "assets"

Entries: TypeAlias = Mapping[str, Mapping[str, Any] | None]
"""Label -> `method`, `weights`, `like` and the fields of the method's config, all optional."""


def lone_row(name: str, fields: Document | None = None, task: Task = Task("deblur")) -> Row:
    """The row of a method outside any suite; its peers have their defaults unless `fields` describe them in place.

    Raises SuiteError as `load_suite` does, with `--set` in the place of the file.
    """
    return Resolver(Path("--set"), task, {name: fields or {}}).named(name)


class Resolver:
    """Turns the raw entries of `methods` and `components` into rows, following references between them."""

    def __init__(self, path: Path, task: Task, entries: Entries, components: Entries = MappingProxyType({})) -> None:
        self.path = path
        self.task = task
        self.entries = entries
        self.components = components
        self.resolved: dict[str, Row] = {}
        self.open: list[str] = []

    def rows(self) -> list[Row]:
        return [self.named(label) for label in self.entries]

    def variants(self, base: str, changes: Mapping[str, Mapping[str, Any]]) -> list[Row]:
        """The row `base` with one named change each, in the given order."""
        entry = self._entry(self.listed(base, "ablation.base"))
        return [
            replace(
                self._row(f"{base}: {name}", overlay(entry, change), f"ablation.variants.{name}"),
                variant=name,
                base=base,
            )
            for name, change in changes.items()
        ]

    def listed(self, label: str, where: str) -> str:
        """`label`, if a row is called so."""
        if label not in self.entries:
            raise self._error(where, f"no row is named {label!r}{suggest(label, tuple(self.entries))}")
        return label

    def named(self, label: str) -> Row:
        """The row or component of this name, resolved once."""
        if label in self.open:
            raise self._error(f"methods.{label}", f"refers to itself through {' -> '.join([*self.open, label])}")
        if label not in self.resolved:
            self.open.append(label)
            self.resolved[label] = self._row(label, self._entry(label), self._place(label))
            self.open.pop()
        return self.resolved[label]

    def _entry(self, label: str, above: tuple[str, ...] = ()) -> Document:
        """All that is said of a row: the component of its name, or the entry that it is `like`, with its own fields on top."""
        own = dict(self.entries.get(label) or {})
        base = dict(self.components.get(label) or {})
        like = own.pop("like", None) or base.pop("like", None)
        if like is None:
            return _lay_over({"method": label, **base}, own)
        if like in above or like == label:
            raise self._error(
                f"{self._place(label)}.like", f"goes in a circle: {' -> '.join([*above, label, str(like)])}"
            )
        if like not in self.entries and like not in self.components:
            known = tuple(dict.fromkeys([*self.entries, *self.components]))
            raise self._error(f"{self._place(label)}.like", f"no row is named {like!r}{suggest(str(like), known)}")
        return _lay_over(_lay_over(self._entry(like, (*above, label)), base), own)

    def _place(self, label: str) -> str:
        return f"{'methods' if label in self.entries else 'components'}.{label}"

    def _row(self, label: str, entry: Mapping[str, Any], where: str) -> Row:
        fields = dict(entry)
        name = str(fields.pop("method", label))
        kind = self._method(name, where)
        weights = self._weights(fields.pop("weights", None), name, f"{where}.weights")
        released = [source for source in weights.values() if isinstance(source, Checkpoint)]
        for checkpoint in released:
            fields = _lay_over(_lay_over(checkpoint.evaluation, checkpoint.config), fields)
        try:
            config = kind.Config.model_validate(_over_defaults(kind.Config, fields))
        except ValidationError as error:
            lines = complaints(error, kind.Config, where.split("."))
            raise SuiteError("\n".join(f"{self.path}: {line}" for line in lines)) from None
        found = {name: self._file(str(getattr(config, name)), f"{where}.{name}") for name in files(kind.Config)}
        config = config.model_copy(update=found)
        peers = {role: self._peer(getattr(config, role), f"{where}.{role}") for role in roles(kind.Config)}
        row = Row(label, name, config, weights, peers)
        for checkpoint in released:
            self._check_fit(checkpoint, row, where)
        return row

    def _method(self, name: str, where: str) -> type[methods.base.Method]:
        try:
            return methods.load(name)
        except LookupError as error:
            raise self._error(where, str(error)) from None
        except ImportError as error:
            raise self._error(where, f"method {name!r} cannot be imported: {error}") from None

    def _peer(self, reference: str | Mapping[str, Mapping[str, Any] | str], where: str) -> Row:
        if isinstance(reference, str):
            if reference in self.entries or reference in self.components:
                return self.named(reference)
            return self._row(reference, {}, where)
        if len(reference) != 1:
            raise self._error(where, "name one method: `name` or `{name: {field: value}}`")
        [(name, fields)] = reference.items()
        return self._row(name, self._in_full(name, fields, f"{where}.{name}"), f"{where}.{name}")

    def _in_full(self, name: str, fields: Mapping[str, Any] | str, where: str) -> Mapping[str, Any]:
        """`{spandrel: a.pth}` is `{spandrel: {path: a.pth}}`."""
        if not isinstance(fields, str):
            return fields or {}
        field = self._method(name, where).shorthand
        if field is None:
            raise self._error(where, f"a mapping of fields is wanted, found {fields!r}")
        return {field: fields}

    def _weights(self, given: Any, method: str, where: str) -> dict[str, WeightSource]:
        sources: dict[str, WeightSource] = {}
        for stage, value in (given if isinstance(given, dict) else {"": given}).items():
            if official.is_official(value):
                sources |= self._released(value, method, str(stage), where)
            elif value not in (None, "train"):
                sources[str(stage)] = self._weights_file(value, where)
        return sources

    def _released(self, value: str, method: str, stage: str, where: str) -> dict[str, Checkpoint]:
        try:
            return official.choose(value, method, self.task, stage)
        except BenchError as error:
            raise self._error(where, str(error)) from None

    def _check_fit(self, checkpoint: Checkpoint, row: Row, where: str) -> None:
        """The row's own fields win over the checkpoint's, so they can contradict it."""
        for path, found, wanted in official.contradictions(checkpoint.config, row):
            remedy = "leave the field out or write `weights: train`"
            raise self._error(f"{where}.{path}", f"{checkpoint.file} needs {wanted!r}, found {found!r}; {remedy}")

    def _weights_file(self, value: Any, where: str) -> Path:
        if not isinstance(value, str):
            raise self._error(where, f"a path, `official`, `embedded:NAME` or `train` is wanted, found {value!r}")
        if value.startswith("embedded:"):
            name = value.removeprefix("embedded:")
            known = tuple(sorted(path.stem for path in ASSETS.glob("*.safetensors")))
            if name not in known:
                raise self._error(where, f"no embedded weights {name!r}{suggest(name, known)}")
            return ASSETS / f"{name}.safetensors"
        return self._file(value, where)

    def _file(self, value: str, where: str) -> Path:
        path = find_file(self.path.parent, value)
        if path is None:
            raise self._error(where, f"no file {value!r} (looked in {(self.path.parent / value).parent})")
        return path.absolute()  # not resolved: a link may have the suffix that its target lacks

    def _error(self, where: str, problem: str) -> SuiteError:
        return SuiteError(f"{self.path}: {where}: {problem}")


def _over_defaults(config: type[Config], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """`fields` laid over the method's own defaults at every depth: one learning rate changes, the rest stays published."""
    return _lay_over(config.model_construct().model_dump(mode="json"), fields)


def _lay_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        key: _lay_over(base[key], value)
        for key, value in over.items()
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
    }
    return {**base, **over, **nested}
