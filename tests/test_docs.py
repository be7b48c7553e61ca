"""What README and docs/ say is so: commands exist, links lead somewhere, the example estate founds a deployment."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer import Exit as Exit_
from typer import TyperException
from typer.core import TyperGroup
from typer.main import get_command

from breakglass.cli.exits import Exit
from breakglass.cli.main import app
from breakglass.cli.options import hoisted
from breakglass.config import Settings
from breakglass.errors import Malformed
from breakglass.gateway.gate import HELP
from breakglass.model.policy import Permission
from breakglass.plugin_api.loading import load
from breakglass.trust import drafting
from breakglass.trust.posture import must_be_usable
from breakglass.trust.roster import parse

TOP = Path(__file__).resolve().parents[1]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
AT = datetime(2026, 11, 23, 21, 4, tzinfo=UTC)
GATE = {line.split()[0] for line in HELP.splitlines() if re.match(r"[a-z]+(\s|$)", line)}


def pages() -> list[tuple[str, str]]:
    return [(page.name, page.read_text()) for page in PAGES]


def commands(text: str, program: str) -> Iterator[str]:
    """Every line of code and every `…` span that begins with the program; `text` is Markdown."""
    for line in text.splitlines():
        code = line.strip() if line.startswith("    ") else ""
        for found in [code, *re.findall(r"`([^`]+)`", line)]:
            if re.match(rf"{program}(\s|$)", found):
                # What stands in columns behind a command says what it does.
                yield re.split(r"\s{3,}", found)[0]


def words_of(line: str) -> list[str]:
    """As the shell would split it, up to a pipe or a redirection."""
    words = shlex.split(line)
    ends = [n for n, word in enumerate(words) if word in {"|", ">", "<"}]
    return words[: min(ends, default=len(words))]


def wrong_with(line: str) -> str:
    """What the command line would refuse in it; empty when it is a command of ours. It is read and not run."""
    words = [word for word in words_of(line)[1:] if word not in {"…", "COMMAND"}]
    command = get_command(app)
    try:
        context = command.make_context("breakglass", hoisted(words))
        while isinstance(command, TyperGroup) and (left := [*context._protected_args, *context.args]):
            name, inner, rest = command.resolve_command(context, left)
            assert inner is not None
            command, context = inner, inner.make_context(name, rest, parent=context)
    except TyperException as error:
        # A command that is only named, in a sentence, lacks what it works on.
        return "" if type(error).__name__ == "MissingParameter" else error.format_message()
    except Exit_:  # --help
        return ""
    return ""


@pytest.mark.parametrize(("name", "text"), pages(), ids=[page.name for page in PAGES])
def test_every_command_exists_with_its_options(name, text):
    faults = {line: wrong for line in commands(text, "breakglass") if (wrong := wrong_with(line))}
    assert not faults


@pytest.mark.parametrize(
    "line",
    [
        "breakglass nothing",
        "breakglass audit nothing",
        "breakglass audit tail --limit many",
        "breakglass kill ses_1 --because x",
        "breakglass demo --fast",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(line):
    assert wrong_with(line)


def test_the_guide_was_really_searched():
    found = set(commands((TOP / "docs/guide.md").read_text(), "breakglass"))
    assert len(found) > 30
    assert "breakglass audit verify" in found


@pytest.mark.parametrize(("name", "text"), pages(), ids=[page.name for page in PAGES])
def test_every_word_to_the_gate_exists(name, text):
    said = [words_of(line.replace("'", ""))[2:3] for line in commands(text, "ssh gate")]
    assert not [word for (word, *_) in filter(None, said) if word != "…" and word not in GATE]


@pytest.mark.parametrize(("name", "text"), pages(), ids=[page.name for page in PAGES])
def test_links_lead_somewhere(name, text):
    folder = TOP if name == "README.md" else TOP / "docs"
    anchors = {
        "#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("#"):
            assert link in anchors
        elif not link.startswith("https://"):
            assert (folder / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize(("name", "text"), pages(), ids=[page.name for page in PAGES])
def test_the_files_that_are_named_exist(name, text):
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.(?:py|md))?)`", text)
    places = (TOP, TOP / "docs", TOP / "src" / "breakglass")
    assert not [path for path in named if not any((place / path).exists() for place in places)]


def test_the_guide_has_every_exit_code():
    table = (TOP / "docs/guide.md").read_text().partition("## Exit codes")[2]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == set(Exit)


def test_the_guide_has_every_setting_that_people_change():
    table = (TOP / "docs/guide.md").read_text()
    ours = {"demo", "node", "database"}
    assert not [one for one in Settings.__dataclass_fields__ if one not in ours and f"`{one}`" not in table]
    load(re.findall(r"`(breakglass\.plugins\.\w+)`", table))


def example() -> str:
    found = re.search(r"^```yaml\n(.*?)^```", (TOP / "docs/estate.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def founded(text: str) -> bytes:
    trial = {"log": "-", "grant": "-", "recording": "-"}
    return drafting.founding(yaml.safe_load(text), deployment="dep_docs", origin="log.example.org", keys=trial, at=AT)


def test_the_example_estate_can_be_founded():
    roster = parse(founded(example()))
    must_be_usable(roster, AT)
    assert roster.policy_of(roster.find_account("plant-db1", "rescue")).permissions == frozenset(Permission)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("rotate_at: login", "rotates_at: login"),
        ('"2026-12-31T00:00:00Z"', "2026-12-31T00:00:00Z"),
        ("groups: [responders, security]", "groups: [responders]"),
        ("length: 32", "length: 15"),
        ("max_seconds: 14400", "max_seconds: 604801"),
        ("environment: plant", "environment: office"),
    ],
)
def test_what_the_page_says_is_refused_is_refused(part, wrong):
    assert part in example()
    with pytest.raises(Malformed):
        must_be_usable(parse(founded(example().replace(part, wrong))), AT)


def test_every_member_of_the_example_is_explained():
    page = (TOP / "docs/estate.md").read_text().partition("## What holds everywhere")[2]
    members = set(re.findall(r"^\s*(?:- )?\{?([a-z_]+):(?:\s|$)", example(), re.MULTILINE))
    members -= {one for one in members if re.match(r"(usr|dom|tgt|acc|cnd|pol)_", one)}
    assert len(members) > 30
    assert not [one for one in sorted(members) if f"`{one}`" not in page and f"## {one}" not in page]


def test_the_picture_is_small_and_says_what_it_shows():
    picture = (TOP / "docs/pictures/story.svg").read_text()
    assert len(picture.encode()) < 100_000
    assert "<title" in picture
    assert "ssh gate request plant-db1" in picture
    assert "All of it holds." in picture
