"""Facebook: the suite, pictures and films, following a film, reading in batches, webhooks, the contract."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from channels import facebook
from channels._in_time_testing import Expiry, Review, TokenEnd
from channels.base import (
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    HeardRequest,
    Metric,
    OutcomeUnknown,
    Receipt,
    Rejected,
    Retryable,
    State,
    Unauthorized,
)
from channels.facebook import Adapter, FacebookSettings
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
from content.message import Feature, Media, Message, problems

TOKEN, SECRET, PAGE = "page-token-of-the-shop", "app-secret-of-the-shop", "1234567890"
LINK = "https://lantern-house.example/r/f1?a=1"


class FakeFacebook(FakePlatform):
    """Answers as developers.facebook.com/docs/graph-api and /video-api say; read 2026-11-22."""

    def __init__(self, size: int = 0) -> None:
        super().__init__()
        self.size = size  #: of the part of a film that is asked for at once
        self.photos: dict[str, dict[str, Any]] = {}
        self.film = b""
        self.film_size = 0
        self.sessions = 0
        self.took = True
        self.status: dict[str, Any] = {"video_status": "ready"}
        self.counts: dict[str, dict[str, Any]] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return graph_error(190, "Error validating access token")
        path = seen.path.removeprefix("/v25.0/")
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", PAGE): lambda _: Reply(json={"name": "Lantern House", "link": "https://facebook.com/lh"}),
            ("POST", f"{PAGE}/feed"): lambda seen: self.put(dict(seen.fields)),
            ("POST", f"{PAGE}/photos"): self.photo,
            ("POST", f"{PAGE}/videos"): self.video,
            ("GET", f"{PAGE}/published_posts"): self.latest,
            ("GET", ""): self.many,
        }
        if route := routes.get((seen.method, path)):
            return route(seen)
        if path == "9001" and seen.query.get("fields", "").startswith("status"):
            return Reply(json={"status": self.status, "post_id": "77", "permalink_url": "/lh/videos/9001/"})
        if path not in self.posts:
            return graph_error(100, "Object does not exist", 33)
        if seen.method == "DELETE":
            del self.posts[path]
            return Reply(json={"success": True})
        return Reply(json={"id": path, **self.counts.get(path, {})})

    def put(self, content: dict[str, Any], whole: str = "") -> Reply:
        made = self.publish(content)
        whole = whole or f"{PAGE}_{made}"
        self.posts[whole] = self.posts.pop(made)
        return Reply(json={"id": whole})

    def photo(self, seen: Seen) -> Reply:
        id = str(500 + len(self.photos))
        self.photos[id] = dict(seen.fields)
        return Reply(json={"id": id})

    def video(self, seen: Seen) -> Reply:
        given = seen.fields
        if given["upload_phase"] == "start":
            self.sessions += 1
            self.film, self.film_size = b"", int(given["file_size"])
            return Reply(json={"upload_session_id": str(self.sessions), "video_id": "9001", **self.span()})
        if given["upload_phase"] == "transfer":
            if int(given["start_offset"]) != len(self.film):
                return graph_error(1363037, "There was a problem uploading your video file", 1363037)
            self.film += given["video_file_chunk"]
            return Reply(json=self.span())
        if self.took:
            self.put({"description": given.get("description", ""), "film": self.film}, "9001")
        return Reply(json={"success": self.took})

    def span(self) -> dict[str, str]:
        start = len(self.film)
        return {"start_offset": str(start), "end_offset": str(min(start + self.size, self.film_size))}

    def latest(self, seen: Seen) -> Reply:
        found = []
        for id, post in reversed(self.posts.items()):
            shown = {"data": [{"unshimmed_url": post.content["link"]}]} if "link" in post.content else {}
            said = {"message": post.content.get("message", ""), "permalink_url": f"https://facebook.com/{id}"}
            found.append({"id": id, "created_time": "2026-11-11T00:00:01+0000", **said, "attachments": shown})
        return Reply(json={"data": found})

    def many(self, seen: Seen) -> Reply:
        asked = seen.query["ids"].split(",")
        if lost := [id for id in asked if id not in self.posts]:
            return graph_error(803, f"Some of the aliases you requested do not exist: {lost[0]}", status=404)
        return Reply(json={id: {"id": id, **self.counts.get(id, {})} for id in asked})


def graph_error(code: int, message: str, subcode: int = 0, status: int = 400) -> Reply:
    error = {"message": message, "type": "OAuthException", "code": code}
    return Reply(status, json={"error": error | ({"error_subcode": subcode} if subcode else {})})


def adapter(platform: Platform, http: Any, **more: Any) -> Adapter:
    server = f"{platform.url or 'https://graph.example'}/v25.0"
    given = {"token": TOKEN, "app_secret": SECRET, "page": PAGE, "server": server, "video_server": server}
    return Adapter(FacebookSettings(**{**given, **more}), Credentials(), http, StillClock())


def medium(folder: Path, name: str, kind: str, size: int = 12, alt: str = "") -> Media:
    (folder / name).write_bytes(bytes(range(size)))
    return Media("a" * 64, kind, size, name, alt=alt, path=str(folder / name))


class TestFacebook(HttpConformance):
    secrets = (TOKEN, SECRET)

    def platform(self) -> Platform:
        return FakeFacebook()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in facebook._INSIGHTS.items()}
        counted = [{"name": names[m], "values": [{"value": v}]} for m, v in values.items() if m in names]
        shown: dict[str, Any] = {"insights": {"data": counted}}
        if Metric.LIKES in values:
            shown["reactions"] = {"data": [], "summary": {"total_count": values[Metric.LIKES]}}
        if Metric.REPLIES in values:
            shown["comments"] = {"data": [], "summary": {"total_count": values[Metric.REPLIES]}}
        if Metric.SHARES in values:
            shown["shares"] = {"count": values[Metric.SHARES]}
        platform.counts[remote_id] = shown


class TestFacebookWithPictures(TestFacebook):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.pictures = tuple(medium(tmp_path, name, "image/jpeg") for name in ("moon.jpg", "sun.jpg"))

    def message(self) -> Message:
        return Message(text="Lantern House", media=self.pictures)


class TestFacebookWithAFilm(Review, Expiry, TokenEnd, TestFacebook):
    """Start, two parts, and the finish, which publishes."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.film = medium(tmp_path, "film.mp4", "video/mp4")

    def platform(self) -> Platform:
        return FakeFacebook(size=8)

    def message(self) -> Message:
        return Message(text="Lantern House", media=(self.film,))

    reason = "nudity"

    def reviewing(self, platform: Any, seen: Seen) -> Reply | None:
        asks = (seen.method, seen.path) == ("GET", "/v25.0/9001")
        return Reply(json={"id": "9001", "status": {"video_status": "processing"}}) if asks else None

    def refusing(self, platform: Any, seen: Seen) -> Reply | None:
        phase = {"status": "error", "errors": [{"code": 1, "message": self.reason}]}
        refused = {"video_status": "error", "publishing_phase": phase}
        return Reply(json={"id": "9001", "status": refused}) if self.reviewing(platform, seen) else None

    def expire(self, platform: Any) -> None:
        platform.film, platform.film_size = b"", 0

    def end_token(self, platform: Any) -> Reply | None:
        return graph_error(190, "Error validating access token")


async def put(platform: FakeFacebook, message: Message, **more: Any) -> list[Any]:
    async with client() as http:
        await adapter(platform, http, **more).send(make_attempt(message))
    return [post.content for post in platform.posts.values()]


@pytest.mark.anyio
async def test_a_text_and_a_link_hold_only_what_they_need() -> None:
    async with FakeFacebook() as platform:
        await put(platform, Message(text="Hallo"))
        posts = await put(platform, Message(text=f"Hallo {LINK}", link=LINK))
    assert posts == [{"message": "Hallo"}, {"message": f"Hallo {LINK}", "link": LINK}]


@pytest.mark.anyio
async def test_pictures_go_up_unseen_and_appear_with_the_post(tmp_path: Path) -> None:
    pictures = (
        medium(tmp_path, "a.jpg", "image/jpeg", alt="Mond"),
        medium(tmp_path, "b.png", "image/png", size=3),
    )
    async with FakeFacebook() as platform:
        (post,) = await put(platform, Message(text="Hallo", link=LINK, media=pictures))
        assert platform.photos["500"] == {
            "published": "false",
            "alt_text_custom": "Mond",
            "source": bytes(range(12)),
        }
        assert platform.photos["501"] == {"published": "false", "source": bytes(range(3))}
    assert post == {
        "message": f"Hallo\n\n{LINK}",
        "attached_media[0]": '{"media_fbid":"500"}',
        "attached_media[1]": '{"media_fbid":"501"}',
    }


@pytest.mark.anyio
async def test_an_upload_is_kept_for_the_next_attempt(tmp_path: Path) -> None:
    pictures = tuple(medium(tmp_path, name, "image/jpeg") for name in ("a.jpg", "b.jpg"))
    saved: dict[str, Any] = {}
    async with FakeFacebook() as platform, client() as http:
        platform.interfere(1, Death.BEFORE)
        for _ in range(2):
            attempt = make_attempt(Message(text="x", media=pictures), resume=dict(saved), save=saved.update)
            try:
                await adapter(platform, http).send(attempt)
            except ChannelError:
                platform.revive()
        assert len(platform.photos) == 2
        assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_paid_names_the_sponsor_and_without_one_is_no_native_label() -> None:
    paid = Message(text="Hallo", paid=True)
    async with FakeFacebook() as platform, client() as http:
        without, ours = adapter(platform, http), adapter(platform, http, sponsor="42")
        assert problems(paid, without.limits, without.carries) == ["carries no paid-partnership switch"]
        assert problems(paid, ours.limits, ours.carries) == []
        assert Feature.PAID_PARTNERSHIP not in Adapter.carries
        assert await put(platform, paid, sponsor="42") == [{"message": "Hallo", "sponsor_id": "42"}]


# Films


@pytest.mark.anyio
async def test_a_film_goes_up_in_the_parts_that_are_asked_for_and_is_followed(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4", size=20),))
    async with FakeFacebook(size=8) as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(message))
        assert receipt == Receipt("9001", "https://www.facebook.com/9001", State.PROCESSING)
        assert platform.posts["9001"].content == {"description": "Film", "film": bytes(range(20))}
        platform.status = {"video_status": "processing", "processing_progress": 40}
        assert await ours.follow(receipt) == receipt
        platform.status = {"video_status": "ready"}
        done = await ours.follow(receipt)
        assert (done.remote_id, done.state) == (f"{PAGE}_77", State.SENT)
        assert done.url == "https://www.facebook.com/lh/videos/9001/"


@pytest.mark.anyio
async def test_a_part_that_broke_is_sent_again_from_where_it_stood(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4", size=20),))
    saved: dict[str, Any] = {}
    async with FakeFacebook(size=8) as platform, client() as http:
        platform.interfere(2, Death.BEFORE)
        with pytest.raises(ChannelError):
            await adapter(platform, http).send(make_attempt(message, save=saved.update))
        platform.revive()
        kept = json.loads(json.dumps(saved))
        await adapter(platform, http).send(make_attempt(message, resume=kept))
        assert platform.sessions == 1
        assert platform.posts["9001"].content["film"] == bytes(range(20))
        old = {"film": {**kept["film"], "until": (NOW - timedelta(hours=1)).isoformat()}}
        platform.film = b"another session"
        await adapter(platform, http).send(make_attempt(message, key="another", resume=old))
        assert platform.sessions == 2


@pytest.mark.anyio
async def test_a_part_whose_answer_was_lost_begins_the_upload_anew(tmp_path: Path) -> None:
    """Meta has the part and we do not know it; a new session is safe, for nothing of it shows."""
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4", size=20),))
    saved: dict[str, Any] = {}
    async with FakeFacebook(size=8) as platform, client() as http:
        platform.interfere(2, Death.AFTER)
        for _ in range(2):
            with pytest.raises(Retryable):
                await adapter(platform, http).send(make_attempt(message, resume=saved, save=saved.update))
        await adapter(platform, http).send(make_attempt(message, resume=saved, save=saved.update))
        assert platform.sessions == 2
        assert [post.content["film"] for post in platform.posts.values()] == [bytes(range(20))]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {
                "video_status": "error",
                "processing_phase": {"errors": [{"code": 1363030, "message": "It has no sound"}]},
                "publishing_phase": {"status": "not_started"},
            },
            "It has no sound",
        ),
        ({"video_status": "expired"}, "expired"),
    ],
)
async def test_a_film_that_was_refused_is_told_with_its_reason(status: Any, why: str) -> None:
    async with FakeFacebook() as platform, client() as http:
        platform.status = status
        with pytest.raises(Rejected, match=f"the film was not published: {why}"):
            await adapter(platform, http).follow(Receipt("9001", state=State.PROCESSING))


@pytest.mark.anyio
async def test_a_finish_that_did_not_succeed_is_a_refusal(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    async with FakeFacebook(size=50) as platform, client() as http:
        platform.took = False
        with pytest.raises(Rejected, match=r"film\.mp4: Facebook did not take it"):
            await adapter(platform, http).send(make_attempt(message))


# Finding and reading


@pytest.mark.anyio
async def test_find_knows_a_post_by_its_link_or_its_words() -> None:
    linked, plain = Message(text="Los!", link=LINK), Message(text="Ein  Satz\n\nnoch einer")
    async with FakeFacebook() as platform, client() as http:
        ours = adapter(platform, http)
        for message in (linked, plain):
            assert isinstance(await ours.find(make_attempt(message)), CannotTell)
            receipt = await ours.send(make_attempt(message))
            found = await ours.find(make_attempt(message))
            assert isinstance(found, Found)
            assert found.receipt.remote_id == receipt.remote_id
        late = make_attempt(plain)
        late.since = NOW + timedelta(days=300)  # last year's words are not this delivery
        assert isinstance(await ours.find(late), CannotTell)


@pytest.mark.anyio
async def test_a_lost_answer_is_unknown() -> None:
    async with FakeFacebook() as platform, client() as http:
        platform.interfere(0, Death.AFTER)
        with pytest.raises(OutcomeUnknown):
            await adapter(platform, http).send(make_attempt(Message(text="Hallo")))


@pytest.mark.anyio
async def test_fifty_posts_are_read_at_once_and_one_by_one_where_one_is_gone() -> None:
    async with FakeFacebook() as platform, client() as http:
        ours = adapter(platform, http)
        for number in range(60):
            platform.put({"message": str(number)})
        for id in platform.posts:
            platform.counts[id] = {"shares": {"count": 1}}
        ids = list(platform.posts)
        assert len(await ours.engagement(ids)) == 60
        assert len(platform.requests) == 2
        del platform.posts[ids[55]]
        assert len(await ours.engagement(ids)) == 59
        assert len(platform.requests) == 2 + 2 + 10


# Webhooks


def heard(told: Any, secret: str = SECRET) -> Any:
    body = json.dumps(told).encode()
    signed = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    request = HeardRequest("POST", "https://x/", {"x-hub-signature-256": signed}, {}, body)
    return adapter(Platform(), None).hear(request)


def test_comments_are_heard_and_our_own_and_reactions_are_not() -> None:
    comment = {
        "item": "comment",
        "verb": "add",
        "comment_id": "77_1",
        "post_id": f"{PAGE}_77",
        "created_time": 1794355205,
        "from": {"id": "8", "name": "Reader"},
    }
    values = [
        comment,
        comment | {"from": {"id": PAGE}},
        comment | {"verb": "edited"},
        {"item": "reaction", "verb": "add", "post_id": f"{PAGE}_77"},
    ]
    changes = [{"field": "feed", "value": value} for value in values]
    told = {"object": "page", "entry": [{"id": PAGE, "time": 1794355206, "changes": changes}]}
    (event,) = heard(told).events
    assert (event.external_id, event.kind, event.remote_id) == ("77_1", "replied", f"{PAGE}_77")
    assert event.occurred_at == datetime.fromtimestamp(1794355205, UTC)
    with pytest.raises(Unauthorized):
        heard(told, "guess")


# The vendor's contract


@pytest.mark.anyio
async def test_every_request_is_one_the_contract_knows(graph: Any, tmp_path: Path) -> None:
    picture = medium(tmp_path, "a.jpg", "image/jpeg", alt="Mond")
    film = medium(tmp_path, "film.mp4", "video/mp4")
    async with FakeFacebook(size=8) as platform, client() as http:
        ours = adapter(platform, http, sponsor="42")
        for message in (
            Message(text=text, link=link, media=media, paid=paid)
            for text in ("Hallo", f"Hallo {LINK}")
            for link in ("", LINK)
            for media in ((), (picture,), (picture, picture), (film,))
            for paid in (False, True)
        ):
            receipt = await ours.send(make_attempt(message))
            if receipt.state is State.PROCESSING:
                await ours.follow(receipt)
        await ours.find(make_attempt(Message(text="Hallo")))
        posts = [id for id in platform.posts if "_" in id]
        await ours.engagement([*posts, "404404"])
        await ours.withdraw(posts[0])
        await ours.check()
    wrong, calls = set(), set()
    for seen in platform.requests:
        head, _, edge = seen.path.removeprefix("/v25.0/").partition("/")
        given = seen.fields if seen.method == "POST" else seen.query
        given = {name: value for name, value in given.items() if not isinstance(value, bytes)}
        given.pop("source", None)
        node = "Page" if head == PAGE else "AdVideo" if head == "9001" else "PagePost"
        edge = edge or {"GET": "#get", "DELETE": "#delete"}[seen.method]
        calls.add((node, seen.method, edge))
        wrong |= set(graph(node, seen.method, edge, given))
    assert wrong <= {"source: not declared"}  # the file of a photo, which the specification leaves out
    assert calls == {
        ("Page", "GET", "#get"),
        ("Page", "POST", "feed"),
        ("Page", "POST", "photos"),
        ("Page", "POST", "videos"),
        ("Page", "GET", "published_posts"),
        ("PagePost", "GET", "#get"),
        ("PagePost", "DELETE", "#delete"),
        ("AdVideo", "GET", "#get"),
    }
