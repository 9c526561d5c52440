"""Which method a checkpoint belongs to, by the names of its entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from bench.networks import published, shapes, variants
from ugpnet.checkpoints import CheckpointMismatch, unwrap
from ugpnet.model import UGPNet
from ugpnet.pretrained import identify

Names = frozenset[str]

LIKE = 0.8
"""Share of common names from which on two networks count as the same architecture; different ones share 0.6 at most."""


def describe_misfit(checkpoint: Mapping[str, Any], asked: str) -> str:
    """What a checkpoint that did not fit the method `asked` looks like."""
    found = recognise(checkpoint)
    if found is None:
        return "it looks like no method that is known here"
    if any(label.split()[0] == asked for label in found.split(" or ")):
        return f"it looks like {found}, but of other widths or another size; see `bench methods {asked}` for what can be set"
    return f"it looks like {found}, not like {asked}"


def recognise(checkpoint: Mapping[str, Any]) -> str | None:
    """The method that the checkpoint looks like, such as `vqfr with version=v2`, or those that share its network, such as
    `esrgan or rrdbnet`; None if it is like none that is known.

    Numbers in names are disregarded: other sizes and depths of a network are the same method.
    """
    if {"generator", "fencoder", "wmodule"} <= set(checkpoint):
        return "a synthesis module of ugpnet"
    try:
        state = unwrap(checkpoint)
    except CheckpointMismatch:
        return None
    if any(name.startswith("regression.") for name in state):
        return _restoration_module(state)
    found = patterns(state)
    likeness, label = max(((_share(found, known), label) for label, known in architectures()), key=itemgetter(0))
    return label if likeness >= LIKE else _known_to_spandrel(state)


def _restoration_module(state: Mapping[str, Any]) -> str:
    try:
        return f"a restoration module of ugpnet ({identify(state, '')})"
    except CheckpointMismatch:
        return "a restoration module of ugpnet"


@cache
def architectures() -> tuple[tuple[str, Names], ...]:
    """Every known network, or released part of one, with the patterns of its names. Building them takes a few seconds."""
    owners: dict[Names, list[str]] = {}
    for label, names in _architectures():
        labels = owners.setdefault(names, [])
        if label.split()[0] not in {other.split()[0] for other in labels}:
            labels.append(label)
    return tuple((" or ".join(labels), names) for names, labels in owners.items())


def _architectures() -> Iterator[tuple[str, Names]]:
    for variant in variants():
        for method in published(variant.method, variant.fields)[:1]:
            if (network := shapes(method)) is None:
                continue
            yield variant.label, patterns(network.state_dict())
            if isinstance(network, UGPNet):
                yield "a fusion module of ugpnet", patterns(network.fusion.state_dict())


def patterns(names: Iterable[str]) -> Names:
    """The names with their numbers blotted out."""
    return frozenset(re.sub(r"\d+", "#", name) for name in names)


def _share(one: Names, other: Names) -> float:
    return len(one & other) / max(len(one | other), 1)


def _known_to_spandrel(state: dict[str, Any]) -> str | None:
    """The name of an architecture beyond this project's."""
    from spandrel import MAIN_REGISTRY

    found = (entry.architecture for entry in MAIN_REGISTRY.architectures("detection"))
    return next(
        (f"{architecture.name}, which is no method here" for architecture in found if architecture.detect(state)), None
    )
