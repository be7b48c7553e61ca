"""Printing: shapes as words or JSON on standard output, questions and errors on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

from breakglass.cli.options import Options
from breakglass.errors import BreakglassError, Malformed, Refused

T = TypeVar("T")


def out(options: Options, value: Any, lines: Callable[[], Iterable[str]]) -> None:
    """`value` as JSON, or `lines()` for a person."""
    from breakglass.views import words

    if options.json:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(words.text(lines()))


def show(options: Options, value: Any, shape: type[T], lines: Callable[[T], Iterable[str]]) -> None:
    """One shape, as the API answered it."""
    from breakglass.views.plain import from_json

    out(options, value, lambda: lines(from_json(shape, value)))


def show_all(options: Options, values: Any, shape: type[T], lines: Callable[[list[T]], Iterable[str]]) -> None:
    from breakglass.views.plain import from_json

    out(options, values, lambda: lines([from_json(shape, one) for one in values]))


@contextmanager
def progress(options: Options, what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error, where a person looks at it; None for everybody else. It is told (done, in all)."""
    if options.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def note(text: str) -> None:
    """A line for the person, beside the answer."""
    typer.echo(text, err=True)


def sure(question: str, *, yes: bool) -> None:
    """Ask at the terminal. Raises `Refused` for no, `Malformed` when nobody is there to answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Malformed("Nobody is there to answer.", what_to_do="Read it first, then repeat the command with --yes.")
    if not typer.confirm(question, default=False, err=True):
        raise Refused("Nothing was done.", what_to_do="Nothing.")


def failure(error: BreakglassError, *, as_json: bool) -> None:
    if as_json:
        what = {"code": error.code, "message": error.message, "what_to_do": error.what_to_do, "about": error.about}
        sys.stderr.write(json.dumps({"error": what}, ensure_ascii=False) + "\n")
        return
    from breakglass.views import words

    sys.stderr.write(words.text([error.message, *([f"What to do: {error.what_to_do}"] if error.what_to_do else [])]))
