"""Instagram: the suite, containers at each of their steps, Meta's errors, webhooks, and the contract."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from channels import instagram
from channels._in_time_testing import Expiry, SlowWork, TokenEnd
from channels.base import (
    Absent,
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    HeardRequest,
    Interrupted,
    Metric,
    OutcomeUnknown,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.instagram import Adapter, InstagramSettings
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

TOKEN, SECRET, VERIFY = "ig-token-of-the-shop", "app-secret-of-the-shop", "verify-token-of-the-shop"
USER = "17841400008460056"
PICTURE = Media("a" * 64, "image/jpeg", 9, "moon.jpg", alt="Mond", url="https://lantern-house.example/m.jpg")
FILM = Media("b" * 64, "video/mp4", 9, "film.mp4", alt="Film", url="https://lantern-house.example/f.mp4")
POST = Message(text="Lantern House", media=(PICTURE,))


class FakeInstagram(FakePlatform):
    """Answers as developers.facebook.com/documentation/instagram-platform says; read 2026-11-22."""

    def __init__(self, slow: int = 0, status: str = "") -> None:
        super().__init__()
        self.slow = slow  #: how often a container is still in progress
        self.status = status  #: of every container, whatever befell it
        self.reason = ""
        self.token = TOKEN
        self.containers: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def answer(self, seen: Seen) -> Reply:
        path = seen.path.removeprefix("/v25.0/")
        if path in ("/refresh_access_token", "/oauth/access_token"):
            return self.renew(seen)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return graph_error(190, "Error validating access token")
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", USER): lambda _: Reply(json={"id": USER, "username": "lantern"}),
            ("GET", f"{USER}/content_publishing_limit"): self.limit,
            ("POST", f"{USER}/media"): self.make,
            ("GET", f"{USER}/media"): self.latest,
            ("POST", f"{USER}/media_publish"): self.put,
        }
        if route := routes.get((seen.method, path)):
            return route(seen)
        return self.node(seen, *path.split("/"))

    def node(self, seen: Seen, id: str, edge: str = "") -> Reply:
        if id in self.containers:
            return Reply(json={"id": id, "status_code": self.state(id), "status": self.reason})
        if id not in self.posts:
            return graph_error(100, "Unsupported request. Object does not exist", 33)
        if edge == "insights":
            data = [{"name": n, "values": [{"value": v}]} for n, v in self.counts.get(id, {}).items()]
            return Reply(json={"data": data})
        if seen.method == "DELETE":
            del self.posts[id]
            return Reply(json={"success": True})
        return Reply(json={"id": id, "permalink": f"https://www.instagram.com/p/{id}/"})

    def state(self, id: str) -> str:
        if published := self.containers[id].get("published"):
            return str(published)
        self.slow = max(self.slow - 1, 0)
        return "IN_PROGRESS" if self.slow else self.status or "FINISHED"

    def limit(self, seen: Seen) -> Reply:
        config = {"quota_total": 100, "quota_duration": 86400}
        return Reply(json={"data": [{"config": config, "quota_usage": 3}]})

    def make(self, seen: Seen) -> Reply:
        id = str(500 + len(self.containers))
        self.containers[id] = dict(seen.fields)
        return Reply(json={"id": id})

    def put(self, seen: Seen) -> Reply:
        container = self.containers.get(seen.fields["creation_id"])
        if container is None:
            return graph_error(24, "The requested resource does not exist", 2207006)
        id = self.publish(container | {"children": self.children(container)})
        container["published"] = "PUBLISHED"
        return Reply(json={"id": id})

    def children(self, container: Mapping[str, Any]) -> list[Any]:
        return [self.containers[id] for id in container.get("children", "").split(",") if id]

    def latest(self, seen: Seen) -> Reply:
        found = [
            {
                "id": id,
                "caption": post.content.get("caption", ""),
                "permalink": f"https://instagram.com/p/{id}",
            }
            for id, post in reversed(self.posts.items())
        ]
        return Reply(json={"data": [each | {"timestamp": "2026-11-11T00:00:01+0000"} for each in found]})

    def renew(self, seen: Seen) -> Reply:
        self.token = f"{self.token}-2"
        return Reply(json={"access_token": self.token, "token_type": "bearer", "expires_in": 5_184_000})


def graph_error(code: int, message: str, subcode: int = 0, status: int = 400, **more: Any) -> Reply:
    error = {"message": message, "type": "OAuthException", "code": code, **more}
    return Reply(status, json={"error": error | ({"error_subcode": subcode} if subcode else {})})


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    given = {"token": TOKEN, "app_secret": SECRET, "verify_token": VERIFY, "user": USER}
    server = f"{platform.url}/v25.0" if platform.url else ""
    settings = InstagramSettings(**{**given, "server": server, **more})
    return Adapter(settings, credentials or Credentials(), http, StillClock())


class TestInstagram(HttpConformance):
    """Three exchanges: the container, its status, the fence; and then the address."""

    secrets = (TOKEN, SECRET, VERIFY)

    def platform(self) -> Platform:
        return FakeInstagram()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http, login="facebook")

    def message(self) -> Message:
        return POST

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in instagram._METRICS.items()}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestInstagramWithACarousel(SlowWork, Expiry, TokenEnd, TestInstagram):
    """Each part is a container of its own, and a film among them must be ready before they are joined."""

    def message(self) -> Message:
        return replace(POST, media=(PICTURE, FILM))

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        asks = seen.method == "GET" and seen.path.rpartition("/")[2] in platform.containers
        return Reply(json={"id": "500", "status_code": "IN_PROGRESS", "status": ""}) if asks else None

    def expire(self, platform: Any) -> None:
        for container in platform.containers.values():
            container["published"] = "EXPIRED"


async def attempt(
    platform: FakeInstagram, message: Message, saved: dict[str, Any], **more: Any
) -> ChannelError | None:
    """One attempt as a new process makes it."""
    async with client() as http:
        one = make_attempt(message, resume=json.loads(json.dumps(saved)), save=saved.update)
        try:
            await adapter(platform, http, **more).send(one)
        except ChannelError as error:
            return error
    return None


# What is published


@pytest.mark.anyio
async def test_a_picture_a_reel_and_a_carousel_are_what_they_are() -> None:
    async with FakeInstagram() as platform:
        for media in ((PICTURE,), (FILM,), (PICTURE, FILM)):
            await attempt(platform, replace(POST, media=media, ai_made=True), {})
        picture, reel, carousel = (post.content for post in platform.posts.values())
    shared = {"caption": "Lantern House", "is_ai_generated": "true", "children": []}
    assert picture == {**shared, "image_url": PICTURE.url, "alt_text": "Mond"}
    assert reel == {**shared, "media_type": "REELS", "video_url": FILM.url}
    assert carousel["media_type"] == "CAROUSEL"
    assert carousel["children"] == [
        {"image_url": PICTURE.url, "alt_text": "Mond", "is_carousel_item": "true"},
        {"media_type": "VIDEO", "video_url": FILM.url, "is_carousel_item": "true"},
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("message", [Message(text="Hallo"), replace(POST, media=(replace(PICTURE, url=""),))])
async def test_without_media_at_an_address_nothing_can_be_published(message: Message) -> None:
    """It is a problem at prepare, and a refusal where it comes through all the same."""
    assert problems(message, Adapter.limits, Adapter.carries)
    async with FakeInstagram() as platform:
        assert isinstance(await attempt(platform, message, {}), Rejected)
        assert not platform.requests


def test_what_instagram_does_not_take_is_a_problem_before_it_leaves() -> None:
    def wrong(*media: Media) -> list[str]:
        return problems(replace(POST, media=media), Adapter.limits, Adapter.carries)

    assert wrong(PICTURE, FILM) == []
    assert wrong(replace(PICTURE, kind="image/png")) == ["moon.jpg: image/png; may be image/jpeg, video/"]
    assert wrong(*[PICTURE] * 6, *[FILM] * 5) == ["11 pictures and films of 10"]


# Containers


@pytest.mark.anyio
async def test_a_slow_container_is_asked_once_a_minute_and_made_once() -> None:
    saved: dict[str, Any] = {}
    async with FakeInstagram(slow=3) as platform:
        for _ in range(2):
            error = await attempt(platform, POST, saved)
            assert isinstance(error, Retryable)
            assert not isinstance(error, Interrupted)
            assert error.retry_after == timedelta(minutes=1)
        assert await attempt(platform, POST, saved) is None
        assert len(platform.containers) == len(platform.posts) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "reason", "again"),
    [
        ("EXPIRED", "", True),
        ("ERROR", "Error: Media upload has failed with error code 2207003", True),  # the download timed out
        ("ERROR", "Error: Media upload has failed with error code 2207026", False),  # no such format
    ],
)
async def test_a_container_that_failed_is_made_anew_only_where_that_may_help(
    status: str, reason: str, again: bool
) -> None:
    saved: dict[str, Any] = {}
    async with FakeInstagram(status=status) as platform:
        platform.reason = reason
        error = await attempt(platform, POST, saved)
        assert isinstance(error, Retryable if again else Rejected)
        assert reason in str(error)
        platform.status = ""
        assert await attempt(platform, POST, saved) is None
        assert len(platform.containers) == 2
        assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_a_container_older_than_a_day_is_not_asked_for() -> None:
    old = {"made": (NOW - timedelta(hours=23)).isoformat(), "parts": [], "id": "499"}
    async with FakeInstagram() as platform:
        assert await attempt(platform, POST, {"container0": old}) is None
        assert list(platform.containers) == ["500"]


@pytest.mark.anyio
async def test_a_container_meta_has_lost_is_made_anew() -> None:
    lost = {"made": NOW.isoformat(), "parts": [], "id": "499"}
    saved: dict[str, Any] = {"container0": lost}
    async with FakeInstagram() as platform:
        error = await attempt(platform, POST, saved)
        assert isinstance(error, Retryable)
        assert error.retry_after == timedelta(0)
        assert await attempt(platform, POST, saved) is None


@pytest.mark.anyio
@pytest.mark.parametrize("death", [Death.AFTER, Death.MIDWAY])
async def test_a_publication_whose_answer_was_lost_is_settled_by_the_containers_status(death: Death) -> None:
    """instagram-platform/content-publishing: ask the container where media_publish returned no id."""
    saved: dict[str, Any] = {}
    async with FakeInstagram() as platform, client() as http:
        platform.interfere(2, death)
        assert isinstance(await attempt(platform, POST, saved), OutcomeUnknown)
        assert len(platform.posts) == 1
        told = await adapter(platform, http).find(make_attempt(POST, resume=saved))
        assert isinstance(told, Found)
        assert told.receipt.remote_id in platform.posts
        assert await attempt(platform, POST, saved) is None  # were it asked to send again, it would not
        assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_a_publication_that_never_arrived_is_absent() -> None:
    saved: dict[str, Any] = {}
    async with FakeInstagram() as platform, client() as http:
        platform.interfere(2, Death.BEFORE)
        assert isinstance(await attempt(platform, POST, saved), OutcomeUnknown)
        told = await adapter(platform, http).find(make_attempt(POST, resume=saved))
        assert isinstance(told, Absent)


@pytest.mark.anyio
async def test_published_and_not_yet_listed_is_for_later_or_for_a_person() -> None:
    saved: dict[str, Any] = {}
    async with FakeInstagram() as platform, client() as http:
        platform.interfere(2, Death.AFTER)
        await attempt(platform, POST, saved)
        platform.posts.clear()  # the list lags
        told = await adapter(platform, http).find(make_attempt(POST, resume=saved))
        assert isinstance(told, CannotTell)
        error = await attempt(platform, POST, saved)
        assert isinstance(error, OutcomeUnknown)
        assert "is published" in str(error)


@pytest.mark.anyio
async def test_an_address_that_cannot_be_read_makes_nothing_unpublished() -> None:
    async with FakeInstagram() as platform, client() as http:
        platform.interfere(3, Reply(500))
        receipt = await adapter(platform, http).send(make_attempt(POST))
    assert (receipt.remote_id in platform.posts, receipt.url) == (True, "")


# Errors


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (graph_error(190, "Session has expired", 463), Unauthorized),
        (graph_error(10, "no permission"), Unauthorized),
        (graph_error(200, "no permission"), Unauthorized),
        (graph_error(4, "Application request limit reached"), Retryable),
        (graph_error(4, "We restrict certain activity", 2207051), Unauthorized),
        (graph_error(9, "maximum number of posts", 2207042), QuotaSpent),
        (graph_error(25, "the account is restricted", 2207050), Unauthorized),
        (graph_error(368, "temporarily blocked"), QuotaSpent),
        (graph_error(506, "Duplicate status message"), Rejected),
        (graph_error(1, "Thumbnail offset", 2207057), Rejected),
        (graph_error(36000, "The image size is too large.", 2207004), Rejected),
        (graph_error(-1, "Instagram server error", 2207001), OutcomeUnknown),
        (graph_error(2, "Service temporarily unavailable"), OutcomeUnknown),
        (graph_error(777, "something new", is_transient=True), OutcomeUnknown),
        (graph_error(777, "something new"), Rejected),
        (graph_error(777, "an error in a success", status=200), Rejected),
        (graph_error(9007, "Media is not ready", 2207027), Retryable),
    ],
)
async def test_metas_codes_are_facts(reply: Reply, fact: type[ChannelError]) -> None:
    async with FakeInstagram() as platform:
        platform.interfere(2, reply)
        error = await attempt(platform, POST, {})
        assert type(error) is fact
        assert not platform.posts


@pytest.mark.anyio
async def test_a_business_use_case_says_when_calls_are_taken_again() -> None:
    usage = {USER: [{"type": "instagram", "call_count": 100, "estimated_time_to_regain_access": 19}]}
    limited = graph_error(80002, "There have been too many calls")
    headers = {"X-Business-Use-Case-Usage": json.dumps(usage)}
    async with FakeInstagram() as platform:
        platform.interfere(0, Reply(400, limited.json, headers=headers))
        error = await attempt(platform, POST, {})
    assert isinstance(error, Retryable)
    assert error.retry_after == timedelta(minutes=19)


@pytest.mark.anyio
async def test_the_account_says_how_much_it_may_publish() -> None:
    async with FakeInstagram() as platform, client() as http:
        facts = await adapter(platform, http).check()
    assert facts.name == "@lantern"
    assert facts.quota is not None
    assert (facts.quota.count, facts.quota.window) == (100, timedelta(days=1))


@pytest.mark.anyio
async def test_engagement_says_nothing_of_a_post_meta_will_not_tell_of() -> None:
    async with FakeInstagram() as platform, client() as http:
        ours = adapter(platform, http)
        await ours.send(make_attempt(POST))
        platform.counts["1001"] = {"likes": 0, "follows": 9}
        platform.interfere(0, graph_error(100, "Incompatible metrics"))
        assert await ours.engagement(["1001"]) == []
        (reading,) = await ours.engagement(["1001"])
    assert (reading.metric, reading.value) == (Metric.LIKES, 0)


# Tokens


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("login", "path", "asked"),
    [
        ("instagram", "/refresh_access_token", {"grant_type": "ig_refresh_token", "access_token": TOKEN}),
        (
            "facebook",
            "/oauth/access_token",
            {
                "grant_type": "fb_exchange_token",
                "client_id": "42",
                "client_secret": SECRET,
                "fb_exchange_token": TOKEN,
            },
        ),
    ],
)
async def test_renewing_gives_a_longer_token_and_logs_none(
    login: str, path: str, asked: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with FakeInstagram() as platform, client() as http:
        ours = adapter(platform, http, login=login, app_id="42")
        made = await ours.renew()
        assert (platform.requests[0].path, platform.requests[0].query) == (path, asked)
        assert made.expires_at == NOW + timedelta(days=60)
        assert ours.renew_before == timedelta(days=7), "one that has ended cannot be renewed"
        assert (await adapter(platform, http, made).check()).expires_at == made.expires_at
    assert TOKEN not in caplog.text


@pytest.mark.anyio
async def test_a_renewal_that_fails_leaves_the_old_token() -> None:
    async with FakeInstagram() as platform, client() as http:
        ours = adapter(platform, http)
        platform.interfere(0, graph_error(2, f"later {TOKEN}", status=500))
        with pytest.raises(Retryable) as caught:
            await ours.renew()
        assert TOKEN not in str(caught.value)
        assert (await ours.check()).name == "@lantern"


def test_each_log_in_has_its_own_server() -> None:
    servers = {adapter(Platform(), None, login=login).server for login in ("instagram", "facebook")}
    assert servers == {"https://graph.instagram.com/v25.0", "https://graph.facebook.com/v25.0"}


@pytest.mark.anyio
async def test_with_instagram_log_in_a_post_is_taken_back_by_hand() -> None:
    async with FakeInstagram() as platform, client() as http:
        with pytest.raises(Rejected, match="may be done in the app"):
            await adapter(platform, http).withdraw("1001")


# Webhooks


def heard(body: bytes, signature: str, **more: Any) -> Any:
    request = HeardRequest("POST", "https://x/", {"x-hub-signature-256": signature}, {}, body)
    return adapter(Platform(), None, **more).hear(request)


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_the_first_call_is_answered_to_those_who_know_the_word() -> None:
    def first(word: str, **more: Any) -> Any:
        query = {"hub.mode": "subscribe", "hub.verify_token": word, "hub.challenge": "1158201444"}
        return adapter(Platform(), None, **more).hear(HeardRequest("GET", "https://x/", {}, query, b""))

    assert first(VERIFY).reply == b"1158201444"
    for word, more in (("guess", {}), ("", {}), ("", {"verify_token": ""})):
        with pytest.raises(Unauthorized):
            first(word, **more)


def test_comments_are_heard_and_our_own_are_not() -> None:
    """Non-ASCII arrives escaped; what is signed is the body as it came."""
    comment = {"id": "c1", "text": "sch\u00f6n", "media": {"id": "1001"}, "from": {"id": "8"}}
    changes = [
        {"field": "comments", "value": comment},
        {"field": "comments", "value": {**comment, "id": "c2", "from": {"id": USER}}},
        {"field": "mentions", "value": {"media_id": "7"}},
    ]
    told = {"object": "instagram", "entry": [{"id": USER, "time": 1794355205, "changes": changes}]}
    body = json.dumps(told).encode()
    assert b"\\u00f6" in body
    (event,) = heard(body, signed(body)).events
    assert (event.external_id, event.kind, event.remote_id) == ("c1", "replied", "1001")
    assert event.occurred_at == datetime.fromtimestamp(1794355205, UTC)


@pytest.mark.parametrize("signature", ["", "sha256=", signed(b"another"), signed(b"{}", "guess"), "ü"])
def test_a_webhook_that_is_not_metas_leaves_nothing(signature: str) -> None:
    with pytest.raises(Unauthorized):
        heard(b"{}", signature)
    with pytest.raises(Unauthorized):
        heard(b"{}", signed(b"{}", ""), app_secret="")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"entry": 1}', b'{"entry": [{"changes": [{}]}]}', b"\xff"])
def test_a_signed_webhook_that_cannot_be_read_is_answered_400(body: bytes) -> None:
    assert heard(body, signed(body)).status == 400


# The vendor's contract


@pytest.mark.anyio
async def test_every_request_is_one_the_contract_knows(graph: Any) -> None:
    """`is_ai_generated` is newer than the specification: Instagram Platform changelog, 2026-06-22."""
    async with FakeInstagram(slow=2) as platform, client() as http:
        ours = adapter(platform, http, login="facebook", app_id="42")
        for message in (
            replace(POST, text=text, media=media, ai_made=made)
            for text in ("", "Hallo")
            for media in ((PICTURE,), (FILM,), (PICTURE, PICTURE), (PICTURE, FILM))
            for made in (False, True)
        ):
            saved: dict[str, Any] = {}
            for number in range(3):
                with suppress(Retryable):
                    receipt = await ours.send(make_attempt(message, number=number, resume=saved))
        await ours.find(make_attempt(POST))
        await ours.engagement([receipt.remote_id])
        await ours.withdraw(receipt.remote_id)
        await ours.check()
    wrong, edges = set(), set()
    for seen in platform.requests:
        head, _, edge = seen.path.removeprefix("/v25.0/").partition("/")
        given = dict(seen.fields if seen.method == "POST" else seen.query)
        given.pop("is_ai_generated", None)
        if (seen.method, edge) == ("GET", "media"):
            continue  # an edge without parameters, which the specification leaves out
        node = "IGUser" if head == USER else "IGMedia"
        edge = edge or {"GET": "#get", "DELETE": "#delete"}[seen.method]
        if node == "IGUser" and edge == "#get":
            continue
        edges.add((node, seen.method, edge))
        wrong |= set(graph(node, seen.method, edge, given))
    assert not wrong
    assert len(edges) == 6


def test_the_check_against_the_contract_can_fail(graph: Any) -> None:
    assert graph("IGUser", "POST", "media", {"imageUrl": "x"}) == ["imageUrl: not declared"]
    assert graph("IGUser", "POST", "media_publish", {}) == ["creation_id: missing"]
    assert graph("IGUser", "POST", "media_publish", {"creation_id": "x"}) == ["creation_id: 'x'"]
    assert graph("IGMedia", "GET", "insights", {"metric": "likes,unheard"}) == ["metric: 'likes,unheard'"]
    assert graph("IGMedia", "PUT", "insights", {}) != []
