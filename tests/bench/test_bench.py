"""Every row of the bench runs, at sizes too small to tell anything of speed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import figures
from bench.__main__ import FAMILIES, main, shown
from bench.figures import Row, alternately, at_least, at_most, in_child, peak_mb


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_measures_both_sides(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "results.json"
    assert main([family, "--quick", "--json", str(told)]) == 0
    shown = capsys.readouterr().out
    rows = json.loads(told.read_text("utf-8"))["rows"]
    assert rows
    for row in rows:
        assert row["ours"] or row["note"].startswith("skipped: "), row["name"]
        assert row["name"] in shown


def test_a_child_is_a_process_of_its_own_with_a_peak_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "apart", True)
    held = bytearray(200 << 20)
    held[::4096] = b"x" * len(held[::4096])
    done = in_child("operator:mul", 6, 7)
    assert done.result == 42
    assert peak_mb() > 200 > done.peak_mb


def test_a_ratio_is_of_each_round_so_a_machine_that_slows_down_changes_nothing() -> None:
    """Ours is twice theirs throughout, while everything becomes ten times slower."""
    slow = iter([1.0, 1.0, 10.0, 10.0, 100.0, 100.0])
    each = alternately(3, lambda: 2 * next(slow), lambda: next(slow))
    assert each.ratio == 2.0


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("faster", at_least(4), ratio=4.2), True),
        (Row("not fast enough", at_least(4), ratio=3.9), False),
        (Row("small", at_most(150, "MB"), ours=140, unit="MB"), True),
        (Row("too much memory, whatever the ratio", at_most(150, "MB"), ours=151, ratio=0.1), False),
        (Row("skipped", at_least(1.7), note="skipped: no Redis"), None),
    ],
)
def test_what_a_target_says(row: Row, met: bool | None) -> None:
    assert row.met is met
    assert ("NO" in shown(row)) is (met is False)
