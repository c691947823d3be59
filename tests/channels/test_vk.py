"""VK: the suite, every call against the vendor's schema, uploads, errors inside a 200, callbacks."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels._in_time_testing import TokenEnd
from channels.base import (
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    HeardRequest,
    Metric,
    OutcomeUnknown,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.testing import (
    KEY,
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
from channels.vk import Adapter, VkSettings
from content.message import Media, Message, problems

TOKEN = "vk1.a.token-of-the-shop"
SECRET = "callback-secret-of-the-shop"
COMMUNITY = 212345678
LINK = "https://lantern-house.example/r/v1"
SPECS = Path(__file__).parents[3] / "shared/specs/vk"


class FakeVk(FakePlatform):
    """Answers as VKCOM/vk-api-schema 5.199 and dev.vk.com say; read 2026-11-22."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, dict[str, int]] = {}
        self.uploads: list[tuple[str, bytes]] = []

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/upload/photo":
            self.uploads.append(("photo", seen.fields["photo"]))
            return Reply(json={"server": 857, "photo": '[{"photo":"f2"}]', "hash": "h" * 32})
        if seen.path == "/upload/film":
            self.uploads.append(("film", seen.fields["video_file"]))
            return Reply(json={"size": 9, "video_id": 4242})
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return refused(5, "User authorization failed: invalid access_token (4).")
        method = seen.path.removeprefix("/method/")
        routes: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "groups.getById": lambda _: done({"groups": [{"id": COMMUNITY, "name": "Lantern House"}]}),
            "photos.getWallUploadServer": lambda _: done(
                {"upload_url": f"{self.url}/upload/photo?act=do_add"}
            ),
            "photos.saveWallPhoto": lambda _: done([{"id": 456, "owner_id": 77}]),
            "video.save": lambda _: done(
                {"upload_url": f"{self.url}/upload/film", "video_id": 4242, "owner_id": -COMMUNITY}
            ),
            "wall.post": self.post,
            "wall.get": self.latest,
            "wall.getById": self.by_id,
            "wall.delete": self.delete,
        }
        return routes[method](seen.fields)

    def post(self, given: dict[str, Any]) -> Reply:
        number = self.publish(given)
        content = self.posts.pop(number)
        self.posts[f"-{COMMUNITY}_{number}"] = content
        return done({"post_id": int(number)})

    def shown(self, name: str) -> dict[str, Any]:
        owner, _, post = name.partition("_")
        counts = {each: {"count": value} for each, value in self.counts.get(name, {}).items()}
        text = self.posts[name].content.get("message", "")
        return {"id": int(post), "owner_id": int(owner), "date": int(NOW.timestamp()), "text": text, **counts}

    def latest(self, _: dict[str, Any]) -> Reply:
        return done({"count": len(self.posts), "items": [self.shown(name) for name in reversed(self.posts)]})

    def by_id(self, given: dict[str, Any]) -> Reply:
        names = given["posts"].split(",")
        gone = [
            {"id": 9, "owner_id": -COMMUNITY, "is_deleted": True, "likes": {"count": 0}}
            for name in names
            if name not in self.posts
        ]
        return done({"items": [*gone, *[self.shown(name) for name in names if name in self.posts]]})

    def delete(self, given: dict[str, Any]) -> Reply:
        gone = self.posts.pop(f"{given['owner_id']}_{given['post_id']}", None)
        return done(1) if gone else refused(104, "Not found")


def done(response: Any) -> Reply:
    return Reply(json={"response": response})


def refused(code: int, words: str) -> Reply:
    """VK repeats what it was asked, and answers 200."""
    echo = [{"key": "method", "value": "wall.post"}, {"key": "access_token", "value": TOKEN}]
    return Reply(json={"error": {"error_code": code, "error_msg": words, "request_params": echo}})


def make(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = VkSettings(
        **{
            "token": TOKEN,
            "community": COMMUNITY,
            "callback_secret": SECRET,
            "confirmation": "7c1b9a2d",
            "server": platform.url or "https://api.vk.com",
            **more,
        }
    )
    return Adapter(settings, Credentials(), http, StillClock())


def media(folder: Path, name: str, kind: str) -> Media:
    (folder / name).write_bytes(b"bytes of " + name.encode())
    return Media("a" * 64, kind, 16, name, path=str(folder / name))


class TestVk(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeVk()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return make(platform, http)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {
            Metric.LIKES: "likes",
            Metric.REPLIES: "comments",
            Metric.SHARES: "reposts",
            Metric.VIEWS: "views",
        }
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestVkWithAPicture(TokenEnd, TestVk):
    """Four exchanges: a place, the bytes, the keeping, the post that shows it."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.picture = media(tmp_path, "moon.jpg", "image/jpeg")

    def message(self) -> Message:
        return Message(text="Lantern House", media=(self.picture,))

    def end_token(self, platform: Any) -> Reply | None:
        return refused(5, "User authorization failed: access_token has expired.")


# what leaves, against the vendor's schema


@functools.cache
def methods() -> dict[str, dict[str, Any]]:
    """The declared parameters of each method."""
    if not SPECS.exists():
        pytest.skip("the vendor's contract is not beside the repository (vk)")
    found = {}
    for group in ("wall", "photos", "video", "groups"):
        for method in json.loads((SPECS / group / "methods.json").read_text("utf-8"))["methods"]:
            found[method["name"]] = {each["name"]: each for each in method.get("parameters", [])}
    return found


def wrong(method: str, given: Mapping[str, str]) -> list[str]:
    """What the schema holds against a call; forms carry text, so a type is what the text may stand for."""
    declared = methods()[method]
    found = [f"{name}: not declared" for name in given if name not in {*declared, "v"}]
    found += [
        f"{name}: missing" for name, rule in declared.items() if rule.get("required") and name not in given
    ]
    for name, text in given.items():
        rule = declared.get(name, {})
        kind = rule.get("type")
        if kind == "integer" and not text.removeprefix("-").isdigit():
            found.append(f"{name}: {text!r} is no integer")
        elif kind == "integer" and int(text) < rule.get("minimum", int(text)):
            found.append(f"{name}: {text} is below {rule['minimum']}")
        elif kind == "boolean" and text not in ("0", "1"):
            found.append(f"{name}: {text!r} is neither 0 nor 1")
    return found


@pytest.mark.anyio
async def test_every_call_is_as_the_schema_declares_it(tmp_path: Path) -> None:
    methods()
    photo, film = media(tmp_path, "moon.jpg", "image/jpeg"), media(tmp_path, "moon.mp4", "video/mp4")
    messages = [
        Message(text="Привет"),
        Message(text="Привет", link=LINK, paid=True),
        Message(text="", media=(photo,)),
        Message(text="Привет", link=LINK, media=(photo, film), paid=True),
        Message(text="Привет", media=(photo,) * 10),
    ]
    async with FakeVk() as platform, client() as http:
        ours = make(platform, http)
        await ours.check()
        for message in messages:
            assert not problems(message, Adapter.limits, Adapter.carries)
            receipt = await ours.send(make_attempt(message))
            await ours.engagement([receipt.remote_id])
            await ours.find(make_attempt(message))
            await ours.withdraw(receipt.remote_id)
    calls = [seen for seen in platform.requests if seen.path.startswith("/method/")]
    for seen in calls:
        assert not wrong(seen.path.removeprefix("/method/"), seen.fields)
    assert {seen.path.rpartition("/")[2] for seen in calls} == {
        "groups.getById", "photos.getWallUploadServer", "photos.saveWallPhoto", "video.save",
        "wall.post", "wall.get", "wall.getById", "wall.delete",
    }  # fmt: skip


def test_the_schema_catches_what_it_should() -> None:
    """A check that lets everything pass would prove nothing."""
    for method, given in (
        ("wall.post", {"text": "x"}),
        ("wall.post", {"from_group": "yes"}),
        ("wall.post", {"owner_id": "club1"}),
        ("wall.getById", {}),
        ("photos.saveWallPhoto", {"group_id": "-1", "photo": "x"}),
    ):
        assert wrong(method, given), (method, given)


@pytest.mark.anyio
async def test_what_a_message_asks_for_is_in_the_post(tmp_path: Path) -> None:
    photo, film = media(tmp_path, "moon.jpg", "image/jpeg"), media(tmp_path, "moon.mp4", "video/mp4")
    async with FakeVk() as platform, client() as http:
        ours = make(platform, http)
        receipt = await ours.send(make_attempt(Message(text="Привет", link=LINK, paid=True)))
        pictured = await ours.send(make_attempt(Message(text="Привет", link=LINK, media=(photo, film))))
    assert receipt.url == f"https://vk.com/wall-{COMMUNITY}_1001"
    assert platform.posts[receipt.remote_id].content == {
        "owner_id": str(-COMMUNITY),
        "from_group": "1",
        "guid": KEY,
        "message": f"Привет\n\n{LINK}",
        "attachments": LINK,
        "mark_as_ads": "1",
        "v": "5.199",
    }
    assert platform.posts[pictured.remote_id].content["attachments"] == f"photo77_456,video-{COMMUNITY}_4242"
    assert platform.uploads == [("photo", b"bytes of moon.jpg"), ("film", b"bytes of moon.mp4")]


@pytest.mark.anyio
@pytest.mark.parametrize("step", range(9))
async def test_a_post_that_breaks_anywhere_before_the_wall_is_resumed(step: int, tmp_path: Path) -> None:
    """What was kept is not uploaded again, and there is one post."""
    saved: dict[str, Any] = {}
    message = Message(text="x", media=tuple(media(tmp_path, f"{n}.jpg", "image/jpeg") for n in range(3)))
    async with FakeVk() as platform, client() as http:
        platform.interfere(step, Death.AFTER)
        with suppress(Retryable):
            await make(platform, http).send(make_attempt(message, save=saved.update))
        platform.revive()
        before = len(platform.uploads) - len(saved.get("attachments", []))
        await make(platform, http).send(make_attempt(message, number=2, resume=dict(saved)))
    assert len(platform.uploads) == 3 + before
    assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_a_picture_that_vk_cannot_read_is_a_refusal_that_names_it(tmp_path: Path) -> None:
    async with FakeVk() as platform, client() as http:
        platform.interfere(1, Reply(json={"server": 857, "photo": "[]", "hash": "h"}))
        message = Message(text="x", media=(media(tmp_path, "moon.tiff", "image/tiff"),))
        with pytest.raises(Rejected, match=r"moon\.tiff: VK took no picture"):
            await make(platform, http).send(make_attempt(message))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "fact"),
    [
        (1, OutcomeUnknown),
        (10, OutcomeUnknown),
        (36, OutcomeUnknown),
        (6, Retryable),
        (9, Retryable),
        (29, QuotaSpent),
        (5, Unauthorized),
        (14, Unauthorized),  # a captcha is for a person
        (17, Unauthorized),
        (15, Unauthorized),
        (214, Unauthorized),
        (100, Rejected),
        (219, Rejected),
        (222, Rejected),
        (12345, Rejected),
    ],
)
async def test_an_error_inside_a_200_is_the_fact_it_is(code: int, fact: type[ChannelError]) -> None:
    async with FakeVk() as platform, client() as http:
        platform.interfere(0, refused(code, "no, says VK"))
        with pytest.raises(ChannelError, match=rf"no, says VK \({code}\)") as caught:
            await make(platform, http).send(make_attempt(Message(text="x")))
    assert isinstance(caught.value, fact)
    assert isinstance(caught.value, Retryable) == (fact is Retryable)
    assert TOKEN not in str(caught.value)


@pytest.mark.anyio
async def test_find_knows_the_post_by_its_link_or_its_whole_text() -> None:
    linked, plain = Message(text="Смотрите", link=LINK), Message(text="Праздник")
    async with FakeVk() as platform, client() as http:
        ours = make(platform, http)
        for message in (linked, plain):
            assert isinstance(await ours.find(make_attempt(message)), CannotTell)
            receipt = await ours.send(make_attempt(message))
            assert await ours.find(make_attempt(message)) == Found(receipt)
        assert isinstance(await ours.find(make_attempt(Message(text="Праздн"))), CannotTell)
        old = make_attempt(plain)
        old.since = NOW + timedelta(days=300)  # the same words were posted last year
        assert isinstance(await ours.find(old), CannotTell)


@pytest.mark.anyio
async def test_engagement_asks_a_hundred_at_a_time() -> None:
    async with FakeVk() as platform, client() as http:
        for number in range(130):
            platform.post({"message": str(number)})
        platform.counts = {name: {"likes": n} for n, name in enumerate(platform.posts)}
        readings = await make(platform, http).engagement(list(platform.posts))
    assert {r.remote_id: r.value for r in readings} == dict(zip(platform.posts, range(130), strict=True))
    assert len(platform.requests) == 2


# callbacks


def told(type: str, object: dict[str, Any] | None = None, **more: Any) -> HeardRequest:
    body = {"type": type, "group_id": COMMUNITY, "event_id": "e1", "v": "5.199", "secret": SECRET}
    body |= {"object": object} if object else {}
    raw = json.dumps({**body, **more}).encode()
    return HeardRequest("POST", "https://lantern-house.example/hooks/vk", {}, {}, raw)


def hear(request: HeardRequest, **more: Any) -> Any:
    return make(FakeVk(), None, **more).hear(request)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type", "object", "kind"),
    [
        (
            "wall_reply_new",
            {"id": 5, "owner_id": -COMMUNITY, "post_id": 1001, "date": 1_794_355_200},
            "replied",
        ),
        (
            "wall_repost",
            {"id": 9, "owner_id": 4, "copy_history": [{"id": 1001, "owner_id": -COMMUNITY}]},
            "shared",
        ),
        ("like_add", {"object_type": "post", "object_owner_id": -COMMUNITY, "object_id": 1001}, "liked"),
    ],
)
def test_a_callback_is_an_event_on_its_post(type: str, object: dict[str, Any], kind: str) -> None:
    heard = hear(told(type, object))
    (event,) = heard.events
    assert (event.external_id, event.kind, event.remote_id) == ("e1", kind, f"-{COMMUNITY}_1001")
    assert event.occurred_at == NOW
    assert heard.reply == b"ok"


def test_other_callbacks_are_taken_note_of() -> None:
    assert hear(told("group_join", {"user_id": 1})).events == ()
    assert hear(told("like_add", {"object_type": "comment", "object_id": 3})).events == ()


def test_the_address_is_confirmed_for_our_community_alone() -> None:
    assert hear(told("confirmation", secret="")).reply == b"7c1b9a2d"
    with pytest.raises(Unauthorized):
        hear(told("confirmation", group_id=1, secret=""))
    with pytest.raises(Unauthorized):
        hear(told("confirmation", secret=""), confirmation="")


@pytest.mark.parametrize(
    "wrong",
    [
        told("group_join", secret=""),
        told("group_join", secret=SECRET[:-1]),
        told("group_join", secret="секрет"),
        told("group_join", group_id=1),
        HeardRequest("POST", "https://x.example/", {}, {}, b"{"),
    ],
)
def test_a_wrong_secret_is_unauthorized(wrong: HeardRequest) -> None:
    with pytest.raises(Unauthorized):
        hear(wrong)


def test_without_a_configured_secret_nothing_is_believed() -> None:
    with pytest.raises(Unauthorized):
        hear(told("group_join", secret=""), callback_secret="")
