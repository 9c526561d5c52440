"""What the rows of a suite may say: each method's own `Config`, its weights, the methods that it builds on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import methods
from bench.metrics.names import PYIQA_PREFIX, known
from bench.official import OFFICIAL
from bench.registry import RELEASED
from bench.resolve import ASSETS
from bench.schema.models import model_schemas
from bench.schema.pieces import NULL, Schema, nullable, reference, when
from methods.base import Method, files, names, roles

ROWS, LABELLED, PEER, FILE, WEIGHTS, METRIC = "Rows", "LabelledRow", "Peer", "File", "Weights", "Metric"

MODULE = r"\."
"""The pattern of a dotted path, which names a module elsewhere."""

LIKE: Schema = {"type": "string", "description": "The row or component that this one begins from."}
NAMED: Schema = {"anyOf": [{"required": ["method"]}, {"required": ["like"]}]}

Kinds: TypeAlias = Mapping[str, type[Method]]


def row_schemas() -> dict[str, Schema]:
    """Definitions: a row of each method under its name, the parts of their configurations, and the constants above."""
    kinds = {name: methods.load(name) for name in names()}
    configs, parts = model_schemas([kind.Config for kind in kinds.values()])
    rows = {name: _row(name, kinds[name], config) for name, config in zip(kinds, configs, strict=True)}
    shared = {
        ROWS: _rows(kinds), LABELLED: _labelled(kinds), PEER: _peer(kinds),
        FILE: {"type": "string", "description": "A file, relative to the suite's folder."},
        WEIGHTS: _weights(), METRIC: _metric(),
    }  # fmt: skip
    return {**{name: _part(part) for name, part in parts.items()}, **shared, **rows}


def _part(config: Schema) -> Schema:
    """Of a method's configuration: laid over what the method has there, which also has the defaults."""
    fields = {name: {k: v for k, v in field.items() if k != "default"} for name, field in config["properties"].items()}
    return {**{key: value for key, value in config.items() if key != "required"}, "properties": fields}


def _row(name: str, kind: type[Method], config: Schema) -> Schema:
    fields = {field: _field(field, schema, kind) for field, schema in config["properties"].items()}
    about = ", ".join(filter(None, (kind.facts.title, kind.facts.venue)))
    return {
        **config, "description": f"{about}\n\n{config.get('description', '')}".strip(),
        "properties": {"method": {"const": name}, "like": LIKE, "weights": reference(WEIGHTS), **fields},
    }  # fmt: skip


def _field(name: str, schema: Schema, kind: type[Method]) -> Schema:
    if name in files(kind.Config):
        return reference(FILE)
    if name in roles(kind.Config):
        return {key: value for key, value in {**schema, **reference(PEER)}.items() if key != "anyOf"}
    return schema


def _rows(kinds: Kinds) -> Schema:
    """`methods` and `components`."""
    return {
        "description": "Rows by name: of a method, of a module elsewhere (`mylab.mymethod`), or with `method` or `like`.",
        "type": "object",
        "properties": {name: _unless_labelled(nullable(reference(name))) for name in kinds},
        "patternProperties": {MODULE: _unless_labelled({"type": ["object", "null"]})},
        "additionalProperties": reference(LABELLED),
    }  # fmt: skip


def _unless_labelled(row: Schema) -> Schema:
    """A name may also be the label of a row of another method."""
    return {"if": {"type": "object", **NAMED}, "then": reference(LABELLED), "else": row}


def _labelled(kinds: Kinds) -> Schema:
    return {
        "description": "A row of the named method, or like another row, under a label of its own.",
        "type": "object",
        "properties": {
            "method": {"anyOf": [{"enum": list(kinds)}, {"type": "string", "pattern": MODULE}]},
            "like": LIKE,
        },
        **NAMED,
        "allOf": [when("method", name, reference(name)) for name in kinds],
    }


def _peer(kinds: Kinds) -> Schema:
    entries = {name: _unless_labelled(_in_place(name, kind)) for name, kind in kinds.items()}
    in_place = {
        "type": "object", "properties": entries, "patternProperties": {MODULE: {"type": "object"}},
        "additionalProperties": reference(LABELLED), "minProperties": 1, "maxProperties": 1,
    }  # fmt: skip
    about = "The name of a row, component or method, or `{method: {field: value}}` in place."
    return {"description": about, "anyOf": [{"type": "string", "examples": list(kinds)}, in_place]}


def _in_place(name: str, kind: type[Method]) -> Schema:
    return reference(name) if kind.shorthand is None else {"anyOf": [reference(name), {"type": "string"}]}


def _weights() -> Schema:
    official = [f"{OFFICIAL}:{name}" for entry in RELEASED for name in (entry.name, entry.release) if name]
    embedded = [f"embedded:{path.stem}" for path in sorted(ASSETS.glob("*.safetensors"))]
    path = {"type": "string", "pattern": f"^(?!{OFFICIAL}:|embedded:)"}
    source = {"anyOf": [_enum(["train", OFFICIAL, *official, *embedded]), path, NULL]}
    about = (
        "Where weights come from: `train` (as if nothing were said), `official` or `official:NAME` (released; `bench "
        "weights list`), `embedded:NAME` (shipped), or a file. By stage where there are several."
    )
    return {"description": about, "anyOf": [*source["anyOf"], {"type": "object", "additionalProperties": source}]}


def _metric() -> Schema:
    other = {"type": "string", "pattern": MODULE}
    about = f"A metric by its short name, `{PYIQA_PREFIX}NAME` for any other of pyiqa, or a module of yours (`mylab.edges`)."
    return {"description": about, "anyOf": [_enum(known()), other]}


def _enum(words: Iterable[str]) -> Schema:
    return {"enum": list(dict.fromkeys(words))}
