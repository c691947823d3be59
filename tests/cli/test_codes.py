"""codes: taken in, counted, and told of before a plan needs more of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_codes_come_in_once_and_are_counted(silkpost: Any, tmp_path: Path) -> None:
    file = tmp_path / "spring.txt"
    file.write_text("SPRING-1\nSPRING-2\nspring-1\nnot a code\n")
    said = silkpost("codes", "import", "spring", file)
    assert (said.code, said.out) == (1, "pool spring: 2 added, 2 refused\n")
    assert said.err.splitlines() == [
        f"{file}:3: the code of line 1 again",
        f"{file}:4: not a code; it has letters and digits, and between them . + - and _",
    ]
    file.write_text("SPRING-2\nSPRING-3\n")
    found = silkpost("codes", "import", "spring", file, "--json").json("codes-import")
    assert found == {
        "pool": "spring",
        "added": 1,
        "refused": 1,
        "problems": [f"{file}:1: stands in the pool spring already"],
    }
    (row,) = silkpost("codes", "--json").json("codes")
    assert [row] == json.loads(silkpost("codes", "list", "--json").out)
    assert (row["pool"], row["campaign"], row["free"]) == ("spring", "", 3)
    assert silkpost("codes").out.splitlines()[1].split() == ["spring", "-", "3", "0", "0", "0"]


def test_a_misspelt_pool_or_file_is_told_and_nothing_is_made(
    silkpost: Any, folder: Path, tmp_path: Path
) -> None:
    said = silkpost("codes", "import", "Spring 27", tmp_path / "none.txt")
    assert said.code == 2
    assert said.err == 'pool "Spring 27": not an id; write a-z, 0-9 and hyphens, at most 40\n'
    said = silkpost("codes", "import", "spring", tmp_path / "none.txt")
    assert (said.code, said.err) == (1, f"{tmp_path / 'none.txt'}: there is no such file\n")
    assert not (folder / ".silkpost").exists()
    assert silkpost("codes").err == "there is no store yet; silkpost apply makes one\n"
    silkpost("db", "upgrade")
    assert "no pool of codes yet" in silkpost("codes").out


def test_a_plan_says_who_is_left_out_and_which_pool_is_not_there(
    begun: str, folder: Path, silkpost: Any, readers: Path, tmp_path: Path
) -> None:
    campaign = folder / "campaigns/hello.yaml"
    text = campaign.read_text().replace(
        "discount: 10%", "discount: 10%, code_pool: spring, new_customers: true"
    )
    campaign.write_text(text.replace("[posts, email]", "[email]"))
    readers.write_text(
        "email,name,market,locale,consent,consent_on,consent_source,segment.orders\n"
        "new@lantern-house.example,Ana,US,en_US,opt_in,2026-01-01,form,0\n"
        "old@lantern-house.example,Bo,US,en_US,opt_in,2026-01-01,form,3\n"
    )
    silkpost("contacts", "import", readers)
    (plan,) = silkpost("plan", "--json").json("plan")
    row = next(row for row in plan["placements"] if row["locale"] == "en_US")
    assert (row["found"], row["addressed"], row["capped"]) == (2, 1, 0)
    assert row["left_out"] == {"no_consent": 0, "suppressed": 0, "bought": 1, "held_out": 0}
    assert any("there is no pool spring of codes" in ask for ask in plan["asks"])
    assert "1 left out: have bought before" in silkpost("plan").out
    assert "‹code›" in silkpost("preview", "hello").out
