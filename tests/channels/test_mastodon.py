"""Mastodon: the suite, and what is its own: threads, slow media, limits, batches, finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from channels._in_time_testing import Expiry, SlowWork, TokenEnd
from channels.base import (
    CannotTell,
    Clock,
    Credentials,
    Found,
    Interrupted,
    Metric,
    OutcomeUnknown,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.mastodon import Adapter, MastodonSettings
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
from content.message import Counting, Media, Message

TOKEN = "mastodon-token-of-the-shop"
LINK = "https://lantern-house.example/r/m1?a=1&b=2"
ACCOUNT = {"id": "7", "acct": "lantern", "url": "https://social.example/@lantern"}
INSTANCE = {
    "configuration": {
        "statuses": {
            "max_characters": 700,
            "max_media_attachments": 6,
            "characters_reserved_per_url": 21,
        },
        "media_attachments": {"image_size_limit": 9_000_000},
    }
}


class FakeMastodon(FakePlatform):
    """Answers as docs.joinmastodon.org/methods says; read 2026-11-22."""

    drops_repeats = True
    batches = True  #: since 4.3

    def __init__(self, slow: int = 0) -> None:
        super().__init__()
        self.slow = slow  #: how often a medium is still being worked on
        self.media: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, json={"error": "The access token is invalid"})
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", "/api/v1/accounts/verify_credentials"): lambda _: Reply(json=ACCOUNT),
            ("GET", "/api/v2/instance"): lambda _: Reply(json=INSTANCE),
            ("GET", "/api/v1/accounts/7/statuses"): self.latest,
            ("POST", "/api/v2/media"): self.upload,
            ("POST", "/api/v1/statuses"): self.create,
            ("GET", "/api/v1/statuses"): self.many,
        }
        if route := routes.get((seen.method, seen.path)):
            return route(seen)
        return self.one(seen, seen.path.rsplit("/", 1)[1])

    def one(self, seen: Seen, id: str) -> Reply:
        if "/media/" in seen.path and id in self.media:
            return self.processed(id)
        if "/statuses/" in seen.path and id in self.posts:
            shown = self.status(id)
            if seen.method == "DELETE":
                del self.posts[id]
            return Reply(json=shown)
        return Reply(404, json={"error": "Record not found"})

    def upload(self, seen: Seen) -> Reply:
        id = str(500 + len(self.media))
        self.media[id] = seen.fields
        return Reply(202 if self.slow else 200, json={"id": id, "url": None})

    def processed(self, id: str) -> Reply:
        self.slow = max(self.slow - 1, 0)
        return Reply(206 if self.slow else 200, json={"id": id})

    def create(self, seen: Seen) -> Reply:
        return Reply(json=self.status(self.publish(seen.json, seen.headers["idempotency-key"])))

    def latest(self, seen: Seen) -> Reply:
        return Reply(json=[self.status(id) for id in reversed(self.posts)])

    def many(self, seen: Seen) -> Reply:
        if not self.batches:
            return Reply(404, json={"error": "Not Found"})
        asked = seen.query["id[]"]
        ids = [asked] if isinstance(asked, str) else asked
        return Reply(json=[self.status(id) for id in ids if id in self.posts])

    def status(self, id: str) -> dict[str, Any]:
        text = escape(self.posts[id].content["status"]).replace("\n\n", "</p><p>")
        shown = f'<a href="{escape(LINK)}"><span class="invisible">https://</span>{escape(LINK[8:])}</a>'
        return {
            "id": id,
            "url": f"https://social.example/@lantern/{id}",
            "created_at": "2026-11-11T00:00:01.000Z",
            "content": f"<p>{text.replace(escape(LINK), shown)}</p>",
            **self.counts.get(id, {}),
        }


def adapter(platform: Platform, http: httpx.AsyncClient, **more: Any) -> Adapter:
    settings = MastodonSettings(server=platform.url, token=TOKEN, **more)
    return Adapter(settings, Credentials(), http, StillClock())


def picture(folder: Path, name: str = "moon.jpg") -> Media:
    (folder / name).write_bytes(b"\xff\xd8 a picture")
    return Media("a" * 64, "image/jpeg", 12, name, alt="A paper lantern", path=str(folder / name))


class TestMastodon(HttpConformance):
    secrets = (TOKEN,)

    def platform(self) -> Platform:
        return FakeMastodon()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        settings = MastodonSettings(server=platform.url, token=TOKEN)
        return Adapter(settings, Credentials(), http, clock)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {
            Metric.LIKES: "favourites_count",
            Metric.SHARES: "reblogs_count",
            Metric.REPLIES: "replies_count",
            Metric.QUOTES: "quotes_count",
        }
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestMastodonWithAPicture(SlowWork, Expiry, TokenEnd, TestMastodon):
    """Two exchanges: the upload, then the post that shows it."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.picture = picture(tmp_path)

    def message(self) -> Message:
        return Message(text="Lantern House", media=(self.picture,), language="de-DE")

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        platform.slow = 1
        if seen.method == "GET" and "/media/" in seen.path:
            return Reply(206, json={"id": seen.path.rpartition("/")[2]})
        return None

    def expire(self, platform: Any) -> None:
        platform.media.clear()

    def end_token(self, platform: Any) -> Reply | None:
        return Reply(401, json={"error": "The access token was revoked"})


@pytest.mark.anyio
async def test_check_learns_the_limits_of_this_server() -> None:
    async with FakeMastodon() as platform, client() as http:
        facts = await adapter(platform, http, content_warning="Werbung 🏮").check()
    assert facts.name.startswith("@lantern@")
    assert facts.limits is not None
    assert (facts.limits.text, facts.limits.link_length, facts.limits.images) == (700 - 9, 21, 6)
    assert facts.limits.counting is Counting.GRAPHEMES


@pytest.mark.anyio
async def test_every_optional_field_arrives_and_nothing_else(tmp_path: Path) -> None:
    message = Message(
        text="Hallo", link=LINK, media=(picture(tmp_path),), language="zh-Hant-TW", reply_to="41,42"
    )
    async with FakeMastodon() as platform, client() as http:
        ours = adapter(platform, http, visibility="unlisted", content_warning="Werbung", sensitive=True)
        receipt = await ours.send(make_attempt(message))
    assert platform.posts[receipt.remote_id].content == {
        "status": f"Hallo\n\n{LINK}",
        "visibility": "unlisted",
        "in_reply_to_id": "42",
        "media_ids": ["500"],
        "language": "zh",
        "spoiler_text": "Werbung",
        "sensitive": True,
    }
    assert platform.media["500"] == {"description": "A paper lantern", "file": b"\xff\xd8 a picture"}
    assert receipt.url == f"https://social.example/@lantern/{receipt.remote_id}"


@pytest.mark.anyio
async def test_a_plain_post_holds_only_what_it_needs() -> None:
    async with FakeMastodon() as platform, client() as http:
        receipt = await adapter(platform, http).send(make_attempt(Message(text="Hallo")))
    assert platform.posts[receipt.remote_id].content == {"status": "Hallo", "visibility": "public"}
    assert platform.posts[receipt.remote_id].key == KEY


@pytest.mark.anyio
async def test_a_film_that_is_still_processed_comes_back_later_and_is_uploaded_once(tmp_path: Path) -> None:
    saved: dict[str, Any] = {}
    message = Message(text="Film", media=(picture(tmp_path, "film.mp4"),))
    async with FakeMastodon(slow=3) as platform, client() as http:
        for number in (1, 2, 3):
            attempt = make_attempt(message, number=number, resume=dict(saved), save=saved.update)
            with pytest.raises(Retryable) as caught:
                await adapter(platform, http).send(attempt)
            assert not isinstance(caught.value, Interrupted)
            assert caught.value.retry_after == timedelta(seconds=5)
            assert not attempt.fenced
        await adapter(platform, http).send(make_attempt(message, number=4, resume=saved))
    assert len(platform.media) == 1
    assert [post.content["media_ids"] for post in platform.posts.values()] == [["500"]]


@pytest.mark.anyio
async def test_media_the_server_cleared_away_are_uploaded_again(tmp_path: Path) -> None:
    message = Message(text="Bild", media=(picture(tmp_path), picture(tmp_path, "sun.jpg")))
    async with FakeMastodon() as platform, client() as http:
        platform.media["500"] = {}
        await adapter(platform, http).send(make_attempt(message, resume={"media": ["500", "999"]}))
    assert [post.content["media_ids"] for post in platform.posts.values()] == [["501", "502"]]


@pytest.mark.anyio
async def test_a_file_that_is_not_there_is_a_refusal_that_names_it() -> None:
    message = Message(text="Bild", media=(Media("a" * 64, "image/jpeg", 1, "gone.jpg", path="/nowhere/x"),))
    async with FakeMastodon() as platform, client() as http:
        with pytest.raises(Rejected, match=r"^gone\.jpg: No such file"):
            await adapter(platform, http).send(make_attempt(message))


THREAD = Message(text="Eins", thread=("Zwei", "Drei"))


@pytest.mark.anyio
async def test_a_thread_is_a_chain_of_replies() -> None:
    async with FakeMastodon() as platform, client() as http:
        receipt = await adapter(platform, http).send(make_attempt(THREAD))
    assert receipt.remote_id == "1001,1002,1003"
    assert [post.content.get("in_reply_to_id") for post in platform.posts.values()] == [None, "1001", "1002"]


@pytest.mark.anyio
@pytest.mark.parametrize("death", list(Death))
@pytest.mark.parametrize("step", [0, 1, 2])
async def test_a_thread_that_breaks_anywhere_is_resumed_without_a_double(step: int, death: Death) -> None:
    """Whether the part before, or the checkpoint after, was lost: three posts, in their order."""
    saved: dict[str, Any] = {}
    async with FakeMastodon() as platform, client() as http:
        platform.interfere(step, death)
        with suppress(OutcomeUnknown):
            await adapter(platform, http).send(make_attempt(THREAD, save=saved.update))
        platform.revive()
        resumed = make_attempt(THREAD, number=2, resume=dict(saved), save=saved.update)
        receipt = await adapter(platform, http).send(resumed)
    assert receipt.remote_id.split(",") == list(platform.posts)
    assert [post.content["status"] for post in platform.posts.values()] == ["Eins", "Zwei", "Drei"]


@pytest.mark.anyio
@pytest.mark.parametrize("status", [401, 422, 429])
async def test_a_thread_refused_in_the_middle_is_never_called_unpublished(status: int) -> None:
    """Rejected would say that nothing is out; the first part is."""
    async with FakeMastodon() as platform, client() as http:
        platform.interfere(1, Reply(status, json={"error": "no"}))
        with pytest.raises(OutcomeUnknown, match=rf"1 of 3 parts are out; .*HTTP {status}: no"):
            await adapter(platform, http).send(make_attempt(THREAD))


@pytest.mark.anyio
async def test_find_knows_the_post_by_its_link_or_its_whole_text() -> None:
    linked, plain = Message(text=f"Los! {LINK}", link=LINK), Message(text="Ein  Satz & mehr\n\nnoch einer")
    async with FakeMastodon() as platform, client() as http:
        ours = adapter(platform, http)
        for message in (linked, plain, THREAD):
            receipt = await ours.send(make_attempt(message, key=f"key-{len(platform.posts)}"))
            found = await ours.find(make_attempt(message))
            assert isinstance(found, Found)
            assert found.receipt == receipt
        longer = LINK[:-1]  # another link that begins alike is another post
        assert isinstance(await ours.find(make_attempt(Message(text="Los!", link=longer))), CannotTell)
        assert isinstance(await ours.find(make_attempt(Message(text="Ein Satz"))), CannotTell)


@pytest.mark.anyio
async def test_find_says_how_much_of_a_thread_is_out() -> None:
    async with FakeMastodon() as platform, client() as http:
        platform.interfere(2, Death.BEFORE)
        with pytest.raises(OutcomeUnknown):
            await adapter(platform, http).send(make_attempt(THREAD))
        told = await adapter(platform, http).find(make_attempt(THREAD))
    assert isinstance(told, CannotTell)
    assert told.why.startswith("2 of 3 posts")


@pytest.mark.anyio
async def test_find_leaves_out_what_is_older_than_the_delivery() -> None:
    """The same words were posted last year: they are not this delivery."""
    message = Message(text="Frohes Fest")
    async with FakeMastodon() as platform, client() as http:
        ours = adapter(platform, http)
        await ours.send(make_attempt(message))
        attempt = make_attempt(message)
        attempt.since = NOW + timedelta(days=300)
        assert isinstance(await ours.find(attempt), CannotTell)


@pytest.mark.anyio
@pytest.mark.parametrize(("batches", "calls"), [(True, 3), (False, 48)])
async def test_engagement_asks_in_batches_and_one_by_one_where_the_server_is_old(
    batches: bool, calls: int
) -> None:
    async with FakeMastodon() as platform, client() as http:
        platform.batches = batches
        for number in range(44):
            id = platform.publish({"status": str(number)}, str(number))
            platform.counts[id] = {"favourites_count": number}
        ids = [f"{id},77" if id == "1001" else id for id in platform.posts]
        readings = await adapter(platform, http).engagement([*ids, "404404"])
    assert {r.remote_id: r.value for r in readings} == dict(zip(ids, range(44), strict=True))
    assert len(platform.requests) == calls


@pytest.mark.anyio
async def test_withdrawing_takes_the_whole_thread_down_and_may_be_repeated() -> None:
    async with FakeMastodon() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(THREAD))
        await ours.withdraw(receipt.remote_id)
        assert not platform.posts
        await ours.withdraw(receipt.remote_id)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reset", "wait"),
    [
        ("2026-11-11T00:03:00.000000Z", timedelta(minutes=3)),
        ("2026-11-10T23:59:00Z", timedelta(0)),  # the server's clock is behind
        ("soon", None),
        ("2026-11-11T00:03:00", None),  # without a zone it means nothing
    ],
)
async def test_a_full_window_says_when_it_opens_again(reset: str, wait: timedelta | None) -> None:
    async with FakeMastodon() as platform, client() as http:
        throttled = Reply(429, json={"error": "Throttled"}, headers={"X-RateLimit-Reset": reset})
        platform.interfere(0, throttled)
        with pytest.raises(Retryable) as caught:
            await adapter(platform, http).send(make_attempt(Message(text="Hallo")))
    assert caught.value.retry_after == wait


@pytest.mark.anyio
async def test_a_revoked_token_stops_the_account() -> None:
    async with FakeMastodon() as platform, client() as http:
        settings = MastodonSettings(server=platform.url, token="revoked")
        with pytest.raises(Unauthorized, match="The access token is invalid"):
            await Adapter(settings, Credentials(), http, StillClock()).check()


# The vendor's documented forms; there is no machine-readable contract


def form(*either: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "anyOf": list(either), "properties": properties, "additionalProperties": False}


TEXT, ID = {"type": "string", "minLength": 1}, {"type": "string", "pattern": r"^\d+$"}
#: docs.joinmastodon.org/methods/statuses/#create ("If `media_ids` is provided, this becomes optional";
#: "ISO 639-1 language code") and /methods/media/#v2 ("The file must have a MIME type"); read 2026-11-22.
DOCUMENTED = {
    "/api/v1/statuses": form(
        {"required": ["status"], "properties": {"status": TEXT}},
        {"required": ["media_ids"]},
        status={"type": "string"},
        media_ids={"type": "array", "items": ID, "minItems": 1, "uniqueItems": True},
        in_reply_to_id=ID,
        sensitive={"type": "boolean"},
        spoiler_text={"type": "string"},
        visibility={"enum": ["public", "unlisted", "private", "direct"]},
        language={"type": "string", "pattern": "^[a-z]{2}$"},
    ),
    "/api/v2/media": form({"required": ["file"]}, file={}, description={"type": "string"}),
}


@pytest.mark.anyio
async def test_every_form_is_as_the_page_describes_it(tmp_path: Path) -> None:
    pictures = (picture(tmp_path), picture(tmp_path, "sun.jpg"))
    full = Message(
        "Hallo", link=LINK, media=pictures, language="zh-Hant-TW", reply_to="41,42", thread=("Zwei",)
    )
    async with FakeMastodon() as platform, client() as http:
        for visibility in ("public", "unlisted", "private"):
            ours = adapter(
                platform,
                http,
                visibility=visibility,
                content_warning="Werbung",
                sensitive=visibility == "private",
            )
            for message in (full, THREAD, Message("", media=pictures[:1])):
                await ours.send(make_attempt(message, key=f"key-{len(platform.posts)}"))
    posted = [seen for seen in platform.requests if seen.method == "POST"]
    assert {seen.path for seen in posted} == set(DOCUMENTED)
    for seen in posted:
        given = seen.fields if seen.path == "/api/v2/media" else seen.json
        Draft202012Validator(DOCUMENTED[seen.path]).validate(given)
        assert ("idempotency-key" in seen.headers) == (seen.path == "/api/v1/statuses")
    uploads = [seen.body for seen in posted if seen.path == "/api/v2/media"]
    assert uploads
    assert all(b"Content-Type: image/jpeg" in body for body in uploads)


@pytest.mark.parametrize(
    "wrong",
    [{"status": ""}, {"language": "de-DE"}, {"visibility": "friends"}, {"text": "Hallo"}, {"media_ids": "7"}],
)
def test_the_form_catches_what_it_should(wrong: dict[str, Any]) -> None:
    page = Draft202012Validator(DOCUMENTED["/api/v1/statuses"])
    assert page.is_valid({"status": "Hallo", "language": "de"})
    assert not page.is_valid({"status": "Hallo"} | wrong)
