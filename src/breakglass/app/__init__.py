"""The application: where a node's parts are wired together. `serve` is what the command runs."""

from breakglass.config import Home


def serve(home: Home) -> None:
    """Run a node until it is told to stop (SIGTERM, SIGINT)."""
    from breakglass.app.serving import run

    run(home)
