"""The JSON schema of suites, by which editors complete and check them while they are written."""

from __future__ import annotations

import json
from typing import Any

from bench.schema.models import model_schemas
from bench.schema.partial import Partial
from bench.schema.pieces import Schema, nullable, reference, when
from bench.schema.rows import METRIC, ROWS, row_schemas
from bench.suite import SuiteFile
from methods.base import names

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WIDTH = 120


def suite_schema() -> Schema:
    """The schema of a suite file: the models of `bench.suite`, with rows as the methods' own `Config`s want them.

    It knows the methods in `methods/`; what a module elsewhere takes (`mylab.mymethod: {...}`) is left open, and so is
    what only holds between fields (a range's order, `select: best_psnr` without `data.val`).
    """
    [suite], definitions = model_schemas([SuiteFile])
    definitions |= row_schemas()
    fields = suite["properties"]
    profiles = fields.pop("profiles")
    fields["methods"] = {**reference(ROWS), "minProperties": 1}
    fields["components"] = reference(ROWS)
    fields["metrics"]["items"] = reference(METRIC)
    partial = Partial(definitions)
    definitions["Ablation"]["allOf"] = [_variants_of(name, partial) for name in names()]
    definitions["Profile"] = partial.of(suite)
    by_name = {"profiles": {**profiles, "additionalProperties": nullable(reference("Profile"))}}
    definitions["Suite"] = {**suite, "properties": fields | by_name}
    definitions["Extension"] = _extension(definitions["Profile"], by_name)
    chosen = {"if": {"required": ["extends"]}, "then": reference("Extension"), "else": reference("Suite")}
    return {"$schema": DIALECT, **chosen, "$defs": dict(sorted((definitions | partial.made).items()))}


def schema_text() -> str:
    """The schema as a file holds it: what fits on a line is on one."""
    return _lay_out(suite_schema()) + "\n"


def _extension(changes: Schema, profiles: Schema) -> Schema:
    """A suite that is laid over another."""
    other = {"type": "string", "description": "The suite that this one is laid over, relative to this file."}
    return {**changes, "properties": {"extends": other, **changes["properties"], **profiles}}


def _variants_of(method: str, partial: Partial) -> Schema:
    """An ablation whose base is the row of this name changes its fields."""
    changes = {"type": "object", "additionalProperties": partial.of(reference(method))}
    return when("base", method, {"properties": {"variants": changes}})


def _lay_out(value: Any, indent: str = "") -> str:
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(indent) + len(line) <= WIDTH:
        return line
    inner = f"{indent} "
    if isinstance(value, list):
        entries, (first, last) = [_lay_out(item, inner) for item in value], "[]"
    else:
        entries, (first, last) = [f"{json.dumps(key)}: {_lay_out(item, inner)}" for key, item in value.items()], "{}"
    return f"{first}\n{inner}" + f",\n{inner}".join(entries) + f"\n{indent}{last}"
