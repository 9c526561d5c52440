"""YAML documents as plain data: strict reading, overlaying, overriding. Light: no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from bench.errors import SuiteError

Document: TypeAlias = dict[str, Any]

MAX_BYTES = 1_000_000
MAX_DEPTH = 50

_RESOLVED_OTHERWISE = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")


class _StrictLoader(yaml.SafeLoader):
    """YAML without its traps: a key given twice is an error, so are aliases (an exponential document in ten lines) and numbers
    that are not finite; there is nothing that JSON lacks (a date is text), as all of a suite may enter keys; and only `true`
    and `false` are booleans, so that `off` is the word that it is in `components: off`."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed in suites", event.start_mark)
        if self.depth == MAX_DEPTH:
            raise yaml.constructor.ConstructorError(None, None, f"nested deeper than {MAX_DEPTH}", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (dict, list, set)):
                raise yaml.constructor.ConstructorError(None, None, "a name is wanted here", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_finite(self, node: Any) -> float:
        value = self.construct_yaml_float(node)
        if not math.isfinite(value):
            raise yaml.constructor.ConstructorError(None, None, f"{node.value} is not a finite number", node.start_mark)
        return value


_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "str", "seq", "map")}
_StrictLoader.yaml_constructors = {
    tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in _PLAIN
} | {"tag:yaml.org,2002:float": _StrictLoader.construct_finite}
_StrictLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in _RESOLVED_OTHERWISE]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(  # type: ignore[no-untyped-call]
    "tag:yaml.org,2002:bool", re.compile("^(?:true|false)$", re.IGNORECASE), list("tTfF")
)


def read_value(text: str) -> Any:
    """A YAML value as suites write it. Raises yaml.YAMLError."""
    try:
        return yaml.load(text, _StrictLoader)  # a SafeLoader underneath
    except yaml.YAMLError:
        raise
    except Exception as error:  # PyYAML's constructors raise whatever they meet in numbers, dates and nesting
        raise yaml.YAMLError(str(error) or type(error).__name__) from None


def find_file(folder: Path, name: str) -> Path | None:
    """The file of this name, relative to `folder` or to a home (`~`); None where there is none, or can be none."""
    try:
        path = (folder / name).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # a name that is too long, a home that nobody has
        return None


def read_document(path: Path) -> Document:
    """The mapping in a YAML file. Raises SuiteError naming file and line."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SuiteError(f"{path}: larger than {MAX_BYTES} bytes; a suite is a page of text")
        document = read_value(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise SuiteError(f"{path}: {_locate(error)}") from None
    if not isinstance(document, dict):
        raise SuiteError(
            f"{path}: a suite is a mapping with name, task, data, methods, ...; found {type(document).__name__}"
        )
    return document


def _locate(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    return f"line {mark.line + 1}: {problem}" if mark else f"not valid YAML: {problem}"


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """`base` with `over` on top: mappings merge, everything else is replaced. A null removes the key.

    A key that `base` lacks comes after the one that it follows in `over`, so that added rows stand where they are written.
    """
    merged = deepcopy(dict(base))
    before = None
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _replace_or_overlay(merged[key], value)
        elif key in merged or before is None:
            merged[key] = deepcopy(value)
        else:
            merged = _inserted(merged, before, key, deepcopy(value))
        before = key if key in merged else before
    return merged


def _inserted(mapping: Document, before: str, key: str, value: Any) -> Document:
    """`mapping` with a new `key` right after `before`."""
    items = list(mapping.items())
    place = list(mapping).index(before) + 1
    return dict([*items[:place], (key, value), *items[place:]])


def _replace_or_overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """Merge, unless the kind of thing changes: another `source` or `op` starts from nothing."""
    for tag in ("source", "op", "method"):
        if tag in over and over[tag] != base.get(tag):
            return deepcopy(dict(over))
    return overlay(base, over)


def override(document: Mapping[str, Any], assignments: Sequence[str]) -> Document:
    """`document` with each `path.to.field=value` applied; a path may start at a row's or component's name.

    Values are read as YAML (`5`, `[1, 2]`, `true`). Raises SuiteError on an assignment without `=` or through a non-mapping.
    """
    result = deepcopy(dict(document))
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator or not path:
            raise SuiteError(f"--set {assignment}: write path.to.field=value")
        try:
            value = read_value(text)
        except yaml.YAMLError:
            raise SuiteError(f"--set {assignment}: {text!r} is not a YAML value") from None
        _assign(result, path, value, f"--set {assignment}")
    return result


def assigned(document: Mapping[str, Any], values: Mapping[str, Any], where: str) -> Document:
    """`document` with each dotted field set as `override` sets it. A SuiteError begins with `where` and the field."""
    result = deepcopy(dict(document))
    for path, value in values.items():
        _assign(result, path, value, f"{where}.{path}")
    return result


def _full_path(document: Document, parts: list[str]) -> list[str]:
    for section in ("methods", "components"):
        entries = document.get(section)
        if parts[0] not in document and isinstance(entries, dict) and parts[0] in entries:
            return [section, *parts]
    return parts


def _assign(document: Document, path: str, value: Any, what: str) -> None:
    parts = _full_path(document, path.split("."))
    target: Any = document
    for depth, part in enumerate(parts[:-1]):
        if isinstance(target, list):
            part_index = _list_index(target, part, what)
            target = target[part_index]
            continue
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, (dict, list)):
            raise SuiteError(f"{what}: {'.'.join(parts[: depth + 1])} is not a mapping")
    if isinstance(target, list):
        target[_list_index(target, parts[-1], what)] = value
    else:
        target[parts[-1]] = value


def _list_index(target: list[Any], part: str, what: str) -> int:
    if not part.isdigit() or int(part) >= len(target):
        raise SuiteError(f"{what}: {part!r} is not an index into a list of {len(target)}")
    return int(part)
