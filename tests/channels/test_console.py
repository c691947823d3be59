"""Standard output as a channel."""

from __future__ import annotations

import contextlib
import io
import re
from typing import ClassVar, Self

import httpx
import pytest

from channels.base import Attempt, Channel, Clock, Credentials, OutcomeUnknown, Settings
from channels.console import Adapter
from channels.testing import NOW, ChannelConformance, Platform, Post, StillClock
from content.message import Message


class Screen(Platform):
    """What was printed, read back by its keys."""

    def __init__(self) -> None:
        super().__init__()
        self._printed = io.StringIO()
        self._shown = contextlib.redirect_stdout(self._printed)

    @property
    def posts(self) -> dict[str, Post]:
        text = self._printed.getvalue()
        found = [Post(text, key) for key in re.findall(r"^key: (.+)$", text, re.MULTILINE)]
        return {post.key if n == 0 else f"{post.key}#{n}": post for n, post in enumerate(found)}

    async def __aenter__(self) -> Self:
        self._shown.__enter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._shown.__exit__(None, None, None)


class TestConsole(ChannelConformance):
    deaths: ClassVar = ()

    def platform(self) -> Platform:
        return Screen()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        return Adapter(Settings(), Credentials(), http, clock)


@pytest.mark.anyio
async def test_a_text_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    async with httpx.AsyncClient() as http:
        adapter = Adapter(Settings(), Credentials(), http, StillClock())
        await adapter.send(Attempt(Message(text="red \x1b[31m, family 👨‍👩‍👧, عربي\u200f!"), "k1", since=NOW))
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "👨‍👩‍👧, عربي\u200f!" in printed


@pytest.mark.anyio
async def test_a_broken_pipe_leaves_the_outcome_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("builtins.print", broken)
    async with httpx.AsyncClient() as http:
        adapter = Adapter(Settings(), Credentials(), http, StillClock())
        with pytest.raises(OutcomeUnknown, match="Broken pipe"):
            await adapter.send(Attempt(Message(text="x"), "k1", since=NOW))
