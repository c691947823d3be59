"""The commands as an operator calls them: in this process, for a new one costs a second each."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
import structlog

from orchestrator import schema
from orchestrator.cli import main
from orchestrator.scaffold import scaffold

ROOT = Path(__file__).parents[2]
NOW = "2027-02-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Said:
    """What a call answered."""

    code: int
    out: str
    err: str

    def json(self, name: str) -> Any:
        """The document on standard output, which fits the schema of that name."""
        found = json.loads(self.out)
        jsonschema.validate(found, schema.schemas()[f"{name}-output"])
        return found


Silkpost = Callable[..., Said]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No network, a known moment and name, English; the logs of one test do not reach the next."""
    for name in ("LANG", "LC_ALL", "SILKPOST_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SILKPOST_OFFLINE", "1")
    monkeypatch.setenv("SILKPOST_NOW", NOW)
    monkeypatch.setenv("COLUMNS", "200")
    yield
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace as `silkpost init` writes it, the sample campaign being next year's Valentine's Day."""
    place = tmp_path / "shop"
    scaffold(place, "Lantern House", today=datetime(2026, 11, 22, tzinfo=UTC).date())
    return place


@pytest.fixture
def silkpost(folder: Path, capsys: pytest.CaptureFixture[str]) -> Silkpost:
    """`silkpost -C folder …`; sentences only: a traceback ends the test."""

    def call(*words: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["-C", str(folder), *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(int(left.value.code or 0), out, err)

    return call


@pytest.fixture
def applied(silkpost: Silkpost) -> Silkpost:
    """The same, with a plan in the store."""
    assert silkpost("apply").code == 3
    return silkpost


@pytest.fixture
def released(applied: Silkpost) -> Silkpost:
    """The same, approved."""
    (waiting,) = applied("status", "--json").json("status")["approvals"]
    assert applied(*waiting.split()[1:]).code == 0
    return applied


@pytest.fixture
def begun(folder: Path) -> str:
    """A campaign whose offer has begun this very minute: what it holds is due."""
    there = datetime.now(ZoneInfo("America/New_York"))
    end = there + timedelta(days=3)
    (folder / "campaigns/valentines.yaml").unlink()
    (folder / "campaigns/hello.yaml").write_text(
        "campaign: hello\nkind: flash\nmarkets: [US]\nproducts: [lantern-red]\n"
        f"offer: {{discount: 10%, starts: {there:%Y-%m-%d %H:%M}, ends: {end:%Y-%m-%d} 23:59}}\n"
        "channels: [posts, email]\nwaves: {go: {at: starts}}\naudience: {email: readers}\n",
        "utf-8",
    )
    accounts = (folder / "accounts.yaml").read_text("utf-8")
    sender = 'letters:\n  sender: {US: {name: Lantern House, address: "1 Example Street"}}'
    (folder / "accounts.yaml").write_text(accounts.replace("letters:", sender, 1), "utf-8")
    with (folder / "silkpost.yaml").open("a") as settings:
        settings.write("public_url: https://go.lantern-house.example\n")
    return "hello"


@pytest.fixture
def readers(tmp_path: Path) -> Path:
    """One person who agreed to letters."""
    file = tmp_path / "readers.csv"
    file.write_text(
        "email,name,market,locale,consent,consent_on,consent_source\n"
        "reader@lantern-house.example,Ana,US,en_US,opt_in,2026-01-01,form\n"
    )
    return file


@pytest.fixture
def process(folder: Path) -> Callable[..., subprocess.Popen[str]]:
    """`silkpost -C folder …` as a process of its own, with a real clock."""

    def start(*words: object, **named: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "orchestrator.cli", "-C", str(folder), *map(str, words)]
        environ = {k: v for k, v in os.environ.items() if k != "SILKPOST_NOW"} | {"PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=environ, **(pipes | named))

    return start


@pytest.fixture
def locked(folder: Path) -> Callable[[], Any]:
    """Somebody else writes to the store, and takes their time."""

    @contextmanager
    def hold() -> Iterator[None]:
        with closing(sqlite3.connect(folder / ".silkpost/silkpost.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    return hold
