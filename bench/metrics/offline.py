"""A fence around third-party constructors, some of which download and unpickle whatever they find."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlparse

from bench import weights
from bench.errors import Unavailable


@contextmanager
def offline(name: str) -> Iterator[None]:
    """Inside, metric `name` finds weight files on this machine or raises Unavailable; nothing reaches the
    network.

    A download through torch's hub is answered from the folders that `bench.weights` searches; any other
    look-up of a host name is refused. Pickles load as plain tensors only, whatever the library asks for. Its
    messages are dropped. Replaces functions of other modules for the time being: not for use from two threads
    at once.
    """
    import torch

    def supply(url: str, dst: str, *_: Any, **__: Any) -> None:
        _link(url, Path(dst), name)

    def refuse(host: str | bytes | None, *_: Any, **__: Any) -> NoReturn:
        raise Unavailable(f"{name}: its library would download from {host!r}; put its files into its cache first")

    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(StringIO()))
        stack.enter_context(_only_tensors())
        stack.enter_context(_replaced(torch.hub, "download_url_to_file", supply))
        # pyiqa keeps its own name for that function; a metric that does not use pyiqa need not import it.
        if (pyiqa_download := sys.modules.get("pyiqa.utils.download_util")) is not None:
            stack.enter_context(_replaced(pyiqa_download, "download_url_to_file", supply))
        stack.enter_context(_replaced(socket, "getaddrinfo", refuse))
        yield


def _link(url: str, target: Path, name: str) -> None:
    """Puts a link to the local copy of `url` where the library expects the download."""
    file = urlparse(url).path.rsplit("/", 1)[-1]
    found = weights.find_file(file)
    if found is None:
        raise Unavailable(
            f"{name}: {file} is not on this machine: download {url} into {weights.target_folder()} or any "
            f"folder named by {weights.FOLDER_VARIABLE}"
        )
    registered = next((entry.name for entry in weights.registry().values() if entry.file == file), None)
    if registered is not None:
        weights.verify(registered)
    link = target.with_name(f"{target.name}.{os.getpid()}.link")
    link.symlink_to(found.resolve())
    os.replace(link, target)


@contextmanager
def _only_tensors() -> Iterator[None]:
    # torch reads this variable at every load; it overrules `weights_only=False`, which pyiqa and
    # torch-fidelity pass.
    variable = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


@contextmanager
def _replaced(owner: object, attribute: str, value: object) -> Iterator[None]:
    before = getattr(owner, attribute)
    setattr(owner, attribute, value)
    try:
        yield
    finally:
        setattr(owner, attribute, before)
