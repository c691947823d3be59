"""Files as their readers would see them: one for each delivery, whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from channels.base import Absent, Attempt, Channel, Clock, Credentials, Found, Kind, Retryable
from channels.http import client
from channels.outbox import Adapter, Settings
from channels.testing import NOW, ChannelConformance, Platform, Post, StillClock
from content.message import Media, Message


class Folder(Platform):
    """The folder: its posts are what a reader finds in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def posts(self) -> dict[str, Post]:
        return {path.name: Post(path.read_text("utf-8")) for path in sorted(self.path.glob("*.txt"))}


class TestOutbox(ChannelConformance):
    deaths: ClassVar = ()  # there is no wire

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.tmp, self.made = tmp_path, 0

    def platform(self) -> Folder:
        self.made += 1
        return Folder(self.tmp / f"out-{self.made}")

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        assert isinstance(platform, Folder)
        settings = Settings(folder=platform.path, account="@lantern.jp")
        return Adapter(settings, Credentials(), http, clock)


@asynccontextmanager
async def outbox(folder: Path, **more: Any) -> AsyncIterator[Adapter]:
    async with client() as http:
        yield Adapter(Settings(folder=folder, **more), Credentials(), http, StillClock())


def try_(message: Message, key: str = "k1", later: timedelta = timedelta(0)) -> Attempt:
    return Attempt(message, key, since=NOW + later)


@pytest.mark.anyio
async def test_the_file_reads_as_its_reader_would_see_it(tmp_path: Path) -> None:
    moon = Media("ab" * 32, "image/png", 9, "moon.png", alt="満月の\n灯り")
    message = Message(
        text="今だけ🎉\nhttps://lantern-house.example/m", title="満月", media=(moon,), language="ja-JP",
        to="reader@example.org", thread=("続き",),
    )  # fmt: skip
    async with outbox(tmp_path / "new" / "out", account="@lantern.jp", as_channel="") as adapter:
        receipt = await adapter.send(try_(message))
    path = tmp_path / "new" / "out" / receipt.remote_id
    assert path.read_text("utf-8") == (
        "account: @lantern.jp\n"
        "at: 2026-11-11 00:00:00Z\n"
        "key: k1\n"
        "locale: ja-JP\n"
        "to: reader@example.org\n"
        "title: 満月\n"
        "media: moon.png (image/png) 満月の 灯り\n"
        "\n"
        "今だけ🎉\nhttps://lantern-house.example/m\n"
        "\n"
        "— 2/2 —\n続き\n"
    )
    assert receipt.url == path.as_uri()
    assert os.listdir(path.parent) == [path.name], "no draft is left lying about"


@pytest.mark.anyio
async def test_html_lies_beside_its_text_and_goes_with_it(tmp_path: Path) -> None:
    async with outbox(tmp_path) as adapter:
        receipt = await adapter.send(try_(Message(text="Hello", html="<p>Hello</p>")))
        assert (tmp_path / receipt.remote_id).with_suffix(".html").read_text() == "<p>Hello</p>"
        await adapter.withdraw(receipt.remote_id)
        assert not os.listdir(tmp_path)


@pytest.mark.anyio
async def test_one_key_makes_one_file_however_many_try_at_once(tmp_path: Path) -> None:
    async with outbox(tmp_path) as adapter:
        sent = await asyncio.gather(*(adapter.send(try_(Message(text=f"try {n}"))) for n in range(20)))
    assert len(os.listdir(tmp_path)) == 1
    assert sum(not receipt.repeated for receipt in sent) == 1
    assert len({receipt.remote_id for receipt in sent}) == 1


@pytest.mark.anyio
async def test_absence_is_known(tmp_path: Path) -> None:
    async with outbox(tmp_path) as adapter:
        assert isinstance(await adapter.find(try_(Message(text="x"))), Absent)
        receipt = await adapter.send(try_(Message(text="x")))
        assert await adapter.find(try_(Message(text="x"))) == Found(receipt)
        assert isinstance(await adapter.find(try_(Message(text="x"), "k2")), Absent)


@pytest.mark.anyio
async def test_a_folder_that_cannot_be_written_keeps_the_message_waiting(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where a folder should be")
    async with outbox(tmp_path / "out") as adapter:
        with pytest.raises(Retryable, match=r"write .*out"):
            await adapter.send(try_(Message(text="x")))


@pytest.mark.anyio
async def test_a_key_cannot_leave_the_folder(tmp_path: Path) -> None:
    async with outbox(tmp_path / "out") as adapter:
        await adapter.send(try_(Message(text="x"), "../../etc/passwd"))
        await adapter.withdraw("../keep.txt")
    assert len(os.listdir(tmp_path / "out")) == 1


@pytest.mark.anyio
async def test_it_stands_for_a_channel_with_that_channels_limits(tmp_path: Path) -> None:
    from channels import load

    real = load("telegram")
    async with outbox(tmp_path, as_channel="telegram") as adapter:
        assert (adapter.kind, adapter.limits, adapter.carries) == (real.kind, real.limits, real.carries)
        receipt = await adapter.send(try_(Message(text="lantern 🎉")))
    text = (tmp_path / receipt.remote_id).read_text("utf-8")
    assert "channel: telegram\n" in text
    assert f"length: 10 of {real.limits.text} ({real.limits.counting})" in text


@pytest.mark.anyio
async def test_it_stands_for_a_direct_channel(tmp_path: Path) -> None:
    async with outbox(tmp_path, as_channel="email_smtp") as adapter:
        assert (adapter.kind, adapter.medium) == (Kind.DIRECT, "email")
    async with outbox(tmp_path, medium="line") as adapter:
        assert (adapter.kind, adapter.medium) == (Kind.DIRECT, "line")
