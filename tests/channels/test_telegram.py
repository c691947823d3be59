"""Telegram: the suite, every request against the Bot API's description, and webhooks."""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from pydantic import ValidationError

from channels.base import (
    ChannelError,
    Clock,
    Credentials,
    HeardRequest,
    OutcomeUnknown,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.telegram import Adapter, TelegramSettings
from channels.testing import FakePlatform, HttpConformance, Platform, Reply, Seen, StillClock, make_attempt
from content.message import Media, Message

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"
SECRET = "hook-secret-of-the-shop"
CHAT = -1001234567890
PLACE = {"id": CHAT, "type": "channel", "title": "Lantern House", "username": "lantern_house"}
SPEC = Path(__file__).parents[3] / "shared/specs/telegram/api.json"


class FakeTelegram(FakePlatform):
    """Answers as core.telegram.org/bots/api says; read 2026-11-22. A post's key here is chat/message."""

    place: Mapping[str, Any] = PLACE

    def answer(self, seen: Seen) -> Reply:
        start = f"/bot{TOKEN}/"
        if not seen.path.startswith(start):
            return refused(401, "Unauthorized")
        method = seen.path.removeprefix(start)
        body = parameters(seen)
        if method == "getMe":
            return done({"id": 110201543, "is_bot": True, "username": "lantern_house_bot"})
        if method == "getChat":
            return done(self.place)
        if method == "deleteMessage":
            gone = self.posts.pop(f"{body['chat_id']}/{body['message_id']}", None)
            return done(True) if gone else refused(400, "Bad Request: message to delete not found")
        if method == "sendMediaGroup":
            return done([self.show(method, body, seen) for _ in body["media"]])
        return done(self.show(method, body, seen))

    def show(self, method: str, body: Any, seen: Seen) -> dict[str, Any]:
        number = self.publish((method, body))
        self.posts[f"{CHAT}/{number}"] = self.posts.pop(number)
        return {"message_id": int(number), "date": 0, "chat": self.place}


def done(result: Any) -> Reply:
    return Reply(json={"ok": True, "result": result})


def refused(code: int, description: str, status: int = 0, **parameters: int) -> Reply:
    more = {"parameters": parameters} if parameters else {}
    return Reply(status or code, json={"ok": False, "error_code": code, "description": description, **more})


def parameters(seen: Seen) -> dict[str, Any]:
    """A call's parameters as JSON values, whichever way they were sent; a file is its name."""
    if seen.headers.get("content-type") == "application/json":
        return dict(seen.json)
    return {
        name: "a file" if isinstance(value, bytes) else json.loads(value) if value[:1] in "[{t" else value
        for name, value in seen.fields.items()
    }


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = TelegramSettings(
        **{"token": TOKEN, "chat": "@lantern_house", "webhook_secret": SECRET, "server": platform.url, **more}
    )
    return Adapter(settings, Credentials(), http, StillClock())


def media(folder: Path, name: str, kind: str) -> Media:
    (folder / name).write_bytes(b"bytes of " + name.encode())
    return Media("a" * 64, kind, 12, name, path=str(folder / name))


class TestTelegram(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeTelegram()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http)

    def refusal(self, status: int) -> Reply:
        wait = {"retry_after": 17} if status == 429 else {}
        return refused(status, f"refused: {' '.join(self.secrets)}", **wait)


class TestTelegramWithAnAlbum(TestTelegram):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.picture = media(tmp_path, "moon.jpg", "image/jpeg")

    def message(self) -> Message:
        return Message(text="Lantern House", media=(self.picture,))


# what leaves, against the description of the Bot API


@functools.cache
def described() -> dict[str, jsonschema.Draft202012Validator]:
    """A validator for each method; limits are in the prose of the fields."""
    if not SPEC.exists():
        pytest.skip(f"the Bot API's description is not beside the repository ({SPEC.name})")
    api = json.loads(SPEC.read_text("utf-8"))
    known = {name: _type(entry) for name, entry in api["types"].items()}
    return {
        name: jsonschema.Draft202012Validator({**_fields(entry.get("fields", [])), "$defs": known})
        for name, entry in api["methods"].items()
    }


def _type(entry: Mapping[str, Any]) -> dict[str, Any]:
    if subtypes := entry.get("subtypes"):
        return {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in subtypes]}
    return _fields(entry.get("fields", []))


def _fields(fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field["name"]: _field(field) for field in fields},
        "required": [field["name"] for field in fields if field["required"]],
        "additionalProperties": False,
    }


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    names = field["types"]
    rule: dict[str, Any] = {"anyOf": [_named(name) for name in names]}
    if len(names) > 1 and all(name.startswith("Array of ") for name in names):
        rule = {"type": "array", "items": {"anyOf": [_named(name)["items"] for name in names]}}
    prose = field["description"]
    if length := re.search(r"(\d+)-(\d+) characters", prose):
        rule |= {"minLength": int(length[1]), "maxLength": int(length[2])}
    if items := re.search(r"must include (\d+)-(\d+) items", prose):
        rule |= {"minItems": int(items[1]), "maxItems": int(items[2])}
    if word := re.search(r"must be “?\"?(\w+)\"?”?$", prose):
        rule |= {"const": word[1]}
    return rule


def _named(name: str) -> dict[str, Any]:
    plain = {"Integer": "integer", "Float": "number", "String": "string", "Boolean": "boolean"}
    if name.startswith("Array of "):
        return {"type": "array", "items": _named(name.removeprefix("Array of "))}
    if name in plain:
        return {"type": plain[name]}
    return (
        {"const": True}
        if name == "True"
        else {"type": "string"}
        if name == "InputFile"
        else {"$ref": f"#/$defs/{name}"}
    )


LINK = "https://lantern-house.example/r/t1"


def messages(folder: Path) -> Iterator[tuple[str, Message]]:
    photo, film = media(folder, "moon.jpg", "image/jpeg"), media(folder, "moon.mp4", "video/mp4")
    yield "sendMessage", Message(text="Hallo")
    yield "sendMessage", Message(text="灯" * 4096)
    yield "sendMessage", Message(text="Hallo", link=LINK, reply_to=f"{CHAT}/41,42")
    yield "sendPhoto", Message(text="Bild", media=(photo,))
    yield "sendPhoto", Message(text="灯" * 1024, media=(photo,), reply_to=f"{CHAT}/41")
    yield "sendVideo", Message(text="Film", media=(film,))
    yield "sendMediaGroup", Message(text="Album", media=(photo, film))
    yield "sendMediaGroup", Message(text="Album", link=LINK, media=(photo,) * 10, reply_to=f"{CHAT}/41")


@pytest.mark.anyio
@pytest.mark.parametrize("more", [{}, {"silent": True}, {"preview": False}, {"chat": str(CHAT)}])
async def test_every_request_is_as_the_bot_api_describes_it(more: dict[str, Any], tmp_path: Path) -> None:
    validators = described()
    async with FakeTelegram() as platform, client() as http:
        ours = make(platform, http, **more)
        await ours.check()
        for method, message in messages(tmp_path):
            receipt = await ours.send(make_attempt(message))
            assert platform.requests[-1].path.endswith(f"/{method}")
            await ours.withdraw(receipt.remote_id)
        assert not platform.posts
    assert {seen.path.rpartition("/")[2] for seen in platform.requests} == {
        "getMe", "getChat", "deleteMessage", "sendMessage", "sendPhoto", "sendVideo", "sendMediaGroup",
    }  # fmt: skip
    for seen in platform.requests:
        declared = parameters(seen)
        for attached in re.findall(r"attach://(\w+)", str(declared)):
            assert declared.pop(attached) == "a file"
        method = seen.path.rpartition("/")[2]
        errors = [error.message for error in validators[method].iter_errors(declared)]
        assert not errors, f"{method} {declared}: {errors}"


def test_the_description_catches_what_it_should() -> None:
    """A validator that lets everything pass would prove nothing."""
    for method, wrong in (
        ("sendMessage", {"chat_id": 1}),
        ("sendMessage", {"chat_id": 1, "text": "x" * 4097}),
        ("sendMessage", {"chat_id": 1, "text": "x", "disable_web_page_preview": True}),
        ("sendPhoto", {"chat_id": 1, "photo": "x", "caption": "x" * 1025}),
        ("sendMediaGroup", {"chat_id": 1, "media": [{"type": "photo", "media": "x"}]}),
        ("sendMediaGroup", {"chat_id": 1, "media": [{"type": "picture", "media": "x"}] * 2}),
    ):
        assert not described()[method].is_valid(wrong), (method, wrong)


@pytest.mark.anyio
async def test_what_a_message_asks_for_is_in_the_request(tmp_path: Path) -> None:
    photo, film = media(tmp_path, "moon.jpg", "image/jpeg"), media(tmp_path, "moon.mp4", "video/mp4")
    message = Message(text="Album", link=LINK, media=(photo, film), reply_to=f"{CHAT}/41,42")
    async with FakeTelegram() as platform, client() as http:
        receipt = await make(platform, http, silent=True).send(make_attempt(message))
    assert receipt.remote_id == f"{CHAT}/1001,1002"
    assert receipt.url == "https://t.me/lantern_house/1001"
    assert platform.posts[f"{CHAT}/1001"].content[1] == {
        "chat_id": "@lantern_house",
        "disable_notification": True,
        "reply_parameters": {"chat_id": CHAT, "message_id": 41},
        "media": [
            {"type": "photo", "media": "attach://file0", "caption": f"Album\n\n{LINK}"},
            {"type": "video", "media": "attach://file1"},
        ],
        "file0": "a file",
        "file1": "a file",
    }
    assert platform.requests[0].fields["file1"] == b"bytes of moon.mp4"


@pytest.mark.anyio
async def test_a_private_chat_has_no_public_page() -> None:
    class Private(FakeTelegram):
        place = {"id": CHAT, "type": "supergroup", "title": "Lantern House"}

    async with Private() as platform, client() as http:
        ours = make(platform, http, chat=str(CHAT))
        assert (await ours.check()).url == ""
        assert (await ours.send(make_attempt(Message(text="Hallo")))).url == ""


# refusals


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact", "words"),
    [
        (refused(400, "Bad Request: chat not found"), Rejected, "HTTP 400: Bad Request: chat not found"),
        (refused(403, "Forbidden: bot was kicked from the channel chat"), Unauthorized, "bot was kicked"),
        # the group's number changed: no message gets through until a person writes the new one
        (refused(400, "Bad Request: group upgraded", migrate_to_chat_id=-100999), Unauthorized, "-100999"),
        (refused(429, "Too Many Requests", retry_after=8000), QuotaSpent, "Too Many Requests"),
        # an error inside a 200
        (refused(400, "Bad Request: chat not found", status=200), Rejected, "chat not found"),
        (refused(401, "Unauthorized", status=200), Unauthorized, "Unauthorized"),
        (refused(429, "Too Many Requests", status=200, retry_after=3), Retryable, "Too Many Requests"),
        (refused(500, "Internal Server Error", status=200), OutcomeUnknown, "Internal Server Error"),
    ],
)
async def test_each_refusal_is_one_fact(reply: Reply, fact: type[ChannelError], words: str) -> None:
    async with FakeTelegram() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(ChannelError) as caught:
            await make(platform, http).send(make_attempt(Message(text="Hallo")))
    assert type(caught.value) is fact
    assert words in str(caught.value)


@pytest.mark.anyio
async def test_withdrawing_again_is_no_trouble_but_a_refusal_is_told() -> None:
    async with FakeTelegram() as platform, client() as http:
        ours = make(platform, http)
        receipt = await ours.send(make_attempt(Message(text="Hallo")))
        platform.interfere(0, refused(400, "Bad Request: message can't be deleted"))
        with pytest.raises(Rejected, match="can't be deleted"):
            await ours.withdraw(receipt.remote_id)
        await ours.withdraw(receipt.remote_id)
        await ours.withdraw(receipt.remote_id)


@pytest.mark.anyio
async def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs each URL, and the token is in the path."""
    caplog.set_level(logging.DEBUG)
    async with FakeTelegram() as platform, client() as http:
        await make(platform, http).send(make_attempt(Message(text="Hallo")))
        await http.get(f"{platform.url}/elsewhere")
    assert TOKEN not in caplog.text
    assert "/elsewhere" in caplog.text  # other requests are still logged


def test_a_token_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        TelegramSettings(token="not-a-token-but-secret", chat="@lantern_house")
    assert "BotFather" in str(caught.value)
    assert "not-a-token-but-secret" not in str(caught.value)


# webhooks


def update(**more: Any) -> bytes:
    return json.dumps({"update_id": 77, **more}).encode()


COUNTED = update(
    message_reaction_count={
        "chat": PLACE,
        "message_id": 1001,
        "date": 1_794_355_200,
        "reactions": [
            {"type": {"type": "emoji", "emoji": "🔥"}, "total_count": 5},
            {"type": {"type": "paid"}, "total_count": 2},
        ],
    }
)


def hear(body: bytes, secret: str = SECRET, **more: Any) -> Any:
    headers = {"x-telegram-bot-api-secret-token": secret}
    request = HeardRequest("POST", "https://lantern-house.example/hooks/telegram", headers, {}, body)
    return make(FakeTelegram(), None, server="https://api.telegram.org", **more).hear(request)  # type: ignore[arg-type]


def test_reactions_become_one_event_with_the_running_total() -> None:
    (event,) = hear(COUNTED).events
    assert (event.external_id, event.kind, event.value) == ("77", "reactions", 7)
    assert event.remote_id == f"{CHAT}/1001"
    assert event.occurred_at == datetime.fromtimestamp(1_794_355_200, UTC)


@pytest.mark.parametrize("secret", ["", "wrong", SECRET[:-1], f"{SECRET}x", "schlüssel"])
def test_a_wrong_secret_is_unauthorized(secret: str) -> None:
    with pytest.raises(Unauthorized):
        hear(COUNTED, secret)


def test_without_a_configured_secret_nothing_is_believed() -> None:
    with pytest.raises(Unauthorized):
        hear(COUNTED, "", webhook_secret="")


def test_other_updates_are_taken_and_broken_ones_are_told_so() -> None:
    assert hear(update(message={"text": "hi"})).events == ()
    assert hear(update(message={"text": "hi"})).status == 200
    assert hear(b"{").status == 400


def test_the_window_of_a_group_is_kept() -> None:
    assert Adapter.quota is not None
    assert (Adapter.quota.count, Adapter.quota.window) == (20, timedelta(minutes=1))
