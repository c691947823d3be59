"""`python -m bench [FAMILY …] [--quick]`: measure, print the table, write it as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import cast

from bench import figures
from bench.figures import Family, Row

FAMILIES = ("startup", "render", "events", "plan", "dispatch", "peers", "scores", "growth")
COLUMNS = ("row", "sender", "latency", "mode", "ours", "theirs", "ratio", "target", "met?")
WIDTHS = (50, 16, 8, 11, 11, 11, 7, 9, 5)


def measured(families: list[str], quick: bool) -> Iterator[tuple[str, Row]]:
    for name in families:
        family = cast(Family, import_module(f"bench.{name}"))
        yield from ((name, row) for row in family.rows(quick))


def line(cells: tuple[str, ...]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def shown(row: Row) -> str:
    met = "-" if row.met is None else "yes" if row.met else "NO"
    cells = (row.name, row.sender, row.latency, row.mode, _figure(row.ours, row.unit))
    ratio = "-" if row.ratio is None else f"{row.ratio:.3g}"
    text = line((*cells, _figure(row.theirs, row.unit), ratio, str(row.target), met))
    return f"{text}\n    {row.note}" if row.note else text


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.3g} {unit}".replace(" /", "/")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results.json", metavar="FILE")
    given = parser.parse_args(words)
    if unknown := set(given.families) - set(FAMILIES):
        parser.error(f"no family {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    figures.apart = not given.quick
    print(line(COLUMNS), line(tuple("-" * width for width in WIDTHS)), sep="\n", flush=True)
    began, rows = time.monotonic(), []
    for family, row in measured(given.families or list(FAMILIES), given.quick):
        print(shown(row), flush=True)
        rows.append({"family": family, **asdict(row), "target": str(row.target), "met": row.met})
    missed = sum(row["met"] is False for row in rows)
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.system()}
    told = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "quick": given.quick, **machine}
    given.json.write_text(json.dumps({**told, "rows": rows}, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"\n{len(rows)} rows, {missed} missed, in {time.monotonic() - began:.0f} s; written: {given.json}")
    return 1 if missed and not given.quick else 0


if __name__ == "__main__":
    sys.exit(main())
