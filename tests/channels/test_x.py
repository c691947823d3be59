"""X: the suite, every request against the vendor's OpenAPI document, uploads, threads, tokens, webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from channels import x
from channels._in_time_testing import Expiry, SlowWork, TokenEnd
from channels.base import (
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
from channels.x import Adapter, XSettings
from content.message import Feature, Media, Message, problems

TOKEN, SECRET = "x-access-token-of-the-shop", "x-consumer-secret-of-the-shop"
REFRESH, OAUTH = "x-refresh-token-of-the-shop", "x-client-secret-of-the-shop"
LINK = "https://lantern-house.example/r/x1?a=1&b=2"
TYPE = "https://api.x.com/2/problems/"


class FakeX(FakePlatform):
    """Answers as openapi.json 2.167 and docs.x.com say; read 2026-11-22."""

    def __init__(self, slow: int = 0) -> None:
        super().__init__()
        self.slow = slow  #: how often a film is still being worked on
        self.lives = 86400
        self.failed = ""
        self.token = TOKEN
        self.refresh = REFRESH
        self.media: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/2/oauth2/token":
            return self.renew(seen)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401, json={"title": "Unauthorized", "type": "about:blank", "status": 401})
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", "/2/users/me"): lambda _: Reply(json={"data": {"id": "7", "username": "lantern"}}),
            ("GET", "/2/users/7/tweets"): self.latest,
            ("POST", "/2/tweets"): self.create,
            ("GET", "/2/tweets"): self.many,
            ("POST", "/2/media/upload"): self.upload,
            ("POST", "/2/media/upload/initialize"): self.upload,
            ("GET", "/2/media/upload"): self.worked,
            ("POST", "/2/media/metadata"): self.describe,
        }
        if route := routes.get((seen.method, seen.path)):
            return route(seen)
        if seen.method == "DELETE":
            gone = self.posts.pop(seen.path.rsplit("/", 1)[1], None)
            return Reply(json={"data": {"deleted": True}}) if gone else self.missing()
        return self.part(seen)

    def missing(self) -> Reply:
        return Reply(404, json={"type": f"{TYPE}resource-not-found", "detail": "not found"})

    def create(self, seen: Seen) -> Reply:
        id = self.publish(seen.json)
        return Reply(201, json={"data": {"id": id, "text": seen.json["text"]}})

    def upload(self, seen: Seen) -> Reply:
        id = str(500 + len(self.media))
        self.media[id] = {"parts": []} if seen.path.endswith("initialize") else dict(seen.fields)
        return Reply(json={"data": {"id": id, "expires_after_secs": self.lives}})

    def part(self, seen: Seen) -> Reply:
        _, step = seen.path.rsplit("/", 1)
        id = seen.path.split("/")[4]
        if id not in self.media:
            return self.missing()
        if step == "append":
            self.media[id]["parts"].append((seen.fields["segment_index"], len(seen.fields["media"])))
            return Reply(json={"data": {"expires_at": "1"}})
        work = {"processing_info": {"state": "pending", "check_after_secs": 3}} if self.slow else {}
        return Reply(json={"data": {"id": id, **work}})

    def worked(self, seen: Seen) -> Reply:
        self.slow = max(self.slow - 1, 0)
        work: dict[str, Any] = {"state": "in_progress", "check_after_secs": 9, "progress_percent": 40}
        if not self.slow:
            work = {"state": "succeeded"}
        if self.failed:
            work = {"state": "failed", "error": {"message": self.failed}}
        return Reply(json={"data": {"id": seen.query["media_id"], "processing_info": work}})

    def describe(self, seen: Seen) -> Reply:
        self.media[seen.json["id"]]["alt"] = seen.json["metadata"]["alt_text"]["text"]
        return Reply(json={"data": {"id": seen.json["id"]}})

    def latest(self, seen: Seen) -> Reply:
        found = [self.shown(id) for id in reversed(self.posts)]
        return Reply(json={"data": found, "meta": {}} if found else {"meta": {"result_count": 0}})

    def shown(self, id: str) -> dict[str, Any]:
        """X shortens every link and adds one for the media, and escapes the text."""
        content = self.posts[id].content
        urls = [{"url": "https://t.co/abc", "expanded_url": LINK}] if LINK in content["text"] else []
        text = escape(content["text"].replace(LINK, "https://t.co/abc"), quote=False)
        if "media" in content:
            urls.append({"url": "https://t.co/pic", "expanded_url": "https://x.com/p/1", "media_key": "3_1"})
            text += " https://t.co/pic"
        return {"id": id, "text": text, "entities": {"urls": urls}}

    def many(self, seen: Seen) -> Reply:
        asked = seen.query["ids"].split(",")
        found = [{"id": id, "public_metrics": self.counts.get(id, {})} for id in asked if id in self.posts]
        lost = [{"type": f"{TYPE}resource-not-found", "value": id} for id in asked if id not in self.posts]
        return Reply(json={**({"data": found} if found else {}), **({"errors": lost} if lost else {})})

    def renew(self, seen: Seen) -> Reply:
        if seen.fields["refresh_token"] != self.refresh:
            said = {"error": "invalid_grant", "error_description": f"{seen.fields['refresh_token']} was used"}
            return Reply(400, json=said)
        self.token, self.refresh = f"{self.token}-2", f"{self.refresh}-2"
        body = {"access_token": self.token, "refresh_token": self.refresh, "expires_in": 7200}
        return Reply(json={"token_type": "bearer", **body})


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    given = {"token": TOKEN, "refresh_token": REFRESH, "consumer_secret": SECRET, "client_secret": OAUTH}
    settings = XSettings(
        **{**given, "client_id": "lantern", "server": platform.url or "https://x.example", **more}
    )
    return Adapter(settings, credentials or Credentials(), http, StillClock())


def medium(folder: Path, name: str, kind: str, alt: str = "", size: int = 12) -> Media:
    (folder / name).write_bytes(b"x" * size)
    return Media("a" * 64, kind, size, name, alt=alt, path=str(folder / name))


class TestX(HttpConformance):
    secrets = (TOKEN, REFRESH, SECRET, OAUTH)

    def platform(self) -> Platform:
        return FakeX()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in x._COUNTS.items()}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestXWithAFilm(SlowWork, Expiry, TokenEnd, TestX):
    """Initialise, two parts, finalise, alt text, post: each may be the last thing we do."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(x, "_PART", 8)
        self.film = medium(tmp_path, "film.mp4", "video/mp4", alt="A lantern rises")

    def message(self) -> Message:
        return Message(text="Lantern House", media=(self.film,))

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        if seen.path.endswith("/finalize") or (seen.method, seen.path) == ("GET", "/2/media/upload"):
            return Reply(json={"data": {"id": "500", "processing_info": {"state": "in_progress"}}})
        return None

    def expire(self, platform: Any) -> None:
        platform.media.clear()


async def sent(platform: FakeX, message: Message, **more: Any) -> list[dict[str, Any]]:
    async with client() as http:
        await adapter(platform, http, **more).send(make_attempt(message))
    return [post.content for post in platform.posts.values()]


@pytest.mark.anyio
async def test_a_plain_post_holds_only_what_it_needs() -> None:
    async with FakeX() as platform:
        assert await sent(platform, Message(text="Hallo")) == [{"text": "Hallo"}]


@pytest.mark.anyio
async def test_every_optional_field_arrives_and_nothing_else(tmp_path: Path) -> None:
    picture = medium(tmp_path, "moon.jpg", "image/jpeg", alt="A paper lantern")
    message = Message(
        text="Hallo", link=LINK, media=(picture,), paid=True, ai_made=True, reply_to="41,42", language="de"
    )
    async with FakeX() as platform:
        posts = await sent(platform, message, reply_settings="following")
        assert platform.media["500"]["media_category"] == "tweet_image"
        assert platform.media["500"]["alt"] == "A paper lantern"
    assert posts == [
        {
            "text": f"Hallo\n\n{LINK}",
            "media": {"media_ids": ["500"]},
            "reply": {"in_reply_to_tweet_id": "42"},
            "paid_partnership": True,
            "made_with_ai": True,
            "reply_settings": "following",
        }
    ]


THREAD = Message(text="Eins", thread=("Zwei", "Drei"), paid=True, ai_made=True)


@pytest.mark.anyio
async def test_a_thread_is_a_chain_of_replies_each_marked_as_paid() -> None:
    async with FakeX() as platform:
        posts = await sent(platform, THREAD)
    replies = [post.get("reply", {}).get("in_reply_to_tweet_id") for post in posts]
    assert replies == [None, "1001", "1002"]
    assert [post.get("paid_partnership") for post in posts] == [True, True, True]
    assert [post.get("made_with_ai") for post in posts] == [True, None, None]


@pytest.mark.anyio
@pytest.mark.parametrize("death", list(Death))
@pytest.mark.parametrize("step", [0, 1, 2])
async def test_a_thread_that_breaks_is_found_whole_or_told_in_part(step: int, death: Death) -> None:
    """X drops no repeats: what cannot be found whole is for a person, and nothing is posted again."""
    saved: dict[str, Any] = {}
    async with FakeX() as platform, client() as http:
        platform.interfere(step, death)
        with suppress(ChannelError):
            await adapter(platform, http).send(make_attempt(THREAD, save=saved.update))
        platform.revive()
        told = await adapter(platform, http).find(make_attempt(THREAD, resume=saved))
        if len(platform.posts) == 3:
            assert isinstance(told, Found)
            assert told.receipt.remote_id == "1001,1002,1003"
        else:
            assert isinstance(told, CannotTell)
            assert told.why.startswith(f"{len(platform.posts)} of 3")


@pytest.mark.anyio
async def test_a_thread_refused_in_the_middle_is_never_called_unpublished() -> None:
    async with FakeX() as platform, client() as http:
        platform.interfere(1, Reply(400, json={"type": f"{TYPE}invalid-request", "detail": "no"}))
        with pytest.raises(OutcomeUnknown, match=r"1 of 3 parts are out; .*HTTP 400: no"):
            await adapter(platform, http).send(make_attempt(THREAD))


@pytest.mark.anyio
async def test_find_knows_a_post_behind_shortened_links_and_escapes(tmp_path: Path) -> None:
    picture = medium(tmp_path, "moon.jpg", "image/jpeg")
    message = Message(text=f"Tee & Licht <3 {LINK}", link=LINK, media=(picture,))
    async with FakeX() as platform, client() as http:
        ours = adapter(platform, http)
        assert isinstance(await ours.find(make_attempt(message)), CannotTell)
        receipt = await ours.send(make_attempt(message))
        found = await ours.find(make_attempt(message))
        assert isinstance(found, Found)
        assert found.receipt == receipt
        asked = platform.requests[-1].query["start_time"]
    assert asked == "2026-11-10T23:55:00Z"


# Uploads


async def attempts(platform: FakeX, message: Message, saved: dict[str, Any]) -> ChannelError | None:
    """One attempt as a new process makes it."""
    async with client() as http:
        attempt = make_attempt(message, resume=json.loads(json.dumps(saved)), save=saved.update)
        try:
            await adapter(platform, http).send(attempt)
        except ChannelError as error:
            assert not attempt.fenced
            return error
    return None


@pytest.mark.anyio
async def test_a_film_goes_up_in_parts_and_waits_until_x_has_worked_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(x, "_PART", 5)
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakeX(slow=2) as platform:
        error = await attempts(platform, message, saved)
        assert isinstance(error, Retryable)
        assert not isinstance(error, Interrupted)
        assert error.retry_after == timedelta(seconds=9)
        assert "film.mp4: X still works on it, 40 %" in str(error)
        assert await attempts(platform, message, saved) is None
        assert platform.media == {"500": {"parts": [("0", 5), ("1", 5), ("2", 2)]}}
        assert [post.content["media"] for post in platform.posts.values()] == [{"media_ids": ["500"]}]


@pytest.mark.anyio
async def test_a_part_that_broke_is_sent_again_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(x, "_PART", 5)
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakeX() as platform:
        platform.interfere(2, Death.BEFORE)
        assert isinstance(await attempts(platform, message, saved), Retryable)
        assert await attempts(platform, message, saved) is None
        assert [number for number, _ in platform.media["500"]["parts"]] == ["0", "1", "2"]


@pytest.mark.anyio
async def test_a_token_that_ends_between_two_steps_costs_no_upload(tmp_path: Path) -> None:
    message = Message(text="Bild", media=(medium(tmp_path, "moon.jpg", "image/jpeg"),))
    saved: dict[str, Any] = {}
    async with FakeX() as platform, client() as http:
        platform.interfere(1, Reply(401, json={"title": "Unauthorized", "detail": "token expired"}))
        ours = adapter(platform, http)
        with pytest.raises(Unauthorized, match="token expired"):
            await ours.send(make_attempt(message, save=saved.update))
        await ours.renew()
        await ours.send(make_attempt(message, number=2, resume=saved))
        assert (len(platform.media), len(platform.posts)) == (1, 1)


@pytest.mark.anyio
async def test_a_slow_film_is_asked_after_ever_more_rarely(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakeX(slow=9) as platform, client() as http:
        for number, wait in ((1, 9), (2, 10), (7, 35)):
            attempt = make_attempt(message, number=number, resume=dict(saved), save=saved.update)
            with pytest.raises(Retryable) as caught:
                await adapter(platform, http).send(attempt)
            assert caught.value.retry_after == timedelta(seconds=wait)


@pytest.mark.anyio
async def test_media_x_has_let_go_are_uploaded_again(tmp_path: Path) -> None:
    pictures = tuple(medium(tmp_path, name, "image/jpeg") for name in ("moon.jpg", "sun.jpg"))
    message = Message(text="Bild", media=pictures)
    old = {"id": "499", "until": NOW.isoformat(), "state": "ready"}
    async with FakeX() as platform:
        assert await attempts(platform, message, {"media": [old]}) is None
        assert [p.content["media"] for p in platform.posts.values()] == [{"media_ids": ["500", "501"]}]


@pytest.mark.anyio
async def test_a_film_x_cannot_process_is_refused_with_its_words(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    async with FakeX(slow=3) as platform:
        platform.failed = "InvalidMedia: 4:4:4 video"
        error = await attempts(platform, message, {})
    assert isinstance(error, Rejected)
    assert str(error) == "film.mp4: X could not process it: InvalidMedia: 4:4:4 video"


def test_what_x_does_not_take_together_is_a_problem_before_it_leaves() -> None:
    picture = Media("a" * 64, "image/jpeg", 1, "moon.jpg")
    moving, film = Media("b" * 64, "image/gif", 1, "m.gif"), Media("c" * 64, "video/mp4", 1, "f.mp4")

    def wrong(*media: Media) -> list[str]:
        return problems(Message(text="x", media=media), Adapter.limits, Adapter.carries)

    assert wrong(picture, picture, picture, picture) == []
    assert wrong(moving) == wrong(film) == []
    assert wrong(picture, moving) == ["m.gif: image/gif stands alone in a post"]
    assert wrong(picture, film) == ["f.mp4: video/mp4 stands alone in a post"]
    assert wrong(*[picture] * 5) == ["5 images of 4"]


# Errors


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "body", "fact"),
    [
        (403, {"detail": "You are not allowed to create a Tweet with duplicate content."}, Rejected),
        (403, {"type": f"{TYPE}client-forbidden", "detail": "app not enrolled"}, Unauthorized),
        (403, {"type": f"{TYPE}not-authorized-for-resource", "detail": "protected"}, Rejected),
        (429, {"type": f"{TYPE}usage-capped", "detail": "Monthly product cap"}, QuotaSpent),
        (503, {"type": f"{TYPE}internal-error", "detail": "over capacity"}, OutcomeUnknown),
        (200, {"errors": [{"type": f"{TYPE}invalid-request", "detail": "no"}]}, Rejected),
        (200, {"errors": [{"type": f"{TYPE}internal-error", "detail": "oops"}]}, OutcomeUnknown),
        (200, {"errors": [{"detail": "something unheard of"}]}, Rejected),
    ],
)
async def test_the_vendors_problems_are_facts(status: int, body: Any, fact: type[ChannelError]) -> None:
    async with FakeX() as platform, client() as http:
        platform.interfere(0, Reply(status, json=body))
        with pytest.raises(fact) as caught:
            await adapter(platform, http).send(make_attempt(Message(text="Hallo")))
        assert type(caught.value) is fact
        assert not platform.posts


@pytest.mark.anyio
async def test_a_post_that_comes_back_with_a_warning_is_out() -> None:
    """A 201 may hold both data and errors."""
    both = {"data": {"id": "9", "text": "x"}, "errors": [{"type": f"{TYPE}field-unauthorized"}]}
    async with FakeX() as platform, client() as http:
        platform.interfere(0, Reply(201, json=both))
        assert (await adapter(platform, http).send(make_attempt(Message(text="Hallo")))).remote_id == "9"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reset", "wait"),
    [
        (str(int(NOW.timestamp()) + 180), timedelta(minutes=3)),
        (str(int(NOW.timestamp()) - 9), timedelta(0)),  # X's clock is behind ours
        ("9" * 30, None),
        ("soon", None),
    ],
)
async def test_a_full_window_says_when_it_opens_again(reset: str, wait: timedelta | None) -> None:
    async with FakeX() as platform, client() as http:
        limited = {"type": f"{TYPE}rate-limit-exceeded", "title": "Too Many Requests"}
        platform.interfere(0, Reply(429, json=limited, headers={"x-rate-limit-reset": reset}))
        with pytest.raises(Retryable) as caught:
            await adapter(platform, http).send(make_attempt(Message(text="Hallo")))
    assert caught.value.retry_after == wait


# Tokens


@pytest.mark.anyio
async def test_renewing_rotates_both_tokens_and_the_new_ones_are_used() -> None:
    async with FakeX() as platform, client() as http:
        ours = adapter(platform, http)
        first = await ours.renew()
        assert first.expires_at == NOW + timedelta(hours=2)
        again = await adapter(platform, http, first).renew()
        assert again.values["refresh_token"].get_secret_value() == f"{REFRESH}-2-2"
        facts = await adapter(platform, http, again).check()
        assert (facts.name, facts.expires_at) == ("@lantern", again.expires_at)
        basic = platform.requests[0].headers["authorization"]
    assert basic == f"Basic {base64.b64encode(f'lantern:{OAUTH}'.encode()).decode()}"


@pytest.mark.anyio
@pytest.mark.parametrize("refresh", [REFRESH, ""])
async def test_a_token_that_ended_waits_for_its_renewal_and_stops_no_account(refresh: str) -> None:
    """The platform's 401 would stop it, until a person came; without a refresh token that is the truth."""
    held = Credentials({"access_token": SecretStr("ended")}, NOW)
    async with FakeX() as platform, client() as http:
        ours = adapter(platform, http, held, refresh_token=refresh)
        with pytest.raises(Retryable if refresh else Unauthorized) as caught:
            await ours.send(make_attempt(Message(text="Hallo")))
        assert len(platform.requests) == (0 if refresh else 1)
    if isinstance(caught.value, Retryable):
        assert caught.value.retry_after == timedelta(seconds=30)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "fact"),
    [
        (Death.BEFORE, Retryable),
        (Reply(503), Retryable),
        (Reply(429), Retryable),
        (Reply(400, json={"error": "invalid_grant", "error_description": f"{REFRESH} ended"}), Unauthorized),
    ],
)
async def test_only_a_grant_that_ended_disconnects(fault: Any, fact: type[ChannelError]) -> None:
    """A server that is down leaves the old tokens as they were."""
    kept = Credentials({"access_token": SecretStr("a"), "refresh_token": SecretStr(REFRESH)})
    async with FakeX() as platform, client() as http:
        ours = adapter(platform, http, kept)
        platform.interfere(0, fault)
        with pytest.raises(fact) as caught:
            await ours.renew()
        assert ours.credentials is kept
        assert REFRESH not in str(caught.value)
        if fact is Retryable:
            platform.revive()
            await ours.renew()


@pytest.mark.anyio
async def test_without_any_token_the_account_waits_for_a_person() -> None:
    async with FakeX() as platform, client() as http:
        ours = adapter(platform, http, token="", refresh_token="")
        with pytest.raises(Unauthorized, match="no access token yet"):
            await ours.check()
        with pytest.raises(Unauthorized, match="no refresh token"):
            await ours.renew()
        assert not platform.requests


# Webhooks


def signed(body: bytes, secret: str = SECRET) -> str:
    made = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return "sha256=" + base64.b64encode(made).decode()


def heard(body: bytes, signature: str, **more: Any) -> Any:
    request = HeardRequest("POST", "https://x/", {"x-twitter-webhooks-signature": signature}, {}, body)
    return adapter(FakeX(), None, **more).hear(request)


def test_the_challenge_is_answered_with_the_tokens_signature() -> None:
    """The form of docs.x.com/x-api/webhooks: response_token is sha256= and base64 of the HMAC."""
    query = {"crc_token": "9b4507b3-9040-4669-9ca3-6b94edb50553", "nonce": "1"}
    told = adapter(FakeX(), None).hear(HeardRequest("GET", "https://x/", {}, query, b""))
    assert json.loads(told.reply) == {"response_token": signed(query["crc_token"].encode())}
    assert told.content_type == "application/json"
    with pytest.raises(Unauthorized):
        adapter(FakeX(), None, consumer_secret="").hear(HeardRequest("GET", "https://x/", {}, query, b""))


ACTIVITY = {
    "for_user_id": "7",
    "tweet_create_events": [
        {
            "id_str": "88",
            "created_at": "Wed Nov 11 00:00:05 +0000 2026",
            "user": {"id_str": "8"},
            "in_reply_to_status_id_str": "1001",
        },
        {"id_str": "89", "user": {"id_str": "7"}, "in_reply_to_status_id_str": "1001"},  # our own thread
        {"id_str": "90", "user": {"id_str": "8"}, "in_reply_to_status_id_str": None},
    ],
    "favorite_events": [
        {
            "id": "f1",
            "created_at": "Wed Nov 11 00:00:09 +0000 2026",
            "favorited_status": {"id_str": "1001"},
            "user": {"id_str": "8"},
        }
    ],
}


def test_answers_and_likes_are_heard_and_our_own_posts_are_not() -> None:
    body = json.dumps(ACTIVITY).encode()
    reply, like = heard(body, signed(body)).events
    assert (reply.external_id, reply.kind, reply.remote_id) == ("88", "replied", "1001")
    assert reply.occurred_at == datetime(2026, 11, 11, 0, 0, 5, tzinfo=UTC)
    assert (like.external_id, like.kind, like.remote_id) == ("f1", "liked", "1001")


@pytest.mark.parametrize("signature", ["", "sha256=", signed(b"another"), signed(b"{}", "another"), "ü"])
def test_a_webhook_that_is_not_xs_leaves_nothing(signature: str) -> None:
    with pytest.raises(Unauthorized):
        heard(b"{}", signature)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tweet_create_events": 1}', b"\xff"])
def test_a_signed_webhook_that_cannot_be_read_is_answered_400(body: bytes) -> None:
    assert heard(body, signed(body)).status == 400


# The vendor's contract


@pytest.fixture
def everything(tmp_path: Path) -> list[Message]:
    picture = medium(tmp_path, "moon.jpg", "image/jpeg", alt="Moon")
    moving = medium(tmp_path, "moon.gif", "image/gif")
    film = medium(tmp_path, "film.mp4", "video/mp4", alt="Film")
    return [
        Message(text=text, link=link, media=media, paid=paid, ai_made=paid, reply_to=reply, thread=thread)
        for text, link in (("Hallo", ""), (f"Hallo {LINK}", LINK))
        for media in ((), (picture,), (picture, picture), (moving,), (film,))
        for paid in (False, True)
        for reply in ("", "41")
        for thread in ((), ("Zwei",))
    ]


@pytest.mark.anyio
async def test_every_request_is_one_the_contract_knows(everything: list[Message], openapi: Any) -> None:
    check = openapi("x/openapi.json")
    async with FakeX(slow=2) as platform, client() as http:
        ours = adapter(platform, http, reply_settings="verified")
        for message in everything:
            saved: dict[str, Any] = {}
            for _ in range(3):
                with suppress(Retryable):
                    receipt = await ours.send(make_attempt(message, resume=saved, save=saved.update))
            await ours.find(make_attempt(message))
            await ours.engagement([receipt.remote_id, "404404"])
            await ours.withdraw(receipt.remote_id)
        await ours.check()
    calls = {(seen.method, seen.path.replace("500", "{id}")) for seen in platform.requests}
    assert len(calls) >= 10
    wrong = {f"{seen.method} {seen.path}: {each}" for seen in platform.requests for each in check(seen)}
    assert not wrong


@pytest.mark.anyio
async def test_engagement_asks_for_a_hundred_posts_at_once() -> None:
    async with FakeX() as platform, client() as http:
        for number in range(230):
            platform.counts[platform.publish({"text": str(number)})] = {"like_count": number}
        ids = [f"{id},77" if id == "1001" else id for id in platform.posts]
        readings = await adapter(platform, http).engagement(ids)
        assert len(platform.requests) == 3
    assert {r.remote_id: r.value for r in readings} == dict(zip(ids, range(230), strict=True))


def test_the_matrix_is_honest() -> None:
    """X has no language of a post and no title: a title is refused, not dropped."""
    assert Feature.TITLE not in Adapter.carries
    assert Feature.LANGUAGE not in Adapter.carries
    assert problems(Message(text="x", title="y"), Adapter.limits, Adapter.carries) == ["carries no title"]
    weighted = problems(Message(text="灯" * 141), Adapter.limits, Adapter.carries)
    assert weighted
    assert weighted[0].startswith("282 of 280")
