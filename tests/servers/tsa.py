"""A timestamp authority: openssl's, behind HTTP on loopback, with a root of its own."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[stamping]
extendedKeyUsage = critical,timeStamping
[authority]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.13762.3
digests = sha256
ess_cert_id_alg = sha256
tsa_name = yes
"""
Answer = Callable[[bytes], tuple[int, bytes]]


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


@dataclass
class Tsa:
    folder: Path
    address: str = ""
    asked: list[bytes] = field(default_factory=list)
    answer: Answer | None = None
    """Instead of the honest one."""

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def found(self) -> None:
        self.folder.mkdir()
        (config := self.folder / "tsa.cnf").write_text(CONFIG.format(folder=self.folder))
        (self.folder / "serial").write_text("01\n")
        at = {name: str(self.folder / name) for name in ("ca.key", "ca.pem", "tsa.key", "tsa.csr", "tsa.pem")}
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", str(config))
        openssl("req", "-x509", *new, "-keyout", at["ca.key"], "-out", at["ca.pem"], "-subj", "/CN=Root of tests",
                "-extensions", "root", "-days", "2")  # fmt: skip
        openssl("req", *new, "-keyout", at["tsa.key"], "-out", at["tsa.csr"], "-subj", "/CN=Clock of tests")
        openssl("x509", "-req", "-in", at["tsa.csr"], "-CA", at["ca.pem"], "-CAkey", at["ca.key"], "-CAcreateserial",
                "-out", at["tsa.pem"], "-days", "2", "-extfile", str(config), "-extensions", "stamping")  # fmt: skip

    def reply(self, query: bytes) -> bytes:
        (asked := self.folder / "query.tsq").write_bytes(query)
        openssl("ts", "-reply", "-config", str(self.folder / "tsa.cnf"), "-section", "authority", "-queryfile",
                str(asked), "-out", str(self.folder / "reply.tsr"))  # fmt: skip
        return (self.folder / "reply.tsr").read_bytes()


@contextmanager
def running_tsa(folder: Path) -> Iterator[Tsa]:
    tsa = Tsa(folder)
    tsa.found()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            tsa.asked.append(query)
            status, body = tsa.answer(query) if tsa.answer else (200, tsa.reply(query))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    tsa.address = f"http://127.0.0.1:{server.server_port}/tsr"
    try:
        yield tsa
    finally:
        server.shutdown()
        server.server_close()
