"""What is wrong with a document, in words: pydantic's errors as `file: yaml.path: problem; did you mean ...?`."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def complaints(error: ValidationError, model: type[BaseModel], prefix: Sequence[str] = ()) -> Iterator[str]:
    """One line per problem, each with its YAML path."""
    for entry in error.errors(include_url=False):
        location = [str(part) for part in entry["loc"]]
        shown = ".".join([*prefix, *_yaml_path(entry["loc"], entry["input"], model)]) or "(top level)"
        if entry["type"] == "extra_forbidden":
            yield f"{shown}: unknown field{_nearest(location[-1], list(_fields_at(model, location[:-1])))}"
        elif entry["type"] == "missing":
            yield f"{shown}: this field is required"
        elif entry["type"] == "union_tag_invalid":
            tag = str(entry["ctx"]["tag"])
            tags = [known.strip(" '") for known in str(entry["ctx"]["expected_tags"]).split(",")]
            yield f"{shown}: unknown {str(entry['ctx']['discriminator']).strip(chr(39))} {tag!r}{_nearest(tag, tags)}"
        else:
            yield f"{shown}: {_lower(entry['msg'])} (found {_short(entry['input'])})"


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(sorted(known))}" if known else ""


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _yaml_path(location: tuple[str | int, ...], _value: Any, model: type[BaseModel]) -> list[str]:
    """The location without the union tags that pydantic puts in (`data.train.folder.path` -> `data.train.path`)."""
    path: list[str] = []
    here: list[Any] = [model]
    for part in location:
        inner = list(_step(here, part))
        tagged = not inner and isinstance(part, str) and any(_tag_of(kind) == part for kind in here)
        if tagged:
            here = [kind for kind in here if _tag_of(kind) == part]
            continue
        path.append(str(part))
        here = inner
    return path


def _tag_of(kind: Any) -> str | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for field in ("source", "op"):
            if field in kind.model_fields:
                values = get_args(kind.model_fields[field].annotation)
                return str(values[0]) if values else None
    return None


def _fields_at(model: type[BaseModel], location: Sequence[str]) -> Iterator[str]:
    here: list[Any] = [model]
    for part in location:
        here = list(_step(here, part)) or [kind for kind in here if _tag_of(kind) == part] or here
    for kind in here:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields


def _step(kinds: Sequence[Any], part: str | int) -> Iterator[Any]:
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if part in kind.model_fields:
                yield from _alternatives(kind.model_fields[str(part)].annotation)
        elif get_origin(kind) in (dict, list, tuple) or str(get_origin(kind)).startswith("<class 'collections.abc"):
            yield from _alternatives(get_args(kind)[-1] if get_args(kind)[-1] is not Ellipsis else get_args(kind)[0])


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _alternatives(option)
    else:
        yield annotation
