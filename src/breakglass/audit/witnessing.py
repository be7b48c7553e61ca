"""The log's side of C2SP tlog-witness: offer a checkpoint to a witness, and take its cosignature.

add-checkpoint, from what it saw last ─▶ 200 its line
                                      ─▶ 409 it stands elsewhere: once more, from there
                                      ─▶ 422 it saw another log: Tampered
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import httpx

from breakglass.codec import note
from breakglass.codec.cosignature import AddCheckpoint, Cosigned, WitnessKey, cosigned, parse_lines
from breakglass.errors import BadSignature, Malformed, Tampered, Unavailable
from breakglass.trust.tree import consistency_path

TRIES: Final = 8
ANSWER_MAX: Final = 64 * 1024
_STOP: Final = (
    "Stop. The log was cut, forked or restored. Keep it as it is; never reset a witness; call the custodians and the "
    "auditors."
)
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,17})\n?")


class _Answer(NamedTuple):
    status: int
    body: bytes


class SawMore(Tampered):
    """The witness has seen `size` entries, which is more than the checkpoint that it was asked about has."""

    def __init__(self, witness: str, size: int, ours: int) -> None:
        super().__init__(
            f"The witness {witness} has seen {size} entries of this log, and it has {ours} now.",
            what_to_do=_STOP,
            about=witness,
        )
        self.size = size


Prove = Callable[[int, int], Awaitable[Sequence[bytes]]]
"""The consistency proof between two sizes (breakglass.trust.tree.consistency_proof)."""


async def ask(
    http: httpx.AsyncClient,
    url: str,
    witness: WitnessKey,
    checkpoint: bytes,
    prove: Prove,
    *,
    known: int,
    timeout: float,
) -> Cosigned:
    """This witness's cosignature of this checkpoint. `known` is the size that it cosigned last, as far as we know.

    Raises `Unavailable` when it does not answer, or answers what is no cosignature of its own, `SawMore` when it has
    seen a longer log, and `Tampered` when it has seen another one.
    """
    size = note.parse_checkpoint(note.parse(checkpoint).text).size
    old = min(known, size)
    for _ in range(TRIES):
        answer = await _post(http, url, witness, await _body(old, size, checkpoint, prove), timeout)
        if answer.status != 409:
            break
        stands = _SIZE.fullmatch(answer.body)
        if not stands:
            raise _unavailable(witness, "does not say which size it saw")
        if int(stands[1]) > size:
            raise SawMore(witness.name, int(stands[1]), size)
        if int(stands[1]) == old:  # how version 1.0 says that it is another log
            raise _tampered(witness, "has seen another log than this one")
        old = int(stands[1])  # another node of ours may have moved it on meanwhile
    if answer.status == 422:
        raise _tampered(witness, "has seen another log than this one")
    if answer.status != 200:
        raise _unavailable(witness, f"answered {answer.status}")
    try:
        found = cosigned(parse_lines(answer.body, checkpoint), [witness])
    except (Malformed, BadSignature):
        found = ()
    if not found:
        raise _unavailable(witness, "sent no cosignature that holds under the key in the roster")
    return found[0]


async def _body(old: int, size: int, checkpoint: bytes, prove: Prove) -> bytes:
    proof = tuple(await prove(old, size)) if consistency_path(old, size) else ()
    return AddCheckpoint(old=old, proof=proof, checkpoint=checkpoint).encode()


async def _post(http: httpx.AsyncClient, url: str, witness: WitnessKey, body: bytes, timeout: float) -> _Answer:
    """`timeout` is for the whole answer: a witness that lets it drip holds nobody up."""
    data = b""
    try:
        async with (
            asyncio.timeout(timeout),
            http.stream("POST", f"{url.rstrip('/')}/add-checkpoint", content=body, timeout=timeout) as answer,
        ):
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > ANSWER_MAX:
                    raise _unavailable(witness, "answers too much")
            return _Answer(answer.status_code, data)
    except (httpx.HTTPError, TimeoutError) as error:
        raise _unavailable(witness, f"does not answer ({type(error).__name__})") from None


def _unavailable(witness: WitnessKey, what: str) -> Unavailable:
    return Unavailable(
        f"The witness {witness.name} {what}.",
        what_to_do="Is it running, and does it know this log's key? Then try again.",
        about=witness.name,
    )


def _tampered(witness: WitnessKey, what: str) -> Tampered:
    return Tampered(f"The witness {witness.name} {what}.", what_to_do=_STOP, about=witness.name)
