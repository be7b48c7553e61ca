"""Files that never change under their name: the name holds a hash of what is in it, so browsers keep them for ever.

    static/base.css ──▶ /static/base.4f1c0a92d3e8.css     Cache-Control: immutable

All are read once, at the start: afterwards no request opens a file, and no path of a request reaches the disk. What is
in `static/built` is bundled from `frontend/` by `make setup`; without it pages do what they can do without scripts.
"""

import gzip
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
BUILT = "built"
PREFIX = "/static/"
KINDS: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
"""What is served; a file of another kind is not."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    name: str
    """With its hash, below /static/."""
    kind: str
    body: bytes
    zipped: bytes
    """Gzip of the same; nothing secret is in it, so its length may tell."""


class StaticFiles:
    def __init__(self, folder: Path = FOLDER) -> None:
        files = {path.name: _read(path) for path in _found(folder)}
        self._by_name = files
        self._by_address = {one.name: one for one in files.values()}
        self.built = any((folder / BUILT).glob("*.js"))
        if not self.built:
            _log.error("the pages' scripts are not built: run `make setup`; pages work without them where they can")

    def address(self, name: str) -> str:
        """The address of `base.css`. Raises `KeyError` for a file that is not there."""
        return PREFIX + self._by_name[name].name

    def find(self, address: str) -> File | None:
        return self._by_address.get(address)

    def has(self, name: str) -> bool:
        return name in self._by_name


def _found(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / BUILT):
        yield from (path for path in sorted(place.glob("*")) if path.suffix in KINDS)


def _read(path: Path) -> File:
    body = path.read_bytes()
    name = f"{path.stem}.{sha256(body).hexdigest()[:12]}{path.suffix}"
    return File(name, KINDS[path.suffix], body, gzip.compress(body, mtime=0))
