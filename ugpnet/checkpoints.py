"""Checkpoints: unwrapping released files and strict loading that says what does not fit. No file I/O here.

Light: imports torch where a checkpoint is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "g_ema", "model", "net")
"""Keys under which released files keep their weights, averaged ones first."""

PREFIXES = ("module.", "generator_ema.", "generator.", "netG.")
"""Prefixes that wrappers (DataParallel, mmagic) put before every key."""


class CheckpointMismatch(ValueError):
    """A checkpoint that does not fit what it is for; the message says what is wrong."""


class CheckpointUnreadable(CheckpointMismatch):
    """A file that holds no checkpoint, only part of one, or code; the message names it."""


def unwrap(checkpoint: Mapping[str, Any], known: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The state dict inside a released checkpoint: wrapper keys opened, a prefix common to all keys removed.

    `known`, the state dict of the network to be filled, decides whether a prefix belongs to the network's own keys.
    Raises CheckpointMismatch where no tensors are found.
    """
    from torch import Tensor

    state: Mapping[str, Any] = checkpoint
    for wrapper in WRAPPERS:
        if isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
            break
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointMismatch(
            f"holds no tensors; its keys are {', '.join(list(map(str, checkpoint))[:8]) or 'none'}"
        )
    for prefix in PREFIXES:
        own = known is not None and any(name.startswith(prefix) for name in known)
        if not own and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def load_strict(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load every entry or none. Raises CheckpointMismatch naming what is missing, unexpected or of another shape."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    reshaped = [
        f"{name} {tuple(state[name].shape)} for {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    if missing or unexpected or reshaped:
        parts = [_listed("missing", missing), _listed("unexpected", unexpected), _listed("of another shape", reshaped)]
        raise CheckpointMismatch(f"{what}: this checkpoint does not fit: {'; '.join(part for part in parts if part)}")
    module.load_state_dict(dict(state))


def _listed(kind: str, names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:5])
    return f"{len(names)} {kind} ({shown}{', ...' if len(names) > 5 else ''})"
