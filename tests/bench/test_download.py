"""Downloads against a server on this machine: resumed, capped, checked, atomic."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, build_opener, urlopen

import pytest

from bench.download import HttpsRedirects, download, open_https
from bench.errors import Unavailable, WeightsError

BODY = bytes(range(256)) * 8192  # 2 MiB, two blocks
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves BODY under any path. `ranges` off ignores offsets, `lengths` off tells no size, `drop_after` cuts off."""

    ranges = True
    lengths = True
    drop_after: int | None = None
    offsets: list[int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/net.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.url)
            self.end_headers()
            return
        asked = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.offsets.append(asked)
        offset = asked if self.server.ranges else 0
        if offset >= len(BODY):
            self.send_error(416)
            return
        self.send_response(206 if offset else 200)
        if self.server.lengths:
            self.send_header("Content-Length", str(len(BODY) - offset))
        self.end_headers()
        end = len(BODY) if self.server.drop_after is None else offset + self.server.drop_after
        with suppress(ConnectionError):  # a client that refuses the size hangs up
            self.wfile.write(BODY[offset:end])

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.offsets = []
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def open_plain(url: str, offset: int) -> HTTPResponse:
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=10)
    return response


def get(server: Server, target: Path, sha256: str = SHA256, limit: int = len(BODY)) -> Path:
    return download(server.url, target, sha256=sha256, limit=limit, opener=open_plain)


def test_download_is_whole_and_reports_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = tmp_path / "new" / "net.pth"
    found = download(
        server.url, target, sha256=SHA256[:8], limit=len(BODY), opener=open_plain,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert found == target
    assert target.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_download_is_resumed(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "net.pth"
    server.drop_after = 700_000
    with pytest.raises(Unavailable, match=r"net\.pth\.part, fetch again to resume"):
        get(server, target)
    assert not target.exists()
    assert (tmp_path / "net.pth.part").stat().st_size == 700_000
    server.drop_after = None
    assert get(server, target).read_bytes() == BODY
    assert server.offsets == [0, 700_000]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(b"x" * 1000)
    server.ranges = False
    assert get(server, tmp_path / "net.pth").read_bytes() == BODY


def test_a_complete_part_needs_no_more_bytes(server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(BODY)
    assert get(server, tmp_path / "net.pth").read_bytes() == BODY


def test_another_digest_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"starts with {SHA256[:16]}, expected 00000000"):
        get(server, tmp_path / "net.pth", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_too_large_a_body_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"sends {len(BODY)} bytes where at most 1000"):
        get(server, tmp_path / "net.pth", limit=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_body_of_unsaid_length_is_capped_as_it_comes(server: Server, tmp_path: Path) -> None:
    server.lengths = False
    assert get(server, tmp_path / "whole.pth").read_bytes() == BODY
    with pytest.raises(WeightsError, match=f"where at most {len(BODY) - 1} are expected; nothing was kept"):
        get(server, tmp_path / "net.pth", limit=len(BODY) - 1)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.pth"]


def test_a_damaged_part_is_not_resumed_for_ever(server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="sha256"):
        get(server, tmp_path / "net.pth")
    assert get(server, tmp_path / "net.pth").read_bytes() == BODY


def test_an_unreachable_server_is_a_status(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(Unavailable, match="fetch again to resume"):
        get(server, tmp_path / "net.pth")


def test_https_only(server: Server) -> None:
    with pytest.raises(WeightsError, match="https only"):
        open_https(server.url, 0)
    with pytest.raises(WeightsError, match="https only"):
        open_https("file:///etc/hosts", 0)


def test_redirects_must_stay_on_https(server: Server) -> None:
    with pytest.raises(WeightsError, match="https only"):
        build_opener(HttpsRedirects).open(server.url.replace("net.pth", "moved"), timeout=10)


def test_a_download_s_redirect_is_looked_at_before_it_is_followed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address passes here, as there is no https on this machine; where it leads does not."""
    first, asked = server.url.replace("net.pth", "moved"), []

    def check(url: str) -> None:
        asked.append(url)
        if url != first:
            raise WeightsError("https only")

    monkeypatch.setattr("bench.download._require_https", check)
    with pytest.raises(WeightsError, match="https only"):
        download(first, tmp_path / "net.pth", sha256=SHA256, limit=len(BODY))
    assert asked == [first, server.url]
    assert server.offsets == []
    assert list(tmp_path.iterdir()) == []
