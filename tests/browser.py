"""A headless Chromium, driven over its DevTools protocol by as much of a WebSocket as that needs."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60.0
FLAGS = (
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--hide-scrollbars",
    ),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
)


def executable() -> str | None:
    """The Chromium that there is."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page: commands of the protocol, and what one does with a page."""

    def __init__(self, url: str) -> None:
        address, _, path = url.removeprefix("ws://").partition("/")
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.socket.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._bytes(1)
        assert b" 101 " in head, head
        self.sent, self.events = 0, []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)  # without it nothing hears of the focus

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command and its result; events until then are kept."""
        self.sent += 1
        self._write(json.dumps({"id": self.sent, "method": method, "params": parameters}).encode())
        while True:
            message = json.loads(self._read())
            if message.get("id") == self.sent:
                assert "error" not in message, message
                return dict(message["result"])
            self.events.append(message)

    def open(self, path: Path | str, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """A file or an address, in a window of this size."""
        self.size(width, height)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.send("Page.navigate", url=path if isinstance(path, str) else path.as_uri())
        end = time.monotonic() + PATIENCE
        while self.value("document.readyState") != "complete" or self.value("location.href") == "about:blank":
            assert time.monotonic() < end, "the page does not load"
            time.sleep(0.05)

    def size(self, width: int, height: int) -> None:
        """The window."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is, as JSON."""
        options = {"returnByValue": True, "awaitPromise": True, "replMode": True}  # a name may be defined again
        found = self.send("Runtime.evaluate", expression=expression, **options)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """A key, where the focus is."""
        code = {"Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path, clip: Mapping[str, float] | None = None) -> None:
        """What the window shows, or a part of the whole page."""
        more = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png", **more)["data"]))

    # --- WebSocket ------------------------------------------------------------------------------------------------

    def _bytes(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.socket.recv(count - len(found))
            assert part, "the browser has gone"
            found += part
        return found

    def _write(self, text: bytes) -> None:
        mask = secrets.token_bytes(4)
        size = len(text)
        head = bytes([0x81]) + (
            bytes([0x80 | size])
            if size < 126
            else bytes([0xFE]) + struct.pack(">H", size)
            if size < 2**16
            else bytes([0xFF]) + struct.pack(">Q", size)
        )
        self.socket.sendall(head + mask + bytes(b ^ mask[k % 4] for k, b in enumerate(text)))

    def _read(self) -> bytes:
        whole = b""
        while True:
            first, second = self._bytes(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._bytes(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._bytes(8))
            whole += self._bytes(size)
            if first & 0x80:
                return whole


@contextmanager
def browser() -> Iterator[Page]:
    """A page of a browser of our own, which ends with it."""
    found = executable()
    assert found is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "HOME": folder}
        process = subprocess.Popen(
            [found, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        try:
            page = Page(_target(Path(folder, "DevToolsActivePort")))
            try:
                yield page
            finally:
                page.socket.close()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _target(file: Path) -> str:
    """The address of the first page."""
    from urllib.request import urlopen

    end = time.monotonic() + PATIENCE
    while not file.exists() or file.read_text().count("\n") < 1:
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.05)
    port = int(file.read_text().splitlines()[0])
    while True:
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        if pages:
            return str(pages[0]["webSocketDebuggerUrl"])
        assert time.monotonic() < end, "the browser has no page"
        time.sleep(0.05)
