"""Signing this terminal in from a browser, for whoever has no key on this machine, and signing it out."""

import typer

from breakglass.cli.groups import of


def add(app: typer.Typer) -> None:
    @app.command()
    def login(ctx: typer.Context) -> None:
        """Sign this terminal in from a browser: it shows a code, and you type it there.

        For 30 minutes without use, 8 hours at most. What you decide is signed by your key all the same."""
        import os
        import platform

        from breakglass.cli.printing import note, out
        from breakglass.cli.server import server

        options = of(ctx)
        node = server(options)
        begun = node.begin_login(f"A terminal of {os.environ.get('USER', 'somebody')} on {platform.node()}"[:200])
        note(f"Open {begun['verification_uri']} and type this code: {begun['user_code']}")
        note("Waiting for the browser; Ctrl-C gives up.")
        who = node.finish_login(begun)
        out(options, {"login": who}, lambda: [f"Signed in as {who}."])

    @app.command()
    def logout(ctx: typer.Context) -> None:
        """End this terminal's sign-in."""
        from breakglass.cli.printing import out
        from breakglass.cli.server import server

        options = of(ctx)
        ended = server(options).sign_out()
        said = "Signed out." if ended else "This terminal was not signed in."
        out(options, {"ended": ended}, lambda: [said])
