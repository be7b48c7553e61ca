"""What holds for every command, exit codes, and words for what is wrong."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass import errors
from breakglass.cli import exits
from breakglass.cli.exits import Exit, exit_of
from breakglass.cli.main import app, main
from breakglass.cli.options import FLAGS, VALUES, hoisted
from breakglass.errors import BreakglassError
from breakglass.flow.connect import Busy


def test_options_may_stand_anywhere() -> None:
    assert hoisted(["status", "--json"]) == ["--json", "status"]
    assert hoisted(["request", "db1", "--home", "x", "--for", "1h"]) == ["--home", "x", "request", "db1", "--for", "1h"]
    assert hoisted(["estate", "--login=al", "show"]) == ["--login=al", "estate", "show"]
    assert hoisted(["request", "--", "--json"]) == ["request", "--", "--json"]
    assert hoisted(["status", "--home"]) == ["--home", "status"]


WORDS = st.lists(
    st.sampled_from(["--json", "--home", "--login=x", "--server", "request", "db1", "--", "--for", "1h", ""])
)


@given(WORDS)
def test_no_word_is_lost_or_made(words: list[str]) -> None:
    found = hoisted(words)
    assert sorted(found) == sorted(words)
    assert hoisted(found) == found or "--" in words or set(words) & VALUES
    assert {"--json"} == FLAGS


def test_every_error_has_its_exit_code() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BreakglassError)]
    codes = {kind.__name__: exit_of(kind("x", what_to_do="y")) for kind in [*kinds, Busy] if "code" in vars(kind)}
    assert codes == {
        "Refused": 1, "WrongState": 1, "SelfApproval": 1, "AlreadyApproved": 1, "NeedsSshSignature": 1, "Expired": 1,
        "Replayed": 1, "TooMany": 1, "Malformed": 2, "NotFound": 3, "NotSignedIn": 4, "Forbidden": 4, "BadSignature": 4,
        "NotEntitled": 4, "NotProved": 4, "Unavailable": 5, "TargetDown": 5, "OutcomeUnknown": 5, "Busy": 5,
        "NotWitnessed": 5,
        "Sealed": 6, "Tampered": 7, "HostKeyMismatch": 7,
    }  # fmt: skip
    documented = re.findall(r"^([0-9]+) ", exits.__doc__ or "", re.MULTILINE)
    assert [int(one) for one in documented] == [one.value for one in Exit]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["frobnicate"], 2, "No such command"),
        (["requets"], 2, "Did you mean 'request'?"),
        (["request"], 2, "Missing argument"),
        (["request", "db1", "--for", "soon", "--server", "http://127.0.0.1:1"], 2, "is not how long"),
        (["sessions", "kill", "ses_1"], 2, "Missing option"),
        (["request", "show", "ses_1", "--server", "http://127.0.0.1:1"], 2, "is not the id of a request"),
        (["status"], 2, "No node is named."),
        (["status", "--server", "gate:8422"], 2, "is not a server's address"),
        (["status", "--server", "http://127.0.0.1:1"], 5, "does not answer"),
        (["approve", "req_1", "--text", "x", "--server", "http://127.0.0.1:1"], 2, "without its signature"),
        (["init", "--estate", "x.yaml", "--home", "/nonexistent/x"], 2, "The log has no name."),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "SERVER", "IDENTITY", "LOGIN"):
        monkeypatch.delenv(f"BREAKGLASS_{name}", raising=False)
    assert main(words) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert "What to do: " in shown.err
    assert not shown.out

    assert main([*words, "--json"]) == code
    shown = capsys.readouterr()
    error = json.loads(shown.err)["error"]
    assert said in error["message"]
    assert error["what_to_do"]


def test_a_folder_without_a_running_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(tmp_path), "status"]) == 5
    assert f"breakglass --home {tmp_path} serve" in capsys.readouterr().err
    assert main(["--home", str(tmp_path), "audit", "verify"]) == 3


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    groups = {one.name: one.typer_instance for one in app.registered_groups}
    lines = [[one.name or one.callback.__name__] for one in app.registered_commands if one.callback]
    for name, group in groups.items():
        assert group is not None
        lines += [[str(name), one.name or one.callback.__name__] for one in group.registered_commands if one.callback]
    assert len(lines) > 25
    for line in lines:
        assert main([*line, "--help"]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"Usage: breakglass {line[0]}"), line
        assert main([line[0], "--help"]) == 0
        capsys.readouterr()
    asked = {tuple(line) for line in lines}
    for wanted in ("demo", "init", "serve", "unseal", "status", "statement", "approve", "deny", "close", "kill"):
        assert (wanted,) in asked
