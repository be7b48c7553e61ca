"""Reviews: what is owed, its checklist, and the auditor's signature."""

from enum import StrEnum
from typing import Annotated

import typer

from breakglass.cli.groups import group, of

app = group("list", "Reviews that are owed. Also: review show, sign.")


class Classification(StrEnum):
    EMERGENCY = "emergency"
    DRILL = "drill"
    MISUSE = "misuse"


ReviewArg = Annotated[str, typer.Argument(metavar="REVIEW")]


@app.command("list")
def list_(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are signed.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """Until a review is signed, its account takes no request."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show_all(options, server(options).get("/reviews", owed=not all_, limit=limit), shapes.Review, words.reviews)


@app.command()
def show(ctx: typer.Context, id: ReviewArg) -> None:
    """One review, with the checklist as it stands for you."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.model.ids import checked
    from breakglass.views import shapes, words

    options = of(ctx)
    show(options, server(options).get(f"/reviews/{checked('rev', id)}"), shapes.ReviewPage, words.review_page)


@app.command()
def sign(
    ctx: typer.Context,
    id: ReviewArg,
    classification: Annotated[Classification, typer.Option(help="What it was.")],
    summary: Annotated[str, typer.Option(help="What was done, and whether it was right.")],
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Judge and sign (an auditor who neither asked nor approved)."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.model.ids import checked
    from breakglass.views import shapes, words

    options = of(ctx)
    checked("rev", id)
    node = server(options)
    judged = {"classification": classification.value, "summary": summary}
    text = node.post(f"/reviews/{id}/statement", judged)["text"]
    body = {"signature": sign_statement(options, text, kind="review", subject=id, yes=yes), "text": text}
    show(options, node.post(f"/reviews/{id}/sign", body), shapes.ReviewPage, words.review_page)
