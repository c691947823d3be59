"""contacts: taken in, given out, forgotten, never written to again."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any


def test_contacts_come_in_and_go_out_the_same(silkpost: Any, readers: Path, tmp_path: Path) -> None:
    said = silkpost("contacts", "import", readers)
    assert (said.code, said.out) == (0, "1 added, 0 brought up to date, 0 refused\n")
    assert silkpost("contacts", "import", readers).out == "0 added, 1 brought up to date, 0 refused\n"
    for name in ("list.csv", "list.jsonl"):
        assert silkpost("contacts", "export", tmp_path / name).out == f"1 contact in {tmp_path / name}\n"
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        again = silkpost("contacts", "import", tmp_path / name)
        assert again.out == "0 added, 1 brought up to date, 0 refused\n"
    assert json.loads((tmp_path / "list.jsonl").read_text())["address"] == "reader@lantern-house.example"


def test_rows_that_cannot_be_used_are_told_and_kept_and_the_others_taken(
    silkpost: Any, readers: Path
) -> None:
    with readers.open("a") as file:
        file.write("no address,Bo,US,en_US,opt_in,2026-01-01,form\n")
    said = silkpost("contacts", "import", readers)
    assert said.code == 1
    assert said.out.startswith("1 added, 0 brought up to date, 1 refused\n")
    assert said.err.startswith(f"{readers.name}:3: ") or said.err.startswith(f"{readers}:3: ")
    assert "no address" in readers.with_name("readers.csv.rejects.jsonl").read_text()


def test_a_file_that_is_not_there_changes_nothing(silkpost: Any, folder: Path, tmp_path: Path) -> None:
    said = silkpost("contacts", "import", tmp_path / "nope.csv")
    assert (said.code, said.err) == (1, f"{tmp_path / 'nope.csv'}: there is no such file\n")
    assert not (folder / ".silkpost").exists()
    silkpost("contacts", "import", tmp_path / "nope.csv")
    silkpost("db", "upgrade")
    said = silkpost("contacts", "export", tmp_path / "nowhere" / "list.csv")
    assert (said.code, said.err) == (1, f"{tmp_path / 'nowhere' / 'list.csv'}: No such file or directory\n")


def test_who_was_forgotten_or_suppressed_is_never_taken_in_or_written_to_again(
    begun: str, released: Any, readers: Path, tmp_path: Path
) -> None:
    released("contacts", "import", readers)
    assert released("contacts", "suppress", "reader@lantern-house.example", "--why", "by phone").code == 0
    (plan,) = released("plan", "--json").json("plan")
    assert next(row["addressed"] for row in plan["placements"] if row["locale"] == "en_US") == 0
    said = released("contacts", "forget", "reader@lantern-house.example")
    assert said.out == "1 contact forgotten; the address is never written to again\n"
    assert "asked to be forgotten" in released("contacts", "import", readers).err
    said = released("contacts", "forget", "stranger@lantern-house.example")
    assert said.out == "nobody had this address; it is never written to\n"


def test_who_asked_to_be_left_alone_after_the_plan_gets_nothing(
    begun: str, folder: Path, silkpost: Any, readers: Path
) -> None:
    """Consent is honoured at dispatch, not only at planning."""
    silkpost("contacts", "import", readers)
    silkpost("apply")
    (command,) = silkpost("status", "--json").json("status")["approvals"]
    silkpost(*command.split()[1:])
    silkpost("contacts", "suppress", "reader@lantern-house.example")
    said = silkpost("dispatch", "--once")
    assert said.out == "sent 1 · skipped 1\n"
    assert not list((folder / "outbox").glob("letters/*.txt"))
