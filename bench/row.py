"""Rows of a suite: a method, its configuration, where its weights come from and the peers it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import methods
from bench.digest import known_digest
from bench.registry import Checkpoint
from methods.base import Method, Task, files, roles
from ugpnet.settings import Config

WeightSource: TypeAlias = Path | Checkpoint
"""A file, or a released checkpoint that need not be on this machine."""


@dataclass(frozen=True)
class Row:
    """One line of the table, or a component that lines refer to. `weights`: stage or backbone -> what replaces it.
    `variant`: the one change that it makes to the row `base`."""

    label: str
    method: str
    config: Config
    weights: Mapping[str, WeightSource] = field(default_factory=dict)
    peers: Mapping[str, Row] = field(default_factory=dict)
    variant: str | None = None
    base: str | None = None

    def build(self, task: Task) -> Method:
        """The method object, its peers built first."""
        peers = {role: peer.build(task) for role, peer in self.peers.items()}
        return methods.load(self.method)(self.config, task, peers)

    def spec(self) -> dict[str, Any]:
        """Plain data from which `from_spec` makes the same method anywhere."""
        return {
            "method": self.method,
            "config": self.config.model_dump(mode="json", exclude_defaults=True),
            "peers": {role: peer.spec() for role, peer in self.peers.items()},
        }

    def identity(self) -> dict[str, Any]:
        """What of this row can change a restored image beside its weights: no labels, no names of peers or files.

        Defaults are spelt out: one that changes with the code makes another result, not the old one under a new name.
        """
        kind = methods.load(self.method)
        named = {*roles(kind.Config), *files(kind.Config)}
        config = self.config.model_dump(mode="json", exclude=named)
        config |= {name: {"sha256": known_digest(getattr(self.config, name))} for name in files(kind.Config)}
        peers = {role: peer.identity() for role, peer in self.peers.items()}
        return {"method": self.method, "version": kind.version, "config": config, "peers": peers}


def from_spec(spec: Mapping[str, Any]) -> Row:
    """The row that `Row.spec` described (weights are inputs of the job, not of the row)."""
    config = methods.load(spec["method"]).Config.model_validate(spec["config"])
    peers = {role: from_spec(peer) for role, peer in spec["peers"].items()}
    return Row(spec["method"], spec["method"], config, peers=peers)
