"""A service behind the rotator `webhook`, on loopback in TLS; it can be told to misbehave."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.servers.tls import Certified, certified


@dataclass(slots=True)
class Hook:
    port: int
    tls: Certified
    passwords: dict[str, str] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    answer: Any = None
    """(status, bytes) that is said instead, after the act."""


@contextmanager
def running_hook(folder: Path) -> Iterator[Hook]:
    folder.mkdir(parents=True, exist_ok=True)
    tls = certified(folder)
    hook: Hook

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = act(self.path.rpartition("/")[2], asked)
            data = json.dumps(body).encode()
            if hook.answer is not None:
                status, data = hook.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    def act(verb: str, asked: dict[str, str]) -> tuple[int, Any]:
        name = asked["username"]
        if verb == "verify":
            return 200, {"works": hook.passwords.get(name) == asked["secret"]}
        if verb == "remains":
            hook.runs.discard(name)
            return 200, {"remains": []}
        if hook.passwords.get(name) != asked["current"]:
            return 401, {}
        if len(asked["new"]) < 16:
            return 422, {}
        hook.passwords[name] = asked["new"]
        return 200, {}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hook = Hook(port=server.server_address[1], tls=tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that break off are meant
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
