"""Checkpoints are told apart by the names of their entries, whatever their size."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.networks import published, shapes
from bench.recognise import LIKE, architectures, describe_misfit, patterns, recognise
from methods.base import names


def network(name: str, **fields: Any) -> nn.Module:
    made = shapes(published(name, fields)[0])
    assert made is not None
    return made


def state(name: str, **fields: Any) -> dict[str, Tensor]:
    return network(name, **fields).state_dict()


@pytest.fixture(scope="module")
def known() -> dict[str, frozenset[str]]:
    return {label: found for label, found in architectures() if found}


def test_methods_are_unlike_each_other(known: dict[str, frozenset[str]]) -> None:
    for (one, first), (other, second) in combinations(known.items(), 2):
        if one.split()[0] != other.split()[0] and "fusion" not in one + other:
            assert len(first & second) / len(first | second) < LIKE, (one, other)


@pytest.mark.parametrize("name", names())
def test_every_method_with_weights_of_its_own_is_recognised(name: str) -> None:
    weights = state(name) if published(name) else {}
    if not weights:
        pytest.skip("nothing to recognise")
    found = recognise({"params_ema": weights})
    assert found is not None
    assert name in {label.split()[0] for label in found.split(" or ")}


def test_another_depth_and_width_is_the_same_method() -> None:
    assert recognise(state("nafnet", width=8, enc_blk_nums=(2, 2), dec_blk_nums=(1, 1))) == "nafnet"


def test_a_network_that_two_methods_train_is_both() -> None:
    assert recognise(state("rrdbnet")) == "esrgan or rrdbnet"
    assert "but of other widths" in describe_misfit(state("rrdbnet", num_feat=8), "esrgan")


def test_versions_are_told_apart() -> None:
    assert recognise(state("vqfr", version="v2")) == "vqfr with version=v2"


def test_parts_of_ugpnet_are_recognised() -> None:
    model = network("ugpnet")
    assert (
        recognise(model.get_submodule("restoration").state_dict()) == "a restoration module of ugpnet (nafnet_deblur)"
    )
    assert recognise(model.get_submodule("fusion").state_dict()) == "a fusion module of ugpnet"
    assert recognise({"generator": {}, "fencoder": {}, "wmodule": {}}) == "a synthesis module of ugpnet"


def test_strangers_are_named_by_spandrel_or_not_at_all() -> None:
    from spandrel.architectures.SwinIR import SwinIR

    stranger = SwinIR(img_size=8, embed_dim=12, depths=[1], num_heads=[2], window_size=4).state_dict()
    assert recognise(stranger) == "SwinIR, which is no method here"
    assert recognise({"weight": torch.zeros(1)}) is None
    assert recognise({}) is None


def test_numbers_do_not_count() -> None:
    assert patterns(["a.0.b", "a.12.b", "noise3"]) == {"a.#.b", "noise#"}


def test_a_misfit_is_put_into_words() -> None:
    assert describe_misfit(state("gfpgan"), "nafnet") == "it looks like gfpgan, not like nafnet"
    assert "of other widths or another size" in describe_misfit(state("gfpgan"), "gfpgan")
    assert "no method" in describe_misfit({}, "gfpgan")
