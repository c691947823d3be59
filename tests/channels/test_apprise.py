"""The apprise library: the suite over its own JSON service, what it cannot tell, what it must not do."""

from __future__ import annotations

import asyncio
import base64
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels.apprise import Adapter, AppriseSettings
from channels.base import (
    ChannelError,
    Clock,
    Credentials,
    OutcomeUnknown,
    Reads,
    Rejected,
    Unauthorized,
    Withdraws,
)
from channels.testing import (
    KEY,
    Death,
    FakePlatform,
    HttpConformance,
    Platform,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from content.message import Media, Message, problems

#: apprise imports it to serve an older library (apprise/utils/pgp.py of 2.2).
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET = "secret-of-the-service"


class FakeService(FakePlatform):
    """What takes apprise's `json://`. It tells no id: a message is known by the key of its delivery."""

    def answer(self, seen: Seen) -> Reply:
        proof = base64.b64encode(f"lantern:{SECRET}".encode()).decode()
        if seen.headers.get("authorization") != f"Basic {proof}":
            return Reply(401)
        number = self.publish(seen.json)
        content = self.posts.pop(number)
        self.posts[number if self.posts else KEY] = content
        return Reply(200)


def address(platform: Platform, more: str = "") -> str:
    return f"json://lantern:{SECRET}@{platform.url.removeprefix('http://')}/hook{more}"


def make(url: str, **more: Any) -> Adapter:
    settings = AppriseSettings(url=url, **more)
    return Adapter(settings, Credentials(), None, StillClock())  # type: ignore[arg-type]


class TestApprise(HttpConformance):
    secrets = (SECRET,)

    def platform(self) -> Platform:
        return FakeService()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        url = address(platform)
        self.secrets = (SECRET, url)  # type: ignore[misc]
        return make(url)

    def fact(self, happened: int | Death, inside: bool) -> type[ChannelError]:
        """apprise answers False for a refusal and for a wire that broke: it may be out."""
        return OutcomeUnknown

    @pytest.mark.anyio
    async def test_being_told_to_wait_says_how_long(self) -> None:
        """It does not: apprise keeps the header to itself."""
        async with self.scene() as (platform, adapter):
            platform.interfere(0, Reply(429, headers={"Retry-After": "17"}))
            assert isinstance(await self.refused(adapter), OutcomeUnknown)


def test_it_says_that_nothing_can_be_read_back() -> None:
    ours = make("json://127.0.0.1/hook")
    assert not isinstance(ours, Reads | Withdraws)
    assert not ours.metrics


@pytest.mark.anyio
async def test_text_title_link_and_pictures_arrive(tmp_path: Path) -> None:
    (tmp_path / "ab12").write_bytes(b"a picture")
    moon = Media("a" * 64, "image/jpeg", 9, "moon & sun.jpg", path=str(tmp_path / "ab12"))
    link = "https://lantern-house.example/r/a1"
    message = Message(text="Tonight <now>", title="Sale", link=link, media=(moon,))
    async with FakeService() as platform:
        ours = make(address(platform), media=True)
        assert not problems(message, ours.limits, ours.carries)
        await ours.send(make_attempt(message))
    sent = platform.posts[KEY].content
    assert sent["title"] == "Sale"
    assert sent["message"] == f"Tonight <now>\n\n{link}"
    (file,) = sent["attachments"]
    assert (file["filename"], base64.b64decode(file["base64"])) == ("moon & sun.jpg", b"a picture")


@pytest.mark.anyio
async def test_a_file_that_is_not_there_is_a_refusal_before_anything_leaves() -> None:
    message = Message(text="x", media=(Media("a" * 64, "image/jpeg", 9, "gone.jpg", path="/nowhere/x"),))
    async with FakeService() as platform:
        with pytest.raises(Rejected, match=r"gone\.jpg: No such file"):
            await make(address(platform), media=True).send(make_attempt(message))
        assert not platform.requests


@pytest.mark.anyio
async def test_an_address_that_asks_for_retries_gets_none() -> None:
    """A retry inside the library could double the message."""
    async with FakeService() as platform:
        platform.interfere(0, Reply(500))
        with pytest.raises(OutcomeUnknown, match=r"JSON: .*error=500"):
            await make(address(platform, "?retry=3&overflow=truncate")).send(make_attempt(Message(text="x")))
    assert len(platform.requests) == 1


@pytest.mark.anyio
async def test_a_service_that_hangs_is_left_after_its_time() -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.2 s") as caught:
            await make(f"json://127.0.0.1:{port}", within=0.2).send(make_attempt(Message(text="x")))
        over.set()
    assert not caught.value.bug
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "apprise")


@pytest.mark.anyio
async def test_check_learns_the_limits_of_the_service() -> None:
    facts = await make("ntfy://lantern-topic").check()
    assert facts.name == "ntfy"
    assert facts.limits is not None
    assert facts.limits.text == 7800
    assert facts.limits.source.startswith("apprise ")
    assert facts.limits.images == 0


@pytest.mark.anyio
async def test_pictures_are_refused_until_the_settings_and_the_service_agree() -> None:
    picture = Message(text="x", media=(Media("a" * 64, "image/jpeg", 9, "moon.jpg"),))
    ours = make("ntfy://lantern-topic")
    assert problems(picture, ours.limits, ours.carries) == ["carries no image"]
    ours = make("ntfy://lantern-topic", media=True)
    assert not problems(picture, ours.limits, ours.carries)
    assert (await ours.check()).name == "ntfy"
    with pytest.raises(Unauthorized, match="media: Prowl takes none"):
        await make("prowl://" + "a" * 40, media=True).check()


@pytest.mark.anyio
async def test_what_apprise_does_not_understand_is_said_without_the_address() -> None:
    ours = make(f"nonsense://{SECRET}")
    for asked in (ours.check(), ours.send(make_attempt(Message(text="x")))):
        with pytest.raises(Unauthorized, match="understands no such service") as caught:
            await asked
        assert SECRET not in str(caught.value)


@pytest.mark.anyio
async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Unauthorized, match=r"pip install silkpost\[apprise\]"):
        await make("ntfy://lantern-topic").check()


@pytest.mark.anyio
async def test_a_text_longer_than_the_service_takes_is_refused_before_it_leaves() -> None:
    """Whether or not anybody ran `channels check`: apprise cuts nothing, and its no may mean anything."""
    async with FakeService() as platform:
        ours = make(address(platform))
        most = (await ours.check()).limits
        assert most
        assert most.text
        with pytest.raises(Rejected, match=rf"{most.text + 1:,} of {most.text:,}"):
            await ours.send(make_attempt(Message("x" * (most.text + 1))))
        assert not platform.requests
