"""What people send from pages: short texts in forms, sometimes a file. Every field has its longest length."""

import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from starlette.datastructures import UploadFile
from starlette.requests import Request

from breakglass.errors import Forbidden, Malformed

FIELDS_MAX, FILES_MAX, FIELD_MAX, FILE_MAX = 520, 1, 64_000, 200_000
"""Numbers of fields and files; bytes of one text field and of a file."""
LONGEST = 40_000
"""Letters of a field: a statement, or a pasted estate."""


class Form:
    """The fields that were sent; one that is missing reads as empty."""

    def __init__(
        self,
        texts: Mapping[str, str],
        files: Mapping[str, bytes] = MappingProxyType({}),
        several: Mapping[str, list[str]] = MappingProxyType({}),
    ) -> None:
        self._texts, self._files, self._several = texts, files, several

    def __getitem__(self, name: str) -> str:
        return self._texts.get(name, "")

    def all(self, name: str) -> list[str]:
        """Every value of a field that may come several times, in order."""
        return list(self._several.get(name, []))

    def file(self, name: str) -> bytes:
        return self._files.get(name, b"")

    def line(self, name: str, longest: int = 200) -> str:
        """A field that is one line. Raises `Malformed` when it is longer than anybody types."""
        text = self[name].strip()
        if len(text) > longest:
            raise Malformed("A field is too long.", what_to_do="Write less.")
        return text


async def read(request: Request) -> Form:
    """Raises `Malformed`. Browsers send line ends as CRLF, whatever stood in the field (HTML, form submission): they
    become LF again, so that a text is what was signed."""
    if (before := getattr(request.state, "form", None)) is not None:
        return cast(Form, before)
    async with request.form(max_fields=FIELDS_MAX, max_files=FILES_MAX, max_part_size=FIELD_MAX) as sent:
        texts: dict[str, str] = {}
        files: dict[str, bytes] = {}
        several: dict[str, list[str]] = {}
        for name, value in sent.multi_items():
            if isinstance(value, UploadFile):
                files[name] = await _body(value)
            elif len(value) > LONGEST:
                raise Malformed("A field is too long.", what_to_do="Write less.")
            else:
                texts[name] = value.replace("\r\n", "\n")
                several.setdefault(name, []).append(texts[name])
    found = request.state.form = Form(texts, files, several)
    return found


async def must_be_ours(request: Request) -> None:
    """Raises `Forbidden` unless a page that was made for this sign-in sent this form."""
    wanted = getattr(request.state, "csrf", "")
    if wanted and not hmac.compare_digest((await read(request))["csrf"].encode(), wanted.encode()):
        raise Forbidden("This page is from another sign-in.", what_to_do="Open the page again, and do it there.")


async def _body(file: UploadFile) -> bytes:
    body = await file.read(FILE_MAX + 1)
    if len(body) > FILE_MAX:
        raise Malformed("The file is too long.", what_to_do=f"Send at most {FILE_MAX} bytes.")
    return body
