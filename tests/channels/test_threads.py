"""Threads: the suite, threads of containers, counting, webhooks, and the vendor's Postman collection."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels import threads
from channels._in_time_testing import Expiry, SlowWork, TokenEnd
from channels.base import (
    Absent,
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
from channels.threads import Adapter, ThreadsSettings
from content.message import Media, Message, problems

COLLECTION = Path(__file__).parents[3] / "shared/specs/threads/threads-api.postman_collection.json"
TOKEN, SECRET = "threads-token-of-the-shop", "threads-secret-of-the-shop"
LINK = "https://lantern-house.example/r/t1?a=1"
PICTURE = Media("a" * 64, "image/jpeg", 9, "moon.jpg", alt="Mond", url="https://lantern-house.example/m.jpg")
FILM = Media("b" * 64, "video/mp4", 9, "film.mp4", alt="Film", url="https://lantern-house.example/f.mp4")
THREAD = Message(text="Eins", thread=("Zwei", "Drei"))


class FakeThreads(FakePlatform):
    """Answers as developers.facebook.com/documentation/threads says; read 2026-11-22."""

    def __init__(self, slow: int = 0) -> None:
        super().__init__()
        self.slow = slow
        self.token = TOKEN
        self.containers: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/refresh_access_token":
            self.token = f"{TOKEN}-2"
            return Reply(json={"access_token": self.token, "token_type": "bearer", "expires_in": 5_184_000})
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401, json={"error": {"message": "Invalid OAuth access token", "code": 190}})
        path = seen.path.removeprefix("/v1.0/")
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", "me"): lambda _: Reply(json={"id": "7", "username": "lantern"}),
            ("GET", "me/threads_publishing_limit"): self.limit,
            ("POST", "me/threads"): self.make,
            ("GET", "me/threads"): self.latest,
            ("POST", "me/threads_publish"): self.put,
        }
        if route := routes.get((seen.method, path)):
            return route(seen)
        return self.node(seen, *path.split("/"))

    def node(self, seen: Seen, id: str, edge: str = "") -> Reply:
        if id in self.containers:
            self.slow = max(self.slow - 1, 0)
            waits = "IN_PROGRESS" if self.slow else "FINISHED"
            return Reply(json={"id": id, "status": self.containers[id].get("published", waits)})
        if id not in self.posts:
            error = {"message": "Object does not exist", "code": 100, "error_subcode": 33}
            return Reply(400, json={"error": error})
        if edge == "insights":
            data = [{"name": n, "values": [{"value": v}]} for n, v in self.counts.get(id, {}).items()]
            return Reply(json={"data": data})
        if seen.method == "DELETE":
            del self.posts[id]
            return Reply(json={"success": True})
        return Reply(json={"id": id, "permalink": f"https://www.threads.net/@lantern/post/{id}"})

    def limit(self, seen: Seen) -> Reply:
        config = {"quota_total": 250, "quota_duration": 86400}
        return Reply(json={"data": [{"config": config, "quota_usage": 3}]})

    def make(self, seen: Seen) -> Reply:
        id = str(500 + len(self.containers))
        self.containers[id] = dict(seen.fields)
        return Reply(json={"id": id})

    def put(self, seen: Seen) -> Reply:
        container = self.containers[seen.fields["creation_id"]]
        id = self.publish(dict(container))
        container["published"] = "PUBLISHED"
        return Reply(json={"id": id})

    def latest(self, seen: Seen) -> Reply:
        at = {"timestamp": "2026-11-11T00:00:01+0000", "permalink": "https://www.threads.net/x"}
        found = [{"id": id, "text": p.content.get("text", ""), **at} for id, p in self.posts.items()]
        return Reply(json={"data": found[::-1]})


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    server = f"{platform.url or 'https://threads.example'}/v1.0"
    settings = ThreadsSettings(**{"token": TOKEN, "app_secret": SECRET, "server": server, **more})
    return Adapter(settings, credentials or Credentials(), http, StillClock())


class TestThreads(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeThreads()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in threads._METRICS.items()}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestThreadsWithACarousel(SlowWork, Expiry, TokenEnd, TestThreads):
    def message(self) -> Message:
        return Message(text="Lantern House", media=(PICTURE, FILM))

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        asks = seen.method == "GET" and seen.path.rpartition("/")[2] in platform.containers
        return Reply(json={"id": "500", "status": "IN_PROGRESS"}) if asks else None

    def expire(self, platform: Any) -> None:
        for container in platform.containers.values():
            container["published"] = "EXPIRED"


async def attempt(platform: FakeThreads, message: Message, saved: dict[str, Any]) -> ChannelError | None:
    async with client() as http:
        one = make_attempt(message, resume=json.loads(json.dumps(saved)), save=saved.update)
        try:
            await adapter(platform, http).send(one)
        except ChannelError as error:
            return error
    return None


@pytest.mark.anyio
async def test_a_text_a_picture_and_a_film_hold_only_what_they_need() -> None:
    async with FakeThreads() as platform:
        for message in (
            Message(text="Hallo"),
            Message(text=f"Hallo {LINK}", link=LINK),
            Message(text="Hallo", link=LINK, media=(PICTURE,), reply_to="41,42"),
            Message(text="Hallo", media=(FILM,)),
        ):
            await attempt(platform, message, {})
        text, linked, picture, film = (post.content for post in platform.posts.values())
    assert text == {"text": "Hallo", "media_type": "TEXT"}
    assert linked == {"text": f"Hallo {LINK}", "media_type": "TEXT", "link_attachment": LINK}
    assert picture == {
        "text": f"Hallo\n\n{LINK}",
        "media_type": "IMAGE",
        "image_url": PICTURE.url,
        "alt_text": "Mond",
        "reply_to_id": "42",
    }
    assert film == {"text": "Hallo", "media_type": "VIDEO", "video_url": FILM.url, "alt_text": "Film"}


@pytest.mark.anyio
async def test_a_carousel_waits_for_its_films_and_then_for_itself() -> None:
    saved: dict[str, Any] = {}
    async with FakeThreads(slow=3) as platform:
        message = Message(text="Hallo", media=(PICTURE, FILM))
        for _ in range(2):
            error = await attempt(platform, message, saved)
            assert isinstance(error, Retryable)
            assert error.retry_after == timedelta(minutes=1)
            assert len(platform.containers) == 2  # no carousel is made of a film that is not ready
        assert await attempt(platform, message, saved) is None
        carousel = platform.containers["502"]
    assert (carousel["media_type"], carousel["children"]) == ("CAROUSEL", "500,501")
    assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_a_thread_is_a_chain_of_replies_each_from_a_container_of_its_own() -> None:
    async with FakeThreads() as platform, client() as http:
        receipt = await adapter(platform, http, reply_control="mentioned_only").send(make_attempt(THREAD))
    assert receipt.remote_id == "1001,1002,1003"
    replies = [post.content.get("reply_to_id") for post in platform.posts.values()]
    assert replies == [None, "1001", "1002"]
    assert all(post.content["reply_control"] == "mentioned_only" for post in platform.posts.values())


@pytest.mark.anyio
@pytest.mark.parametrize("death", list(Death))
@pytest.mark.parametrize("step", range(12))
async def test_a_thread_that_breaks_anywhere_goes_on_where_it_is_known_to_stand(
    step: int, death: Death
) -> None:
    """Four exchanges for each part: whatever dies, a later attempt ends with three posts, none doubled."""
    saved: dict[str, Any] = {}
    async with FakeThreads() as platform:
        platform.interfere(step, death)
        await attempt(platform, THREAD, saved)
        platform.revive()
        assert await attempt(platform, THREAD, saved) is None
        assert [post.content["text"] for post in platform.posts.values()] == ["Eins", "Zwei", "Drei"]
        assert [post.content.get("reply_to_id") for post in platform.posts.values()] == [None, "1001", "1002"]


@pytest.mark.anyio
async def test_find_tells_a_whole_thread_a_part_of_one_and_none() -> None:
    saved: dict[str, Any] = {}
    async with FakeThreads() as platform, client() as http:
        ours = adapter(platform, http)
        platform.interfere(2, Death.BEFORE)
        assert isinstance(await attempt(platform, THREAD, saved), OutcomeUnknown)
        assert isinstance(await ours.find(make_attempt(THREAD, resume=saved)), Absent)
        platform.revive()
        platform.interfere(5, Death.BEFORE)  # the container of the first part is kept
        assert isinstance(await attempt(platform, THREAD, saved), OutcomeUnknown)
        told = await ours.find(make_attempt(THREAD, resume=saved))
        assert told == CannotTell("1 of 3 posts are known to be out")
        platform.revive()
        assert await attempt(platform, THREAD, saved) is None
        found = await ours.find(make_attempt(THREAD, resume=saved))
        assert isinstance(found, Found)
        assert found.receipt.remote_id == "1001,1002,1003"


@pytest.mark.anyio
async def test_a_thread_refused_in_the_middle_is_never_called_unpublished() -> None:
    async with FakeThreads() as platform:
        platform.interfere(4, Reply(400, json={"error": {"message": "no", "code": 100}}))
        error = await attempt(platform, THREAD, {})
    assert isinstance(error, OutcomeUnknown)
    assert str(error).startswith("1 of 3 parts are out; then ")


@pytest.mark.anyio
async def test_withdrawing_takes_the_whole_thread_down_and_may_be_repeated() -> None:
    async with FakeThreads() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(THREAD))
        await ours.withdraw(receipt.remote_id)
        assert not platform.posts
        await ours.withdraw(receipt.remote_id)


@pytest.mark.anyio
async def test_a_thread_is_counted_by_its_first_post() -> None:
    async with FakeThreads() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(THREAD))
        platform.counts["1001"] = {"views": 5, "shares": 9}
        (reading,) = await ours.engagement([receipt.remote_id])
    assert (reading.remote_id, reading.metric, reading.value) == (receipt.remote_id, Metric.VIEWS, 5)


def test_an_emoji_counts_as_its_bytes() -> None:
    """developers.facebook.com/documentation/threads/posts, limitations."""

    def wrong(text: str) -> list[str]:
        return problems(Message(text=text), Adapter.limits, Adapter.carries)

    assert wrong("灯" * 500) == wrong("🏮" * 125) == []
    assert wrong("灯" * 501)
    assert wrong("🏮" * 126)
    for asked in (
        Message(text="x", paid=True),
        Message(text="x", ai_made=True),
        Message(text="x", title="y"),
    ):
        assert problems(asked, Adapter.limits, Adapter.carries)


@pytest.mark.anyio
async def test_renewing_gives_a_longer_token_and_the_account_says_when_it_ends() -> None:
    async with FakeThreads() as platform, client() as http:
        made = await adapter(platform, http).renew()
        asked = platform.requests[0]
        facts = await adapter(platform, http, made).check()
    assert (asked.path, asked.query["grant_type"]) == ("/refresh_access_token", "th_refresh_token")
    assert (facts.name, facts.expires_at) == ("@lantern", NOW + timedelta(days=60))
    assert facts.quota is not None
    assert facts.quota.count == 250


@pytest.mark.anyio
async def test_a_token_that_ends_between_two_steps_costs_no_container() -> None:
    saved: dict[str, Any] = {}
    async with FakeThreads() as platform:
        platform.interfere(2, Reply(400, json={"error": {"message": "Session has expired", "code": 190}}))
        assert isinstance(await attempt(platform, Message(text="Hallo"), saved), Unauthorized)
        assert await attempt(platform, Message(text="Hallo"), saved) is None
        assert (len(platform.containers), len(platform.posts)) == (1, 1)


@pytest.mark.anyio
async def test_media_without_an_address_are_refused() -> None:
    async with FakeThreads() as platform:
        message = Message(text="x", media=(replace(PICTURE, url=""),))
        assert isinstance(await attempt(platform, message, {}), Rejected)
        assert not platform.requests


# Webhooks

#: developers.facebook.com/docs/threads/webhooks, read 2026-11-22.
REPLY = {
    "app_id": "123456",
    "topic": "moderate",
    "target_id": "78901",
    "time": 1723226877,
    "subscription_id": "234567",
    "has_uid_field": False,
    "values": {
        "value": {
            "id": "8901234",
            "username": "reader",
            "text": "Reply",
            "replied_to": {"id": "1001"},
            "root_post": {"id": "1001", "owner_id": "7", "username": "lantern"},
            "timestamp": "2024-08-07T10:33:16+0000",
        },
        "field": "replies",
    },
}


def heard(told: Any) -> Any:
    body = json.dumps(told).encode()
    signed = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    request = HeardRequest("POST", "https://x/", {"x-hub-signature-256": signed}, {}, body)
    return adapter(Platform(), None).hear(request)


def test_answers_are_heard_and_the_parts_of_our_own_threads_are_not() -> None:
    (event,) = heard(REPLY).events
    assert (event.external_id, event.kind, event.remote_id) == ("8901234", "replied", "1001")
    assert event.occurred_at == datetime(2024, 8, 7, 10, 33, 16, tzinfo=UTC)
    assert heard(REPLY | {"values": [REPLY["values"]]}).events == (event,)
    ours = json.loads(json.dumps(REPLY).replace('"reader"', '"lantern"'))
    assert heard(ours).events == ()
    assert heard(json.loads(json.dumps(REPLY).replace('"replies"', '"publish"'))).events == ()
    assert heard({"values": {}}).status == 400
    with pytest.raises(Unauthorized):
        adapter(Platform(), None).hear(HeardRequest("POST", "https://x/", {}, {}, b"{}"))


# The vendor's contract


@functools.cache
def known() -> dict[tuple[str, str], set[str]]:
    """Method and path of every request of Meta's own collection, with the parameters it shows."""
    found: dict[tuple[str, str], set[str]] = {}
    for request in _requests(json.loads(COLLECTION.read_text("utf-8"))["item"]):
        parts = [part for part in request["url"]["path"] if part]
        path = "/".join("{id}" if part.startswith("{{") else part for part in parts)
        asked = {each["key"] for each in request["url"].get("query", [])}
        found.setdefault((request["method"], path), set()).update(asked)
    return found


def _requests(items: list[Any]) -> Iterator[Any]:
    for item in items:
        if "item" in item:
            yield from _requests(item["item"])
        else:
            yield item["request"]


@pytest.mark.skipif(not COLLECTION.exists(), reason="the vendor's collection is not beside the repository")
@pytest.mark.anyio
async def test_every_request_is_one_the_vendors_collection_shows() -> None:
    async with FakeThreads(slow=2) as platform, client() as http:
        ours = adapter(platform, http, reply_control="followers_only")
        for message in (
            Message(text=f"Hallo {LINK}", link=link, media=media, reply_to=reply, thread=thread)
            for link in ("", LINK)
            for media in ((), (PICTURE,), (FILM,), (PICTURE, FILM))
            for reply in ("", "41")
            for thread in ((), ("Zwei",))
        ):
            saved: dict[str, Any] = {}
            for _ in range(3):
                with suppress(Retryable):
                    receipt = await ours.send(make_attempt(message, resume=saved, save=saved.update))
        await ours.find(make_attempt(THREAD))
        await ours.engagement([receipt.remote_id])
        await ours.withdraw(receipt.remote_id)
        await ours.check()
        await ours.renew()
    seen_paths = set()
    for seen in platform.requests:
        path = seen.path.removeprefix("/v1.0").strip("/")
        head, _, edge = path.partition("/")
        path = "/".join(part for part in ("{id}" if head.isdigit() else head, edge) if part)
        assert (seen.method, path) in known(), path
        given = set(seen.fields if seen.method == "POST" else seen.query) - {"access_token"}
        asked = known()[seen.method, path] | ({"fields"} if path == "{id}" else set())
        assert not given - asked, f"{seen.method} {path}"
        seen_paths.add((seen.method, path))
    assert len(seen_paths) == 9
