"""The pages: server-rendered HTML over the same views and steps as the API, every page declared with who may see it.

    cookie or token ─▶ who? ─▶ may they? ─▶ view (look) or step (change, then 303) ─▶ template

Strict CSP, nothing from elsewhere, plain forms; scripts only make it quicker.
"""

from collections.abc import Callable, Sequence

from fastapi import FastAPI

from breakglass.http.declare import must_be_declared
from breakglass.http.house import House
from breakglass.http.shield import PAGE, BodyCap, Headers
from breakglass.web import errors
from breakglass.web.look import Look
from breakglass.web.pages import Pages
from breakglass.web.routes import (
    accounts,
    audit,
    clock,
    custody,
    decide,
    demo,
    enrol,
    erasures,
    home,
    kits,
    me,
    next_log,
    password,
    people,
    playbooks,
    proposals,
    replay,
    request_form,
    requests,
    reviews,
    rotations,
    sessions,
    sign_in,
    static,
    terminal,
    terminal_login,
    vault,
    witnesses,
)
from breakglass.web.static_files import StaticFiles

GROUPS: Sequence[Callable[[Pages], None]] = (
    static.add,
    sign_in.add,
    password.add,
    enrol.add,
    me.add,
    demo.add,
    home.add,
    request_form.add,
    requests.add,
    decide.add,
    accounts.add,
    rotations.add,
    reviews.add,
    sessions.add,
    terminal.add,
    terminal_login.add,
    replay.add,
    people.add,
    playbooks.add,
    proposals.add,
    audit.add,
    vault.add,
    clock.add,
    witnesses.add,
    next_log.add,
    erasures.add,
    kits.add,
    custody.add,
)


def make(house: House, groups: Sequence[Callable[[Pages], None]] = GROUPS) -> FastAPI:
    """The application. Raises `AssertionError` when a page does not declare who may use it."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    files = StaticFiles()
    pages = Pages(app, house, Look(files))
    app.state.files, app.state.house = files, house
    for add in groups:
        add(pages)
    errors.install(app, pages)
    app.add_middleware(BodyCap)
    app.add_middleware(Headers, policy=PAGE)
    must_be_declared(app)
    return app
