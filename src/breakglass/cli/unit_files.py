"""systemd's units for a node whose vault runs as another user: files to look at, then to copy."""

import sys
from importlib import resources
from pathlib import Path

from breakglass.errors import Unavailable, WrongState

FILES = ("breakglass-vault.service", "breakglass.service", "breakglass.conf")


def write(folder: Path) -> tuple[Path, ...]:
    """Write them into a folder, with this installation's paths. Raises `WrongState` for a file that is there."""
    bin = Path(sys.executable).parent
    paths = {"@PYTHON@": str(bin / "python"), "@BREAKGLASS@": str(bin / "breakglass")}
    found = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            text = (resources.files("breakglass.cli") / "units" / name).read_text()
            for mark, path in paths.items():
                text = text.replace(mark, path)
            with (folder / name).open("x") as file:
                file.write(text)
            found.append(folder / name)
    except FileExistsError:
        raise WrongState(
            f"{folder / name} exists already.", what_to_do="Choose a new folder: nothing is overwritten."
        ) from None
    except OSError as error:
        raise Unavailable(
            f"The units can't be written to {folder}: {error.strerror}.", what_to_do="Choose another folder."
        ) from None
    return tuple(found)
