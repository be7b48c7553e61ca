"""Command groups that mean one of their commands when none is named: `breakglass request db1` is `request make db1`."""

from typing import Any

import typer
from typer.core import TyperGroup

from breakglass.cli.options import Options


def group(default: str, help: str) -> typer.Typer:
    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
            if not named and not ctx.resilient_parsing:
                args = [default, *args]
            return super().parse_args(ctx, args)

    return typer.Typer(cls=Group, help=help, rich_markup_mode=None)


def of(ctx: typer.Context) -> Options:
    """The options that hold for every command."""
    options = ctx.find_object(Options)
    return options or Options()
