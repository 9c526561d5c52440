"""State dicts under released names: the project names its layers once, released files name the same layers otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor, nn

Renaming: TypeAlias = Sequence[tuple[str, str]]
"""Regular expressions and what replaces them, applied one after the other to an entry's name."""


def release_names(module: nn.Module, renaming: Renaming) -> None:
    """Make `module.state_dict()` and `load_state_dict` speak the released names; attributes keep ours.

    Call it once the module is complete. Raises ValueError where two entries would get one name.
    """
    names = {name: _renamed(name, renaming) for name in module.state_dict()}
    if len(set(names.values())) < len(names):
        raise ValueError(f"{type(module).__name__}: the renaming gives two entries of the state dict one name")
    released = {theirs: ours for ours, theirs in names.items()}
    module.register_state_dict_post_hook(partial(_write, names))
    module.register_load_state_dict_pre_hook(partial(_read, released))


def _renamed(name: str, renaming: Renaming) -> str:
    for pattern, replacement in renaming:
        name = re.sub(pattern, replacement, name)
    return name


def _write(names: Mapping[str, str], module: nn.Module, state: dict[str, Tensor], prefix: str, _: object) -> None:
    _rename(names, state, prefix)


def _read(names: Mapping[str, str], module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    _rename(names, state, prefix)


def _rename(names: Mapping[str, str], state: dict[str, Tensor], prefix: str) -> None:
    """In place; all old names go before the first new one comes, for some are both."""
    found = {new: state.pop(prefix + old) for old, new in names.items() if prefix + old in state}
    state.update({prefix + new: tensor for new, tensor in found.items()})
