"""The command line itself: what is asked where, in which language, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.cli import COMMANDS, desk, main

ROOT = Path(__file__).parents[2]


def test_help_lists_every_command_and_the_exit_codes(silkpost: Any) -> None:
    said = silkpost("--help")
    assert said.code == 0
    assert all(f"\n  {name} " in said.out for name in COMMANDS)
    assert "3 needs a person" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_the_list_is_there_and_says_what_it_takes(name: str, silkpost: Any) -> None:
    group = typer.main.get_group(import_module(f"orchestrator.cli.{COMMANDS[name][0]}").app)
    assert name in group.commands
    said = silkpost(name, "--help")
    assert said.code == 0
    assert f"silkpost {name}" in said.out
    bare = [
        line
        for line in said.out.splitlines()
        if (line.startswith("  -") and len(line.split()) < 2) or line.rstrip().endswith("TEXT")
    ]
    assert not bare, "an option without a word about it"


def test_no_command_hides_from_the_list() -> None:
    for module in {module for module, _ in COMMANDS.values()}:
        group = typer.main.get_group(import_module(f"orchestrator.cli.{module}").app)
        assert set(group.commands) == {name for name, (home, _) in COMMANDS.items() if home == module}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plann"], '"plann" is not a command; did you mean "plan"?'),
        (["xyzzy"], '"xyzzy" is not a command; silkpost --help lists them'),
        (["--lang", "fr", "markets"], '--lang: "fr" is not spoken here; write en or zh'),
        (["markets", "--lang"], '--lang: "" is not spoken here; write en or zh'),
        (["plan", "--nope"], "silkpost plan: there is no option --nope; see silkpost plan --help"),
        (["approve", "valentines-2027"], "silkpost approve: --plan is missing; see silkpost approve --help"),
        (["plan", "--jsno"], 'silkpost plan: there is no option --jsno; did you mean "--json"?'),
        (["plan", "--json=3"], "--json takes no value; write it alone"),
        (["suggest", "--months"], "--months has no value; write one after it"),
        (["calendar", "CN"], "silkpost calendar: year is missing"),
        (["calendar", "CN", "soon"], "year does not fit: it should be a valid integer"),
        (["calendar", "CN", "99999"], "year does not fit: it should be less than or equal to 2100"),
        (["calendar", "CN", "2027", "2028"], "2028 is one word too many"),
        (["contacts", "imprt", "x"], 'silkpost contacts: there is no command imprt; did you mean "import"?'),
        (["db", "xyzzy"], "silkpost db: there is no command xyzzy; see silkpost db --help"),
        (["--lang", "zh", "approve"], "silkpost approve: 缺少 campaign; 请看 silkpost approve --help"),
        (["contacts"], "Usage: silkpost contacts"),
        (["dispatch"], "write --once"),
        (["collect"], "write --once, or --from FILE"),
        (["pause"], "name one: a campaign, --market CC or --account NAME"),
        (["pause", "a", "--market", "JP"], "name one"),
        (["resolve", "a/b"], "write --sent URL, or --not-sent"),
        (["resolve", "a/b", "--sent", "x", "--not-sent"], "write --sent URL, or --not-sent"),
        (["channels", "chek"], '"chek" is not understood'),
        (["contacts", "export", "list.xls"], "end it in .csv or .jsonl"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence_and_2(words: list[str], told: str, silkpost: Any) -> None:
    said = silkpost(*words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_the_folder_and_the_language_may_stand_anywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in (["--workspace", folder, "check"], ["check", f"--workspace={folder}", "--lang=en"]):
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in line])
        assert left.value.code in (0, None)
        assert "nothing wrong" in capsys.readouterr().out


def test_without_a_folder_after_it_c_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["check", "-C"])
    assert left.value.code == 2
    assert "-C: names no folder" in capsys.readouterr().err


def test_the_version_is_that_of_the_project(silkpost: Any) -> None:
    written = (ROOT / "pyproject.toml").read_text("utf-8").split('version = "')[1].split('"')[0]
    assert silkpost("--version").out == f"silkpost {written}\n"


def test_no_workspace_here_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["-C", str(tmp_path), "status"])
    assert left.value.code == 1
    assert "holds no silkpost.yaml; write one, or begin with silkpost init" in capsys.readouterr().err


def test_a_moment_that_is_none_is_refused(silkpost: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("yesterday", "2026-11-07T00:00"):  # the second does not say in which zone
        monkeypatch.setenv("SILKPOST_NOW", given)
        said = silkpost("plan")
        assert said.code == 2
        assert f'SILKPOST_NOW: "{given}" is not a moment' in said.err


def test_a_user_without_a_name_is_asked_for_one(applied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.getpass, "getuser", _nobody)
    said = applied("pause", "--market", "JP")
    assert (said.code, said.err) == (2, "nobody is named; write --by NAME, or set SILKPOST_USER\n")
    assert applied("pause", "--market", "JP", "--by", "ana").code == 0


def _nobody() -> str:
    raise KeyError("getpwuid(): uid not found: 1000")


def test_ctrl_c_ends_it_at_once_and_quietly(silkpost: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(desk, "open_workspace", interrupted)
    assert silkpost("plan").code == 130


def test_what_the_machine_refuses_is_a_sentence(silkpost: Any, tmp_path: Path) -> None:
    said = silkpost("plan", "--ics", tmp_path / "nowhere" / "plan.ics")
    assert said.code == 1
    assert said.err == f"{tmp_path / 'nowhere' / 'plan.ics'}: No such file or directory\n"


def test_a_bug_is_not_dressed_up(silkpost: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three families of error: what is neither the author's nor a channel's shows its traceback."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(desk, "open_workspace", broken)
    with pytest.raises(ZeroDivisionError):
        main(["plan"])


def run(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    base = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "PYTHONIOENCODING")}
    return subprocess.run(
        ["bash", "-c", command],
        env={**base, "PYTHONPATH": str(ROOT), "P": f"{sys.executable} -m orchestrator.cli", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = run("$P calendar CN 2027 | head -1; echo ${PIPESTATUS[0]}")
    first, code = done.stdout.splitlines()
    assert first.split()[:3] == ["2027-01-01", "Fri", "new-year"]
    assert code == "0"
    assert done.stderr == ""


def test_a_terminal_without_our_characters_shows_their_codes() -> None:
    done = run("$P markets JP --json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["tax"]["law"] == "総額表示"
    assert "JP  Japan \\xb7 ja_JP" in run("$P markets JP", PYTHONIOENCODING="ascii").stdout


def test_a_pipe_gets_whole_lines_without_trailing_blanks(silkpost: Any) -> None:
    said = silkpost("plan")
    assert said.out
    assert not [line for line in said.out.splitlines() if line != line.rstrip()]
