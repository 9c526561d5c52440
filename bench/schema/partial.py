"""What is laid over something else: every field may be left out, and a null takes it away."""

from __future__ import annotations

from typing import Any

from bench.schema.pieces import Schema, name_of, nullable, reference

PREFIX = "Partial."
_DROPPED = ("required", "minProperties", "maxProperties", "default")


class Partial:
    """Schemas of changes to what `definitions` describe; `made` are the definitions that these refer to.

    Lists are replaced as a whole, so what is in them stays as it was.
    """

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions
        self.made: dict[str, Schema] = {}

    def of(self, schema: Schema) -> Schema:
        """The schema of changes to what `schema` describes."""
        if name := name_of(schema):
            return reference(self._named(name))
        kept = {key: value for key, value in schema.items() if key not in _DROPPED}
        return {"anyOf" if key == "oneOf" else key: self._loosened(key, value) for key, value in kept.items()}

    def _named(self, name: str) -> str:
        """The name of the changes to a definition; its own where nothing in it can be left out."""
        if name.startswith(PREFIX):
            return name
        loose = PREFIX + name
        if loose not in self.made:
            self.made[loose] = {}  # a method's peer may be the same method
            self.made[loose] = self.of(self._definitions[name])
            if self.made[loose] == self._definitions[name]:
                del self.made[loose]
                return name
        return loose

    def _loosened(self, key: str, value: Any) -> Any:
        match key:
            case "properties" | "patternProperties":
                return {name: nullable(self.of(field)) for name, field in value.items()}
            case "anyOf" | "oneOf" | "allOf":
                return [self.of(option) for option in value]
            case "then" | "else":
                return self.of(value)
            case "additionalProperties" if isinstance(value, dict):
                return nullable(self.of(value))
        return value
