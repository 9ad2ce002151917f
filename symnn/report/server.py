"""The server behind the playground: it turns specs into functions and formulas, for the page that it made alone.

It listens on the loopback address alone, and answers only under a path with a random token, to the host that it is.
It reads no files and keeps nothing but the networks it made last, by their specs. What is posted is untrusted: it is
small, read as a spec is and refused as a spec is, and of a network that the page can draw.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from codegen.errors import CodegenError
from symnn.errors import SpecError, SymnnError
from symnn.network import Network
from symnn.report.document import as_json
from symnn.report.parts import check_shown, faster, learning, parts, rest

MAX_BODY = 16_384
"""Bytes of a spec that is posted."""
TIMEOUT = 10.0
"""Seconds in which a request is to be there."""
FIELDS = frozenset({"inputs", "layers", "loss"})
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class RequestError(Exception):
    """A request that is not answered as asked: the status, and one line that says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


MADE: Mapping[str, Callable[[Network], object]] = {"network": parts, "learning": learning, "rest": rest}
"""What is made of a network, by where it is asked for."""
FASTER = "faster"
MAKING = Lock()
"""SymPy is no library for threads."""


def made(body: bytes, what: str = "network") -> str:
    """What the page needs of the network that a body describes, as JSON.

    Raises :class:`RequestError` for a spec that is refused.

    >>> sorted(json.loads(made(b'{"inputs": 1, "layers": [{"dense": 1}], "loss": "huber"}'))["modules"])
    ['look']
    """
    try:
        with MAKING:
            answer = _begun(body, what)
        return answer()
    except (SymnnError, CodegenError) as error:
        raise RequestError(422, str(error).splitlines()[0].removeprefix("spec: ")) from None


@lru_cache(maxsize=64)
def _begun(body: bytes, what: str) -> Callable[[], str]:
    """What gives the answer; of WebAssembly it has yet to be compiled, in which time others are answered."""
    network = _network(body)
    if what == FASTER:
        later = faster(network)
        return cache(lambda: as_json(later()))
    found = as_json(MADE[what](network))
    return lambda: found


@lru_cache(maxsize=8)
def _network(body: bytes) -> Network:
    try:
        spec = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, "expected a spec as JSON") from None
    if not isinstance(spec, dict) or not spec.keys() <= FIELDS:
        raise SpecError(f"expected a mapping of {', '.join(sorted(FIELDS))}")
    network = Network.from_spec(spec)
    check_shown(network, "spec")
    return network


class Server(ThreadingHTTPServer):
    """The server; ``link`` is where the page is. Port 0 is any that is free."""

    daemon_threads = True

    def __init__(self, page: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.page = page.encode()
        self.token = secrets.token_urlsafe(24)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def link(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


class Handler(BaseHTTPRequestHandler):
    """One request: the page, or a network."""

    server: Server
    timeout = TIMEOUT
    server_version, sys_version = "symnn", ""

    def do_GET(self) -> None:
        """The page."""
        self._answer([""], "text/html; charset=utf-8", lambda _: self.server.page)

    def do_HEAD(self) -> None:
        """The page's headers."""
        self.do_GET()

    def do_POST(self) -> None:
        """A network."""
        self._answer([*MADE, FASTER], "application/json", self._network)

    def _network(self, what: str) -> bytes:
        origin, kind = self.headers.get("Origin"), self.headers.get_content_type()
        if origin is not None and origin not in {f"http://{host}" for host in self.server.hosts}:
            raise RequestError(403, "expected a request of the page")
        if kind != "application/json":
            raise RequestError(415, "expected application/json")
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdecimal() and len(size) < 9):
            raise RequestError(411, "expected a Content-Length")
        if int(size) > MAX_BODY:
            raise RequestError(413, f"expected at most {MAX_BODY:,} bytes, found {int(size):,}")
        body = self.rfile.read(int(size))
        return made(body, what).encode()

    def _answer(self, paths: Iterable[str], kind: str, content: Callable[[str], bytes]) -> None:
        try:
            if self.headers.get("Host") not in self.server.hosts:
                raise RequestError(403, "expected the host of the link")
            folder = f"/{self.server.token}/"
            begins, path = self.path[: len(folder)], self.path[len(folder) :]
            if not secrets.compare_digest(begins.encode(), folder.encode()) or path not in paths:
                raise RequestError(404, "there is nothing here")
            status, found = 200, content(path)
        except RequestError as refused:
            return self.send_error(refused.status, str(refused))
        return self._send(status, kind, found)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """One line that says why, also of what is no request, or one of another method."""
        why = message or HTTPStatus(code).phrase
        self._send(code, "application/json", as_json({"error": why}).encode())

    def _send(self, status: int, kind: str, found: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(found))}.items():
            self.send_header(name, value)
        if status != 200:
            self.send_header("Connection", "close")  # what was not read of the body is no next request
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the link has the token in it."""
