"""JSON schemas of pydantic models, as short as an editor needs them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from bench.schema.pieces import Schema, name_of
from ugpnet.settings import Config


def model_schemas(models: Sequence[type[BaseModel]]) -> tuple[list[Schema], dict[str, Schema]]:
    """The schemas of the models, and the definitions of all that they hold, by class name (with its module where two
    classes share one)."""
    places, document = models_json_schema([(model, "validation") for model in models], schema_generator=_Generator)
    definitions: dict[str, Schema] = document["$defs"]
    return [definitions.pop(str(name_of(places[model, "validation"]))) for model in models], definitions


class _Generator(GenerateJsonSchema):
    """Without titles; a model without a docstring has that of its base; what tells kinds apart (`op`, `source`) is required."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> Schema:
        made = super().model_schema(schema)
        made.pop("title", None)
        if about := _about(schema["cls"]):
            made["description"] = about
        tags = [name for name, field in made["properties"].items() if "const" in field]
        for tag in tags:
            made["properties"][tag].pop("default", None)
        if required := [*tags, *made.get("required", ())]:
            made["required"] = required
        return made

    def tagged_union_schema(self, schema: Any) -> Schema:
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)  # of OpenAPI; the tags are constants
        return made


def _about(model: type[BaseModel]) -> str:
    bases = (base for base in model.__mro__ if issubclass(base, BaseModel) and base not in (Config, BaseModel))
    return inspect.cleandoc(next((base.__doc__ for base in bases if base.__doc__), ""))
