"""Channels are found by being there: a file, or an installed package's entry point."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import channels
from channels.base import Attempt, Credentials, Kind, Settings
from channels.testing import NOW, StillClock
from content.message import Message

TEN_LINES = '''"""Lanterns in the window, one for each post."""
from datetime import date
from channels.base import AccountFacts, Attempt, Channel, Kind, Receipt
from content.message import Counting, Limits
class Adapter(Channel):
    kind, limits = Kind.BROADCAST, Limits(80, Counting.CODE_POINTS, "the window", date(2026, 11, 22))
    async def check(self) -> AccountFacts: return AccountFacts("the window")
    async def send(self, attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            return Receipt(attempt.key)
'''


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    channels._plugins.cache_clear()
    yield
    channels._plugins.cache_clear()
    for name in [name for name in sys.modules if name.startswith(("channels.window", "lantern_window"))]:
        del sys.modules[name]


async def lit(name: str) -> str:
    adapter = channels.load(name)
    async with httpx.AsyncClient() as http:
        channel = adapter(Settings(), Credentials(), http, StillClock())
        assert channel.kind is Kind.BROADCAST
        return (await channel.send(Attempt(Message(text="light"), "k1", since=NOW))).remote_id


@pytest.mark.anyio
async def test_a_file_of_ten_lines_is_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "window.py").write_text(TEN_LINES, "utf-8")
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    assert "window" in channels.names()
    assert channels.describe("window") == "Lanterns in the window, one for each post."
    assert await lit("window") == "k1"


def install(folder: Path, name: str, value: str) -> None:
    """As pip would leave it."""
    (folder / "lantern_window.py").write_text(TEN_LINES, "utf-8")
    about = folder / "lantern_window-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lantern-window\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[silkpost.channels]\n{name} = {value}\n")


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["lantern_window", "lantern_window:Adapter"])
async def test_an_installed_package_brings_a_channel(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "window", value)
    monkeypatch.syspath_prepend(tmp_path)
    assert "window" in channels.names()
    assert await lit("window") == "k1"


def test_a_package_cannot_take_a_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "outbox", "lantern_window")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LookupError, match=r"outbox.*lantern_window.*built-in"):
        channels.names()
    assert channels.load("outbox").__module__ == "channels.outbox"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("webhok", 'did you mean "webhook"'),
        ("zzz", "there are .*outbox"),
        ("base", "there is none"),
        ("_platform", "there is none"),
        ("../outbox", "there is none"),
    ],
)
def test_a_name_that_is_none_says_what_may_be(wrong: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        channels.load(wrong)


def test_a_file_without_an_adapter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "window.py").write_text('"""Nothing."""\n')
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    with pytest.raises(LookupError, match=r"window.*holds no class Adapter"):
        channels.load("window")


def test_names_imports_no_channel() -> None:
    """`silkpost --help` and completion list channels without paying for httpx."""
    code = "import sys, channels; channels.names(); print(sorted({'httpx', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", channels.names())
def test_every_channel_loads_and_describes_itself(name: str) -> None:
    assert channels.load(name).__name__ == "Adapter"
    assert channels.describe(name).endswith(".")
    assert f"| `{name}` |" in (Path(channels.__path__[0]) / "README.md").read_text("utf-8")
