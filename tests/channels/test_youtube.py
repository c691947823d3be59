"""YouTube: the suite in one part and in many, resuming, following, reading, the vendor's discovery file."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from channels import youtube
from channels._in_time_testing import Expiry, Review, SlowWork, TokenEnd
from channels.base import (
    Absent,
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    Metric,
    OutcomeUnknown,
    QuotaSpent,
    Rejected,
    Retryable,
    State,
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
from channels.youtube import Adapter, YouTubeSettings
from content.message import Feature, Media, Message, problems

TOKEN, REFRESH, OAUTH = "ya29-token-of-the-shop", "yt-refresh-of-the-shop", "yt-secret-of-the-shop"
LINK = "https://lantern-house.example/r/y1?a=1&b=2"
DISCOVERY = Path(__file__).parents[3] / "shared/specs/youtube/youtube.v3.json"


class FakeYouTube(FakePlatform):
    """Answers as developers.google.com/youtube/v3 (resumable uploads, errors) says; read 2026-11-22."""

    def __init__(self) -> None:
        super().__init__()
        self.token = TOKEN
        self.keeps = 1 << 30  #: how much of a part is stored at most
        self.ended: set[str] = set()  #: sessions that are no more
        self.sessions: dict[str, dict[str, Any]] = {}
        self.status: dict[str, Any] = {"uploadStatus": "processed", "privacyStatus": "public"}
        self.counts: dict[str, dict[str, str]] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/token":
            return self.renew(seen)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "authError", "Invalid Credentials")
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", "/youtube/v3/channels"): lambda _: Reply(
                json={"items": [{"id": "UC1", "snippet": {"title": "Lantern House"}}]}
            ),
            ("POST", "/upload/youtube/v3/videos"): self.start,
            ("PUT", "/upload/youtube/v3/videos"): self.part,
            ("GET", "/youtube/v3/videos"): self.many,
            ("DELETE", "/youtube/v3/videos"): self.delete,
        }
        return routes[seen.method, seen.path](seen)

    def start(self, seen: Seen) -> Reply:
        session = f"s{len(self.sessions)}"
        size = int(seen.headers["x-upload-content-length"])
        self.sessions[session] = {"said": seen.json, "size": size, "film": b"", "id": "", "parts": 0}
        place = f"{self.url}/upload/youtube/v3/videos?uploadType=resumable&upload_id={session}"
        return Reply(headers={"Location": place})

    def part(self, seen: Seen) -> Reply:
        session = self.sessions[seen.query["upload_id"]]
        if seen.query["upload_id"] in self.ended:
            return refusal(404, "notFound", "session")
        span = seen.headers["content-range"]
        if span != f"bytes */{session['size']}" and not session["id"]:
            first, last, size = map(int, re.findall(r"\d+", span))
            assert first == len(session["film"]), "a part begins where the last one ended"
            assert len(seen.body) == last - first + 1
            assert size == session["size"]
            session["parts"] += 1
            session["film"] += seen.body[: self.keeps]
            if len(session["film"]) == size:
                session["id"] = self.publish(session)
        if session["id"]:
            return Reply(201, json={"id": session["id"], "status": {"uploadStatus": "uploaded"}})
        got = {"Range": f"bytes=0-{len(session['film']) - 1}"} if session["film"] else {}
        return Reply(308, headers=got)

    def many(self, seen: Seen) -> Reply:
        asked = [id for id in seen.query["id"].split(",") if id in self.posts]
        if seen.query["part"] == "status":
            return Reply(json={"items": [{"id": id, "status": self.status} for id in asked]})
        return Reply(json={"items": [{"id": id, "statistics": self.counts.get(id, {})} for id in asked]})

    def delete(self, seen: Seen) -> Reply:
        gone = self.posts.pop(seen.query["id"], None)
        return Reply(204) if gone else refusal(404, "videoNotFound", "not found")

    def renew(self, seen: Seen) -> Reply:
        """Google keeps the refresh token as it is."""
        if seen.fields["refresh_token"] != REFRESH or seen.fields["client_secret"] != OAUTH:
            return Reply(400, json={"error": "invalid_grant", "error_description": f"{REFRESH} ended"})
        self.token = f"{self.token}-2"
        return Reply(json={"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})


def refusal(status: int, reason: str, message: str) -> Reply:
    error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    return Reply(status, json={"error": error})


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    given = {"token": TOKEN, "refresh_token": REFRESH, "client_secret": OAUTH, "client_id": "lantern"}
    servers = {"server": platform.url, "login_server": platform.url}
    settings = YouTubeSettings(**{**given, **servers, **more})
    return Adapter(settings, credentials or Credentials(), http, StillClock())


class TestYouTube(HttpConformance):
    secrets = (TOKEN, REFRESH, OAUTH)

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.media = medium(tmp_path)

    def platform(self) -> Platform:
        return FakeYouTube()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http)

    def message(self) -> Message:
        return Message(text="Lantern House: 25 %", title="Lanterns", link=LINK, media=(self.media,))

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in youtube._COUNTS.items()}
        platform.counts[remote_id] = {names[metric]: str(value) for metric, value in values.items()}

    async def deliver(self, platform: Platform, saved: dict[str, Any], first: Any) -> Any:
        """Once a session is kept, every lost answer is settled by it."""
        receipt = await super().deliver(platform, saved, first)
        assert receipt or not saved, "no person has to look"
        return receipt


class TestYouTubeInParts(SlowWork, Review, Expiry, TokenEnd, TestYouTube):
    """A session and three parts: each may be the last thing we do."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(youtube, "_PART", 5)

    reason = "copyright"

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        return self.told(platform, seen, uploadStatus="uploaded")

    reviewing = working

    def refusing(self, platform: Any, seen: Seen) -> Reply | None:
        return self.told(platform, seen, uploadStatus="rejected", rejectionReason=self.reason)

    def told(self, platform: Any, seen: Seen, **status: str) -> Reply | None:
        if (seen.method, seen.path) != ("GET", "/youtube/v3/videos"):
            return None
        return Reply(json={"items": [{"id": seen.query["id"], "status": status}]})

    def expire(self, platform: Any) -> None:
        platform.ended.update(platform.sessions)


def medium(folder: Path, size: int = 12) -> Media:
    (folder / "film.mp4").write_bytes(bytes(range(size)))
    return Media("c" * 64, "video/mp4", size, "film.mp4", path=str(folder / "film.mp4"))


async def attempts(platform: FakeYouTube, message: Message, saved: dict[str, Any]) -> ChannelError | None:
    """One attempt as a new process makes it."""
    async with client() as http:
        resume = json.loads(json.dumps(saved))
        try:
            await adapter(platform, http).send(make_attempt(message, resume=resume, save=saved.update))
        except ChannelError as error:
            return error
    return None


# What is carried


@pytest.mark.anyio
async def test_every_optional_field_arrives_and_nothing_else(tmp_path: Path) -> None:
    message = Message(
        text="Hallo", title="Laternen", link=LINK, media=(medium(tmp_path),), language="de-AT", ai_made=True
    )
    async with FakeYouTube() as platform, client() as http:
        ours = adapter(platform, http, privacy="unlisted", category="22", made_for_kids=True)
        await ours.send(make_attempt(message))
        [session] = platform.sessions.values()
        begun = platform.requests[0]
    assert session["film"] == bytes(range(12))
    assert begun.query == {"uploadType": "resumable", "part": "snippet,status"}
    assert begun.headers["x-upload-content-type"] == "video/mp4"
    assert session["said"] == {
        "snippet": {
            "title": "Laternen",
            "description": f"Hallo\n\n{LINK}",
            "categoryId": "22",
            "defaultLanguage": "de-AT",
        },
        "status": {
            "privacyStatus": "unlisted",
            "selfDeclaredMadeForKids": True,
            "containsSyntheticMedia": True,
        },
    }


def test_the_matrix_is_honest() -> None:
    film, picture = Media("c" * 64, "video/mp4", 1, "f.mp4"), Media("a" * 64, "image/jpeg", 1, "m.jpg")

    def wrong(*media: Media, **more: Any) -> list[str]:
        given = {"text": "x", "title": "t", **more}
        return problems(Message(media=media, **given), Adapter.limits, Adapter.carries)

    assert wrong(film, language="de", ai_made=True, link=LINK) == []
    assert wrong(film, title=" ") == ["there is no title; this platform publishes nothing without one"]
    assert wrong() == ["there is no picture and no film; this platform publishes no text alone"]
    assert wrong(film, film) == ["2 videos of 1"]
    assert "carries no image" in wrong(picture)
    assert wrong(film, title="t" * 101)[0].startswith("title: 101 of 100")
    assert wrong(film, text="灯" * 1667)[0].startswith("5,001 of 5,000")
    assert len(wrong(film, paid=True, reply_to="1", thread=("y",))) == 3
    assert Feature.ALT_TEXT not in Adapter.carries


# Resuming


@pytest.mark.anyio
async def test_a_new_process_goes_on_where_youtube_says_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(youtube, "_PART", 5)
    message, saved = Message(text="Film", title="Film", media=(medium(tmp_path),)), {}
    async with FakeYouTube() as platform:
        platform.interfere(2, Death.AFTER)
        assert isinstance(await attempts(platform, message, saved), Retryable)
        assert await attempts(platform, message, saved) is None
        [session] = platform.sessions.values()
        spans = [seen.headers.get("content-range") for seen in platform.requests]
    assert session["film"] == bytes(range(12))
    ours = ["bytes 0-4/12", "bytes 5-9/12", "bytes */12", "bytes 10-11/12"]
    assert spans == [None, *ours]


@pytest.mark.anyio
async def test_a_part_that_was_stored_by_half_is_sent_from_its_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(youtube, "_PART", 5)
    message, saved = Message(text="Film", title="Film", media=(medium(tmp_path),)), {}
    async with FakeYouTube() as platform:
        platform.keeps = 3
        assert await attempts(platform, message, saved) is None
        [session] = platform.sessions.values()
    assert session["film"] == bytes(range(12))
    assert session["parts"] == 4


@pytest.mark.anyio
async def test_a_last_part_that_was_stored_by_half_is_no_film_yet(tmp_path: Path) -> None:
    message, saved = Message(text="Film", title="Film", media=(medium(tmp_path),)), {}
    async with FakeYouTube() as platform:
        platform.keeps = 7
        error = await attempts(platform, message, saved)
        assert type(error) is youtube._Incomplete
        assert not platform.posts
        assert await attempts(platform, message, saved) is None
        assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_a_part_of_which_nothing_is_stored_does_not_go_round_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(youtube, "_PART", 5)
    message = Message(text="Film", title="Film", media=(medium(tmp_path),))
    async with FakeYouTube() as platform:
        platform.keeps = 0
        assert isinstance(await attempts(platform, message, {}), Retryable)
        assert len(platform.requests) == 2


@pytest.mark.anyio
async def test_a_session_that_ended_between_two_attempts_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(youtube, "_PART", 5)
    message, saved = Message(text="Film", title="Film", media=(medium(tmp_path),)), {}
    async with FakeYouTube() as platform:
        platform.interfere(2, Reply(503))
        assert isinstance(await attempts(platform, message, saved), Retryable)
        platform.ended.add("s0")
        assert await attempts(platform, message, saved) is None
        assert platform.sessions["s1"]["film"] == bytes(range(12))
        assert len(platform.posts) == 1


@pytest.mark.anyio
async def test_find_asks_the_session_and_is_sure(tmp_path: Path) -> None:
    message, saved = Message(text="Film", title="Film", media=(medium(tmp_path),)), {}
    async with FakeYouTube() as platform, client() as http:
        ours = adapter(platform, http)
        assert isinstance(await ours.find(make_attempt(message)), CannotTell)
        platform.interfere(1, Death.BEFORE)
        assert isinstance(await attempts(platform, message, saved), OutcomeUnknown)
        assert await ours.find(make_attempt(message, resume=saved)) == Absent()
        platform.interfere(1, Death.AFTER)
        assert isinstance(await attempts(platform, message, saved), OutcomeUnknown)
        found = await ours.find(make_attempt(message, resume=saved))
        assert isinstance(found, Found)
        assert [found.receipt.remote_id] == list(platform.posts)
        platform.ended.add("s0")
        assert isinstance(await ours.find(make_attempt(message, resume=saved)), CannotTell)


@pytest.mark.anyio
async def test_an_upload_that_is_found_whole_is_not_sent_again(tmp_path: Path) -> None:
    message, saved = Message(text="Film", title="Film", media=(medium(tmp_path),)), {}
    async with FakeYouTube() as platform:
        platform.interfere(1, Death.AFTER)
        assert isinstance(await attempts(platform, message, saved), OutcomeUnknown)
        assert await attempts(platform, message, saved) is None
        assert platform.requests[-1].headers["content-range"] == "bytes */12"
        assert len(platform.posts) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("step", "odd", "words"),
    [
        (0, Reply(200), "the answer has no Location"),
        (1, Reply(200, json={"id": "x"}), "an end before the last part"),
    ],
)
async def test_an_answer_that_cannot_be_is_no_film(
    step: int, odd: Reply, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(youtube, "_PART", 5)
    message = Message(text="Film", title="Film", media=(medium(tmp_path),))
    async with FakeYouTube() as platform:
        platform.interfere(step, odd)
        error = await attempts(platform, message, {})
    assert isinstance(error, Retryable)
    assert words in str(error)


# Following


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "ends"),
    [
        ({"uploadStatus": "uploaded"}, State.PROCESSING),
        ({"uploadStatus": "processed", "privacyStatus": "public"}, State.SENT),
        ({"uploadStatus": "processed", "privacyStatus": "private"}, "YouTube keeps it private"),
        ({"uploadStatus": "failed", "failureReason": "codec"}, "failed: codec"),
        ({"uploadStatus": "rejected", "rejectionReason": "duplicate"}, "rejected: duplicate"),
    ],
)
async def test_a_film_is_followed_to_the_public_or_to_a_reason(
    status: dict[str, str], ends: State | str, tmp_path: Path
) -> None:
    message = Message(text="Film", title="Film", media=(medium(tmp_path),))
    async with FakeYouTube() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(message))
        assert receipt.state is State.PROCESSING
        platform.status = status
        if isinstance(ends, State):
            assert (await ours.follow(receipt)).state is ends
            return
        with pytest.raises(Rejected, match=ends):
            await ours.follow(receipt)


@pytest.mark.anyio
async def test_a_film_that_is_meant_to_be_private_is_done_when_it_is(tmp_path: Path) -> None:
    message = Message(text="Film", title="Film", media=(medium(tmp_path),))
    async with FakeYouTube() as platform, client() as http:
        ours = adapter(platform, http, privacy="private")
        platform.status = {"uploadStatus": "processed", "privacyStatus": "private"}
        assert (await ours.follow(await ours.send(make_attempt(message)))).state is State.SENT


# Errors, tokens


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "reason", "fact", "until"),
    [
        # midnight in Los Angeles: NOW is 16:00 there on the day before
        (403, "quotaExceeded", QuotaSpent, datetime(2026, 11, 11, 8, tzinfo=UTC)),
        (400, "uploadLimitExceeded", QuotaSpent, NOW + timedelta(days=1)),
        (403, "rateLimitExceeded", Retryable, None),
        (403, "forbiddenPrivacySetting", Rejected, None),
        (403, "authenticatedUserAccountSuspended", Unauthorized, None),
        (401, "youtubeSignupRequired", Unauthorized, None),
        (400, "invalidTitle", Rejected, None),
    ],
)
async def test_the_vendors_reasons_are_facts(
    status: int, reason: str, fact: type[ChannelError], until: datetime | None, tmp_path: Path
) -> None:
    message = Message(text="Film", title="Film", media=(medium(tmp_path),))
    async with FakeYouTube() as platform:
        platform.interfere(0, refusal(status, reason, "the vendor's words"))
        error = await attempts(platform, message, {})
    assert type(error) is fact
    assert "the vendor's words" in str(error)
    assert not isinstance(error, QuotaSpent) or error.until == until


@pytest.mark.anyio
async def test_a_token_that_ends_between_two_parts_costs_no_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(youtube, "_PART", 5)
    message = Message(text="Film", title="Film", media=(medium(tmp_path),))
    saved: dict[str, Any] = {}
    async with FakeYouTube() as platform, client() as http:
        platform.interfere(2, refusal(401, "authError", "Invalid Credentials"))
        ours = adapter(platform, http)
        with pytest.raises(Unauthorized, match="Invalid Credentials"):
            await ours.send(make_attempt(message, save=saved.update))
        renewed = await ours.renew()
        assert renewed.values["refresh_token"].get_secret_value() == REFRESH
        await ours.send(make_attempt(message, number=2, resume=saved))
        assert (len(platform.sessions), len(platform.posts)) == (1, 1)
        assert platform.sessions["s0"]["parts"] == 3


@pytest.mark.anyio
async def test_an_account_without_a_channel_waits_for_a_person() -> None:
    async with FakeYouTube() as platform, client() as http:
        platform.interfere(0, Reply(json={"kind": "youtube#channelListResponse"}))
        with pytest.raises(Unauthorized, match="no YouTube channel"):
            await adapter(platform, http).check()


@pytest.mark.anyio
async def test_engagement_asks_for_fifty_films_at_once() -> None:
    async with FakeYouTube() as platform, client() as http:
        for number in range(120):
            platform.counts[platform.publish("film")] = {"viewCount": str(number)}
        readings = await adapter(platform, http).engagement(list(platform.posts))
        assert len(platform.requests) == 3
    assert [reading.value for reading in readings] == list(range(120))


# The vendor's contract


@functools.cache
def discovery() -> Any:
    return json.loads(DISCOVERY.read_text("utf-8"))


def wrong(seen: Seen) -> Iterator[str]:
    """What Google's discovery document says is wrong with a request; a session's address is its own."""
    path = urlsplit(seen.target).path.lstrip("/")
    if seen.method == "PUT":
        return
    for method in (*_methods("videos"), *_methods("channels")):
        upload = method.get("mediaUpload", {}).get("protocols", {}).get("simple", {}).get("path", "")
        if method["httpMethod"] == seen.method and path in (method["path"], upload.lstrip("/")):
            known = {**discovery()["parameters"], **method["parameters"]}
            yield from (f"query {name}: not declared" for name in seen.query if name not in known)
            needed = [name for name, one in method["parameters"].items() if one.get("required")]
            yield from (f"query {name}: missing" for name in needed if name not in seen.query)
            if seen.body:
                yield from _differs(seen.json, method["request"], "body")
                parts = {name for name in seen.query["part"].split(",")}
                yield from (f"part {name}: not written" for name in parts ^ set(seen.json))
            return
    yield f"{seen.method} {path}: the contract has no such call"


def _methods(resource: str) -> list[Any]:
    return list(discovery()["resources"][resource]["methods"].values())


def _differs(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = discovery()["schemas"][schema["$ref"]]
    kinds = {"string": str, "boolean": bool, "object": dict, "array": list}
    if not isinstance(value, kinds[schema["type"]]):
        yield f"{where}: {value!r} is no {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r}; may be one of {schema['enum']}"
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in schema["properties"]:
                yield f"{where}.{name}: not declared"
            else:
                yield from _differs(each, schema["properties"][name], f"{where}.{name}")


@pytest.mark.skipif(not DISCOVERY.exists(), reason="the vendor's contract is not beside the repository")
@pytest.mark.anyio
async def test_every_request_is_one_the_contract_knows(tmp_path: Path) -> None:
    film = medium(tmp_path)
    async with FakeYouTube() as platform, client() as http:
        for privacy, category in (("public", ""), ("unlisted", "22"), ("private", "1")):
            for language, link in (("", ""), ("de", LINK)):
                for made in (False, True):
                    ours = adapter(platform, http, privacy=privacy, category=category, made_for_kids=made)
                    message = Message(
                        text="Hallo", title="T", link=link, media=(film,), language=language, ai_made=made
                    )
                    platform.status = {"uploadStatus": "processed", "privacyStatus": privacy}
                    receipt = await ours.follow(await ours.send(make_attempt(message)))
                    await ours.engagement([receipt.remote_id])
                    await ours.withdraw(receipt.remote_id)
        await ours.check()
        seen = list(platform.requests)
    assert len({(one.method, one.path) for one in seen}) == 5
    assert not {f"{one.method} {one.path}: {each}" for one in seen for each in wrong(one)}


@pytest.mark.skipif(not DISCOVERY.exists(), reason="the vendor's contract is not beside the repository")
def test_the_contract_refuses_what_is_wrong() -> None:
    body = b'{"status":{"privacyStatus":"open","paid":true}}'
    seen = Seen("POST", "", {"part": "snippet"}, {}, body, "/upload/youtube/v3/videos")
    assert len(list(wrong(seen))) == 4
