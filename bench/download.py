"""Resumable download of one large file over https: capped in size, checked against its sha256, moved in
atomically.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, TypeAlias
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from bench.digest import BLOCK, digest
from bench.errors import Unavailable, WeightsError

Progress: TypeAlias = Callable[[int, int], None]
"""Called with bytes done and bytes in total, after every block."""

Opener: TypeAlias = Callable[[str, int], HTTPResponse]
"""Opens a URL from a byte offset on; the response's status is 206 if the server honours the offset."""

TIMEOUT_S = 60.0


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


class HttpsRedirects(HTTPRedirectHandler):
    """Release pages redirect to object stores; a redirect that leaves https is refused."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def open_https(url: str, offset: int) -> HTTPResponse:
    """Response of `url` from byte `offset` on. Raises WeightsError for any scheme but https, OSError as
    urllib does.
    """
    _require_https(url)
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    request = Request(url, headers=headers)
    response: HTTPResponse = build_opener(HttpsRedirects).open(request, timeout=TIMEOUT_S)
    return response


def download(
    url: str,
    target: Path,
    *,
    sha256: str,
    limit: int,
    progress: Progress = silent,
    opener: Opener = open_https,
) -> Path:
    """`target`, once it holds the bytes of `url` with a digest that starts with `sha256` and no more than
    `limit` bytes.

    Bytes arrive in `target.part`, which a later call continues; `target` itself appears whole or not at all.
    Raises Unavailable if the transfer breaks (the part is kept), WeightsError on a wrong size or digest (the
    part is deleted).
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _transfer(url, part, limit, progress, opener)
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{url}: {error}; what arrived is in {part}, fetch again to resume") from error
    found = digest(part)
    if not found.startswith(sha256):
        part.unlink()
        raise WeightsError(f"{url}: sha256 starts with {found[:16]}, expected {sha256[:16]}; nothing was kept")
    os.replace(part, target)
    return target


def _transfer(url: str, part: Path, limit: int, progress: Progress, opener: Opener) -> None:
    offset = part.stat().st_size if part.exists() else 0
    try:
        response = opener(url, offset)
    except HTTPError as error:
        # 416: nothing lies beyond the offset; an earlier call was stopped after its last byte.
        if error.code == 416 and offset:
            return
        raise
    with response:
        done = offset if response.status == 206 else 0
        total = done + int(response.headers.get("Content-Length") or limit - done)
        _refuse_oversize(url, part, total, limit)
        with part.open("ab" if done else "wb") as file:
            while block := response.read(BLOCK):
                done += len(block)
                _refuse_oversize(url, part, done, limit)
                file.write(block)
                progress(done, total)
        if done < total and response.headers.get("Content-Length"):
            raise ConnectionError(f"connection closed after {done} of {total} bytes")


def _refuse_oversize(url: str, part: Path, size: int, limit: int) -> None:
    if size > limit:
        part.unlink(missing_ok=True)
        raise WeightsError(f"{url}: sends {size} bytes where at most {limit} are expected; nothing was kept")


def _require_https(url: str) -> None:
    if not url.startswith("https://"):
        raise WeightsError(f"{url}: weights are downloaded over https only")
