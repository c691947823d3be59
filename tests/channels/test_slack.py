"""Slack: the suite, requests as the vendor's pages show them, threads, pictures, codes, webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from channels.base import (
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    HeardRequest,
    Metric,
    OutcomeUnknown,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.slack import Adapter, SlackSettings
from channels.testing import (
    NOW,
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

TOKEN = "xoxb-token-of-the-lantern-bot"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
CHANNEL = "C0LANTERN"
LINK = "https://lantern-house.example/r/s1?a=1&b=2"

_TEXT = {"type": "string"}
_TS = {"type": "string", "pattern": r"^\d+\.\d{6}$"}


def _only(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_PLAIN = _only(("type", "text"), type={"const": "plain_text"}, text={**_TEXT, "maxLength": 150})
_MRKDWN = _only(("type", "text"), type={"const": "mrkdwn"}, text={**_TEXT, "minLength": 1, "maxLength": 3000})
_FILE = _only(("id",), id=_TEXT)
#: The arguments that we send, as on docs.slack.dev/reference/methods/<name> and, for the image block, on
#: docs.slack.dev/reference/block-kit/blocks/image-block (that and the two of files were read 2026-11-22; the
#: others are unverified). Slack's own machine-readable file is of 2021.
PAGES = {
    "auth.test": _only(),
    "chat.postMessage": _only(
        ("channel", "text"),
        channel=_TEXT,
        text=_TEXT,
        mrkdwn={"type": "boolean"},
        thread_ts=_TS,
        metadata=_only(("event_type", "event_payload"), event_type=_TEXT, event_payload={"type": "object"}),
        blocks={
            "type": "array",
            "maxItems": 50,
            "items": {
                "oneOf": [
                    _only(("type", "text"), type={"const": "header"}, text=_PLAIN),
                    _only(("type", "text"), type={"const": "section"}, text=_MRKDWN),
                    _only(
                        ("type", "alt_text", "slack_file"),
                        type={"const": "image"},
                        alt_text={**_TEXT, "minLength": 1, "maxLength": 2000},
                        slack_file=_FILE,
                    ),
                ]
            },
        },
    ),
    "chat.delete": _only(("channel", "ts"), channel=_TEXT, ts=_TS),
    "conversations.history": _only(
        ("channel",),
        channel=_TEXT,
        oldest=_TS,
        include_all_metadata={"type": "boolean"},
        limit={"type": "integer", "maximum": 999},
    ),
    "conversations.replies": _only(
        ("channel", "ts"), channel=_TEXT, ts=_TS, limit={"type": "integer", "maximum": 1000}
    ),
    "files.getUploadURLExternal": _only(
        ("filename", "length"), filename=_TEXT, length={"type": "integer"}, alt_txt={"maxLength": 1000}
    ),
    "files.completeUploadExternal": _only(
        ("files",), files={"type": "array", "items": _only(("id",), id=_TEXT, title=_TEXT)}
    ),
}


class FakeSlack(FakePlatform):
    """Answers as Slack's methods do, with 200 for refusals too."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, dict[str, Any]] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.path.startswith("/upload/v1/"):
            self.files[seen.path.rpartition("/")[2]]["content"] = seen.body
            return Reply(200, body=b"OK - 12")
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return refused("invalid_auth")
        method = seen.path.removeprefix("/api/")
        given = arguments(seen)
        wrong = [e.message for e in jsonschema.Draft202012Validator(PAGES[method]).iter_errors(given)]
        if wrong:
            return refused(f"invalid_arguments: {wrong}")
        return {
            "auth.test": self.who,
            "chat.postMessage": self.post,
            "chat.delete": self.delete,
            "conversations.history": self.history,
            "conversations.replies": self.replies,
            "files.getUploadURLExternal": self.place,
            "files.completeUploadExternal": self.complete,
        }[method](given)

    def who(self, _: dict[str, Any]) -> Reply:
        url = "https://lantern-house.slack.com/"
        return Reply(json={"ok": True, "url": url, "team": "Lantern House", "user": "silkpost"})

    def post(self, given: dict[str, Any]) -> Reply:
        shown = [block["slack_file"]["id"] for block in given.get("blocks", []) if block["type"] == "image"]
        if any(not self.files[one].get("complete") for one in shown):
            return refused("invalid_blocks")
        number = self.publish(given)
        content = self.posts.pop(number)
        ts = f"1794355200.{int(number):06}"
        self.posts[f"{CHANNEL}/{ts}"] = content
        return Reply(json={"ok": True, "channel": CHANNEL, "ts": ts, "message": {}})

    def delete(self, given: dict[str, Any]) -> Reply:
        gone = self.posts.pop(f"{given['channel']}/{given['ts']}", None)
        return Reply(json={"ok": True}) if gone else refused("message_not_found")

    def history(self, _: dict[str, Any]) -> Reply:
        said = [
            {"type": "message", "ts": name.partition("/")[2], "metadata": post.content["metadata"]}
            for name, post in self.posts.items()
            if "thread_ts" not in post.content
        ]
        return Reply(json={"ok": True, "messages": [*reversed(said), {"type": "message", "ts": "1.000000"}]})

    def replies(self, given: dict[str, Any]) -> Reply:
        name = f"{given['channel']}/{given['ts']}"
        if name not in self.posts:
            return refused("thread_not_found")
        return Reply(json={"ok": True, "messages": [{"ts": given["ts"], **self.counts.get(name, {})}]})

    def place(self, given: dict[str, Any]) -> Reply:
        id = f"F{len(self.files):08}"
        self.files[id] = dict(given)
        return Reply(json={"ok": True, "upload_url": f"{self.url}/upload/v1/{id}", "file_id": id})

    def complete(self, given: dict[str, Any]) -> Reply:
        for file in given["files"]:
            self.files[file["id"]]["complete"] = True
        return Reply(json={"ok": True, "files": given["files"]})


def refused(error: str) -> Reply:
    return Reply(json={"ok": False, "error": error})


def arguments(seen: Seen) -> dict[str, Any]:
    """A form's arguments as the values they stand for: ids, names and texts stay text."""
    texts = ("text", "channel", "ts", "thread_ts", "oldest", "filename", "alt_txt")
    return {name: v if name in texts else json.loads(v) for name, v in seen.fields.items()}


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = SlackSettings(
        **{
            "token": TOKEN,
            "channel": CHANNEL,
            "signing_secret": SECRET,
            "server": platform.url or "https://slack.com",
            **more,
        }
    )
    return Adapter(settings, Credentials(), http, StillClock())


def picture(folder: Path, name: str = "moon.jpg", alt: str = "A moon lantern") -> Media:
    (folder / name).write_bytes(b"bytes of " + name.encode())
    return Media("a" * 64, "image/jpeg", 16, name, alt=alt, path=str(folder / name))


class TestSlack(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeSlack()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        counts: dict[str, Any] = {}
        if Metric.LIKES in values:
            counts["reactions"] = [{"name": "tada", "count": values[Metric.LIKES]}, {"name": "x", "count": 0}]
        if Metric.REPLIES in values:
            counts["reply_count"] = values[Metric.REPLIES]
        platform.counts[remote_id] = counts


class TestSlackWithAPicture(TestSlack):
    """Four exchanges: a place, the bytes, the end of the upload, the message that shows it."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.picture = picture(tmp_path)

    def message(self) -> Message:
        return Message(text="Lantern House", title="Tonight", media=(self.picture,))


@pytest.mark.anyio
@pytest.mark.parametrize("pictures", [0, 1, 2])
@pytest.mark.parametrize(
    "more", [{}, {"title": "Tonight"}, {"link": LINK}, {"reply_to": f"{CHANNEL}/1.000001"}]
)
async def test_every_request_is_as_the_pages_show_it(
    more: dict[str, str], pictures: int, tmp_path: Path
) -> None:
    media = tuple(picture(tmp_path, f"{n}.jpg", "" if n else "A moon lantern") for n in range(pictures))
    message = Message(text="Hallo", media=media, **more)  # type: ignore[arg-type]
    assert not problems(message, Adapter.limits, Adapter.carries)
    async with FakeSlack() as platform, client() as http:
        receipt = await make(platform, http).send(make_attempt(message))
    sent = platform.posts[receipt.remote_id].content
    assert ("blocks" in sent) == bool(pictures or message.title)
    assert [file["content"] for file in platform.files.values()] == [
        b"bytes of %d.jpg" % n for n in range(pictures)
    ]
    assert sent.get("thread_ts") == ("1.000001" if message.reply_to else None)


@pytest.mark.anyio
async def test_marks_of_slack_in_a_text_are_shown_and_not_obeyed() -> None:
    """`<!channel>` would ring for everybody."""
    async with FakeSlack() as platform, client() as http:
        receipt = await make(platform, http).send(make_attempt(Message(text="<!channel> R&D", link=LINK)))
    sent = platform.posts[receipt.remote_id].content
    assert sent["text"] == f"&lt;!channel&gt; R&amp;D\n\n{LINK.replace('&', '&amp;')}"
    assert sent["mrkdwn"] is False


THREAD = Message(text="Eins", thread=("Zwei", "Drei"))


@pytest.mark.anyio
@pytest.mark.parametrize("step", [0, 1, 2])
async def test_a_thread_hangs_on_its_first_message_and_is_resumed_without_a_double(step: int) -> None:
    saved: dict[str, Any] = {}
    async with FakeSlack() as platform, client() as http:
        platform.interfere(step, Death.BEFORE)
        with pytest.raises(OutcomeUnknown):
            await make(platform, http).send(make_attempt(THREAD, save=saved.update))
        platform.revive()
        receipt = await make(platform, http).send(make_attempt(THREAD, number=2, resume=saved))
    first = receipt.remote_id.split(",")[0].partition("/")[2]
    assert receipt.remote_id.split(",") == list(platform.posts)
    assert [post.content.get("thread_ts") for post in platform.posts.values()] == [None, first, first]
    async with FakeSlack() as platform, client() as http:
        ours = make(platform, http)
        receipt = await ours.send(make_attempt(THREAD))
        await ours.withdraw(receipt.remote_id)
        assert not platform.posts
        await ours.withdraw(receipt.remote_id)


@pytest.mark.anyio
async def test_a_picture_that_is_up_is_not_sent_again(tmp_path: Path) -> None:
    saved: dict[str, Any] = {}
    message = Message(text="Bild", media=(picture(tmp_path), picture(tmp_path, "sun.jpg")))
    async with FakeSlack() as platform, client() as http:
        platform.interfere(4, Death.AFTER)
        with pytest.raises(Retryable):
            await make(platform, http).send(make_attempt(message, save=saved.update))
        platform.revive()
        await make(platform, http).send(make_attempt(message, number=2, resume=saved))
    assert saved == {"pictures": ["F00000000"]}
    assert [file["filename"] for file in platform.files.values()].count("moon.jpg") == 1


@pytest.mark.anyio
async def test_find_knows_our_own_mark_and_no_other() -> None:
    async with FakeSlack() as platform, client() as http:
        ours = make(platform, http)
        receipt = await ours.send(make_attempt(Message(text="Hallo")))
        assert await ours.find(make_attempt(Message(text="Hallo"))) == Found(receipt)
        assert isinstance(await ours.find(make_attempt(Message(text="Hallo"), key="other")), CannotTell)
        assert isinstance(await ours.find(make_attempt(THREAD)), CannotTell)
        platform.interfere(0, refused("missing_scope"))
        told = await ours.find(make_attempt(Message(text="Hallo")))
        assert isinstance(told, CannotTell)
        assert "missing_scope; the scope is channels:history" in told.why


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "fact"),
    [
        ("invalid_auth", Unauthorized),
        ("not_in_channel", Unauthorized),
        ("is_archived", Unauthorized),
        ("ratelimited", Retryable),
        ("request_timeout", Retryable),
        ("internal_error", OutcomeUnknown),  # "it's possible some aspect of the operation succeeded"
        ("fatal_error", OutcomeUnknown),
        ("msg_blocks_too_long", Rejected),
        ("an_error_of_next_year", Rejected),
    ],
)
async def test_an_error_inside_a_200_is_the_fact_it_is(error: str, fact: type[ChannelError]) -> None:
    async with FakeSlack() as platform, client() as http:
        platform.interfere(0, refused(error))
        with pytest.raises(ChannelError, match=f"HTTP 200: {error}") as caught:
            await make(platform, http).send(make_attempt(Message(text="Hallo")))
    assert isinstance(caught.value, fact)
    assert isinstance(caught.value, Retryable) == (fact is Retryable)


# webhooks


def signed(body: bytes, secret: str = SECRET, stamp: str = "") -> HeardRequest:
    stamp = stamp or str(int(NOW.timestamp()))
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-signature": f"v0={mac}", "x-slack-request-timestamp": stamp}
    return HeardRequest("POST", "https://lantern-house.example/hooks/slack", headers, {}, body)


def hear(request: HeardRequest, **more: Any) -> Any:
    return make(FakeSlack(), None, **more).hear(request)  # type: ignore[arg-type]


def told(**event: Any) -> bytes:
    at = int(NOW.timestamp())
    return json.dumps(
        {"type": "event_callback", "event_id": "Ev1", "event_time": at, "event": event}
    ).encode()


def test_the_signature_is_the_documented_one() -> None:
    """The example of docs.slack.dev/authentication/verifying-requests-from-slack, which is of 2018."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
        b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    ours = signed(body, stamp="1531420618").headers["x-slack-signature"]
    assert ours == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def test_a_reply_and_a_reaction_are_events_and_our_own_words_are_none() -> None:
    thread = told(type="message", channel=CHANNEL, thread_ts="1.000001", ts="2.000001", user="U1")
    (event,) = hear(signed(thread)).events
    assert (event.external_id, event.kind, event.remote_id) == ("Ev1", "replied", f"{CHANNEL}/1.000001")
    assert event.occurred_at == NOW
    item = {"type": "message", "channel": CHANNEL, "ts": "1.000001"}
    (event,) = hear(signed(told(type="reaction_added", reaction="tada", item=item))).events
    assert (event.kind, event.remote_id) == ("reacted", f"{CHANNEL}/1.000001")
    ours = told(type="message", channel=CHANNEL, thread_ts="1.000001", bot_id="B1")
    assert hear(signed(ours)).events == ()
    assert hear(signed(told(type="message", channel=CHANNEL))).events == ()
    assert hear(signed(b"payload=%7B%7D")).status == 400


def test_the_address_is_confirmed_with_the_challenge() -> None:
    body = json.dumps({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aB"}).encode()
    assert hear(signed(body)).reply == b"3eZbrw1aB"


@pytest.mark.parametrize(
    "wrong",
    [
        signed(told(), secret="another"),
        signed(told(), stamp=str(int(NOW.timestamp()) - 301)),
        signed(told(), stamp=str(int(NOW.timestamp()) + 301)),
        signed(told(), stamp="soon"),
        signed(told(), stamp="²"),
    ],
)
def test_a_wrong_or_old_signature_is_unauthorized(wrong: HeardRequest) -> None:
    with pytest.raises(Unauthorized):
        hear(wrong)


def test_a_changed_body_and_a_missing_secret_are_unauthorized() -> None:
    request = signed(told())
    with pytest.raises(Unauthorized):
        hear(HeardRequest("POST", request.url, request.headers, {}, request.body + b" "))
    with pytest.raises(Unauthorized):
        hear(signed(told(), secret=""), signing_secret="")
