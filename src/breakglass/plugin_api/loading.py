"""Loading plugins: the modules that the configuration names, and nothing else, by nobody's discovery.

Each module has a function `plugin()` that gives one plugin of one surface. Whoever may write the configuration may run
code beside the node; so nothing is imported because it happens to be installed.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from breakglass.errors import Malformed, NotFound
from breakglass.plugin_api.notifier import NotifierPlugin
from breakglass.plugin_api.rotator import Rotator

_SURFACES = {"rotator": ("change", "works", "end_remains"), "notifier": ("open",)}
"""What makes a plugin one of a surface: these are there and can be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    rotators: dict[str, Rotator] = field(default_factory=dict)
    notifiers: dict[str, NotifierPlugin] = field(default_factory=dict)


def load(names: Sequence[str]) -> Plugins:
    """Import these modules, in this order. Raises `NotFound` for a module that isn't there, `Malformed` for one that is
    no plugin, or whose plugin has the name of another."""
    plugins = Plugins()
    for name in names:
        made = _made(name)
        match _surface(made):
            case "rotator":
                _put(plugins.rotators, made, name)
            case "notifier":
                _put(plugins.notifiers, made, name)
            case _:
                raise _no_plugin(name, "what its `plugin()` gives is neither a rotator nor a notifier")
    return plugins


def _made(name: str) -> Any:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as missing:
        # The module itself, or something that it needs?
        lacking = "" if name == missing.name or name.startswith(f"{missing.name}.") else f" (it needs {missing.name})"
        raise NotFound(
            f"The plugin {name!r} can't be loaded{lacking}.",
            what_to_do="Install it beside Breakglass, or take it out of `plugins` in breakglass.toml.",
            about=name,
        ) from None
    except (ValueError, TypeError):  # an empty or relative name
        raise _no_plugin(name, "this is not the name of a module") from None
    make = getattr(module, "plugin", None)
    if not callable(make):
        raise _no_plugin(name, "it has no function `plugin`")
    return make()


def _surface(made: Any) -> str:
    if not isinstance(getattr(made, "name", None), str):
        return ""
    return next((s for s, verbs in _SURFACES.items() if all(callable(getattr(made, v, None)) for v in verbs)), "")


def _put(known: dict[str, Any], made: Any, name: str) -> None:
    if made.name in known:
        raise _no_plugin(name, f"another plugin is called {made.name!r}, too")
    known[made.name] = made


def _no_plugin(name: str, why: str) -> Malformed:
    return Malformed(
        f"{name!r} is not a plugin: {why}.", what_to_do="Correct `plugins` in breakglass.toml.", about=name
    )
