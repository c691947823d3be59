"""Start-up: `silkpost --help` and `silkpost check` against an interpreter that does nothing.

Both sides find their bytecode kept, as every run after the first does where the program is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import ROOT, Row, alternately, at_most

HEAVY = ("rich", "sqlmodel", "sqlalchemy", "holidays", "starlette", "httpx", "babel")
#: What the installed script does.
SILKPOST = (sys.executable, "-c", "from orchestrator.cli import main; main()")
SAMPLE = ROOT / "examples" / "lantern-house"


def rows(quick: bool) -> Iterator[Row]:
    rounds = 1 if quick else 25
    nothing = [sys.executable, "-c", "pass"]
    imported = imports_of([*SILKPOST[1:], "--help"])
    found = sorted(imported & set(HEAVY))
    note = f"imports {', '.join(found)}" if found else f"-X importtime: none of {', '.join(HEAVY)}"
    with tempfile.TemporaryDirectory() as folder:
        shop, kept = Path(folder) / "shop", Path(folder) / "bytecode"
        shutil.copytree(SAMPLE, shop)
        check = [*SILKPOST, "-C", str(shop), "check"]
        took(check, kept)
        help_ = alternately(rounds, lambda: took([*SILKPOST, "--help"], kept), lambda: took(nothing, kept))
        checked = alternately(-(-rounds // 2), lambda: took(check, kept), lambda: took(nothing, kept))
    target = at_most(-1 if found else 5)
    yield Row("silkpost --help / python -c pass", target, help_.ours, help_.theirs, help_.ratio, note=note)
    name = "silkpost check of the sample / python -c pass"
    yield Row(name, at_most(25), checked.ours, checked.theirs, checked.ratio)


def took(command: list[str], bytecode: Path) -> float:
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(bytecode)}
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=ROOT, env=os.environ | kept)
    return time.perf_counter() - began


def imports_of(arguments: list[str]) -> set[str]:
    """The top-level packages that an interpreter imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    told = (line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines())
    return {name.split(".")[0] for name in told}
