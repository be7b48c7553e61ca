"""Places that keep checkpoints: an HTTPS service that takes what is posted, and a mail relay (Debian's aiosmtpd)."""

import email
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.servers.tls import Certified
from tests.template import free_port


@dataclass(slots=True)
class Posted:
    port: int
    bodies: list[bytes] = field(default_factory=list)
    status: int = 204


@contextmanager
def running_service(tls: Certified) -> Iterator[Posted]:
    posted: Posted

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(posted.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    posted = Posted(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True)
class Relay:
    port: int
    folder: Path
    """A Maildir."""

    def letters(self) -> list[EmailMessage]:
        found = sorted((self.folder / "new").iterdir())
        return [email.message_from_bytes(one.read_bytes(), policy=default) for one in found]


@contextmanager
def running_relay(folder: Path, tls: Certified | None = None) -> Iterator[Relay]:
    """With `tls` it wants STARTTLS."""
    port = free_port()
    secured = ["--tlscert", str(tls.certificate), "--tlskey", str(tls.key)] if tls else []
    command = ["/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", *secured]
    process = subprocess.Popen([*command, "-c", "aiosmtpd.handlers.Mailbox", str(folder)])
    try:
        until = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "the relay ended"
            assert time.monotonic() < until, "the relay did not start"
            time.sleep(0.05)  # a port that opens in another process rings no bell
        yield Relay(port, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
