"""`breakglass backup` and `restore` as people type them."""

from pathlib import Path

from breakglass import config
from breakglass.config import Home
from tests.cli.conftest import Shell
from tests.kit import Town


async def test_backup_check_restore(town: Town, run: Shell, tmp_path: Path) -> None:
    # The town's own folder is its data folder.
    home = Home(town.folder)
    home.make()
    config.write(home, town.settings)
    file, one, two = tmp_path / "kept.bgb", tmp_path / "one", tmp_path / "two"
    one.write_text(town.shares[0] + "\n")
    two.write_text(town.shares[2] + "\n")
    made = await run.bare("--home", str(home.path), "backup", str(file))
    assert "--check" in made.out
    shares = ("--share-file", str(one), "--share-file", str(two))
    checked = await run.bare("restore", str(file), "--check", *shares, "--json")
    assert (checked.json["home"], checked.json["deployment"]) == ("", town.settings.deployment)
    new = tmp_path / "new"
    typed = f"{town.shares[1]}\n{town.shares[0]}\n"
    restored = await run.bare("--home", str(new), "restore", str(file), stdin=typed)
    assert f"It is in {new}" in restored.out
    assert config.read(Home(new)) == town.settings
    again = await run.bare("--home", str(new), "restore", str(file), *shares, expect=1)
    assert again.err.startswith(f"{new} is in use already.")
    few = await run.bare("restore", str(file), "--check", "--share-file", str(one), expect=1)
    assert town.shares[0] not in few.err + few.out
