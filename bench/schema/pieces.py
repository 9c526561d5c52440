"""The small parts that schemas are put together from."""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

NULL: Schema = {"type": "null"}
_PLACE = "#/$defs/"


def reference(name: str) -> Schema:
    """What the definition `name` describes."""
    return {"$ref": _PLACE + name}


def name_of(schema: Schema) -> str | None:
    """The definition that a schema refers to."""
    target: str | None = schema.get("$ref")
    return target and target.removeprefix(_PLACE)


def nullable(schema: Schema) -> Schema:
    """What `schema` describes, or null."""
    if NULL in schema.get("anyOf", ()):
        return schema
    return {"anyOf": [*(schema["anyOf"] if set(schema) == {"anyOf"} else [schema]), NULL]}


def when(field: str, value: str, then: Schema) -> Schema:
    """`then` for every mapping whose `field` has this value."""
    return {"if": {"properties": {field: {"const": value}}, "required": [field]}, "then": then}
