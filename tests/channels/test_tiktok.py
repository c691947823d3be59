"""TikTok: the suite for films in one part, in many, and pictures; following, webhooks, documented bodies."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from channels import tiktok
from channels._in_time_testing import Expiry, Review, SlowWork, TokenEnd
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
    Post,
    Reply,
    Seen,
    StillClock,
    make_attempt,
)
from channels.tiktok import Adapter, TikTokSettings
from content.message import Media, Message, problems

TOKEN, REFRESH, OAUTH = "act.token-of-the-shop", "rft.refresh-of-the-shop", "tt-secret-of-the-shop"
LINK = "https://lantern-house.example/r/t1"
MEDIA = "https://media.lantern-house.example"


class FakeTikTok(FakePlatform):
    """Answers as developers.tiktok.com's Content Posting API says; read 2026-11-22."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.refresh = TOKEN, REFRESH
        self.creator: dict[str, Any] = {"privacy_level_options": ["PUBLIC_TO_EVERYONE", "SELF_ONLY"]}
        self.whole = 201  #: what a film's last part is answered with
        self.uploads: dict[str, dict[str, Any]] = {}
        self.status: dict[str, Any] = {"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": [7341]}
        self.counts: dict[str, dict[str, int]] = {}

    @property
    def posts(self) -> dict[str, Post]:
        return {post.content["publish_id"]: post for post in self._posts.values()}

    def answer(self, seen: Seen) -> Reply:
        if seen.path.startswith("/upload/"):
            return self.part(seen)
        if seen.path == "/v2/oauth/token/":
            return self.renew(seen)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return refusal("access_token_invalid", 401)
        routes: dict[str, Callable[[Seen], dict[str, Any]]] = {
            "/v2/post/publish/creator_info/query/": lambda _: {"creator_username": "lantern", **self.creator},
            "/v2/post/publish/video/init/": self.begin_film,
            "/v2/post/publish/content/init/": lambda seen: self.fetched(seen.json),
            "/v2/post/publish/status/fetch/": self.reached,
            "/v2/video/query/": self.many,
        }
        return Reply(json={"data": routes[seen.path](seen), "error": {"code": "ok", "message": ""}})

    def fetched(self, said: Any) -> dict[str, Any]:
        id = str(9001 + len(self.uploads))
        self.uploads[id] = {"publish_id": id, "said": said}
        self.publish(self.uploads[id])
        return {"publish_id": id}

    def begin_film(self, seen: Seen) -> dict[str, Any]:
        source = seen.json["source_info"]
        if source["source"] == "PULL_FROM_URL":
            return self.fetched(seen.json)
        id = str(9001 + len(self.uploads))
        self.uploads[id] = {"publish_id": id, "said": seen.json, "film": b"", "size": source["video_size"]}
        return {"publish_id": id, "upload_url": f"{self.url}/upload/{id}"}

    def part(self, seen: Seen) -> Reply:
        assert "authorization" not in seen.headers, "the address is the key"
        upload = self.uploads[seen.path.rpartition("/")[2]]
        first, rest = seen.headers["content-range"].removeprefix("bytes ").split("-")
        last, size = map(int, rest.split("/"))
        assert (last - int(first) + 1, size) == (len(seen.body), upload["size"])
        if int(first) != len(upload["film"]):
            return Reply(416)
        upload["film"] += seen.body
        if len(upload["film"]) < size:
            return Reply(206)
        self.publish(upload)
        return Reply(self.whole)

    def reached(self, seen: Seen) -> dict[str, Any]:
        upload = self.uploads[seen.json["publish_id"]]
        if upload["publish_id"] in self.posts:
            return self.status
        return {"status": "PROCESSING_UPLOAD", "uploaded_bytes": len(upload["film"])}

    def many(self, seen: Seen) -> dict[str, Any]:
        assert seen.query["fields"] == "id,view_count,like_count,comment_count,share_count"
        asked = seen.json["filters"]["video_ids"]
        assert len(asked) <= 20
        return {"videos": [{"id": id, **self.counts[id]} for id in asked if id in self.counts]}

    def renew(self, seen: Seen) -> Reply:
        given = (seen.fields["refresh_token"], seen.fields["client_key"], seen.fields["client_secret"])
        if given != (self.refresh, "lantern", OAUTH):
            return Reply(400, json={"error": "invalid_grant", "error_description": f"{given[0]} ended"})
        self.token, self.refresh = f"{self.token}-2", f"{self.refresh}-2"
        lives = {"expires_in": 7200, "refresh_expires_in": 15552000}
        return Reply(json={"access_token": self.token, "refresh_token": self.refresh, **lives})


def refusal(code: str, status: int = 200) -> Reply:
    return Reply(status, json={"data": {}, "error": {"code": code, "message": "the vendor's words"}})


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    given = {"token": TOKEN, "refresh_token": REFRESH, "client_secret": OAUTH, "client_id": "lantern"}
    settings = TikTokSettings(**{**given, "server": platform.url or "https://tiktok.example", **more})
    return Adapter(settings, credentials or Credentials(), http, StillClock())


def film(folder: Path, size: int = 12, url: str = "") -> Media:
    (folder / "film.mp4").write_bytes(bytes(range(size)))
    return Media("c" * 64, "video/mp4", size, "film.mp4", url=url, path=str(folder / "film.mp4"))


def pictures(number: int) -> tuple[Media, ...]:
    names = [f"{n}.jpg" for n in range(number)]
    return tuple(Media("a" * 64, "image/jpeg", 1, name, url=f"{MEDIA}/{name}") for name in names)


class TestTikTok(HttpConformance):
    secrets = (TOKEN, REFRESH, OAUTH)

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.media: tuple[Media, ...] = (film(tmp_path),)

    def platform(self) -> Platform:
        return FakeTikTok()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http)

    def message(self) -> Message:
        return Message(text="Lantern House: 25 %", link=LINK, media=self.media)

    def refused_messages(self) -> list[Message]:
        lost = (Media("a" * 64, "image/jpeg", 1, "m.jpg"),)
        return [Message("Hallo", media=lost), Message("Hallo", media=pictures(1), ai_made=True)]

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in tiktok._COUNTS.items()}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestTikTokInParts(SlowWork, Review, Expiry, TokenEnd, TestTikTok):
    """The creator, the beginning, three parts: each may be the last thing we do."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tiktok, "_PART", 4)

    async def deliver(self, platform: Platform, saved: dict[str, Any], first: Any) -> Any:
        """Once an upload is kept, every lost answer is settled by it."""
        receipt = await super().deliver(platform, saved, first)
        assert receipt or not saved, "no person has to look"
        return receipt

    reason = "frame_rate_check_failed"

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        return self.told(platform, seen, status="PROCESSING_UPLOAD", uploaded_bytes=12)

    def reviewing(self, platform: Any, seen: Seen) -> Reply | None:
        return self.told(platform, seen, status="PUBLISH_COMPLETE")

    def refusing(self, platform: Any, seen: Seen) -> Reply | None:
        return self.told(platform, seen, status="FAILED", fail_reason=self.reason)

    def told(self, platform: Any, seen: Seen, **status: Any) -> Reply | None:
        """What becomes of a post that was taken."""
        asks = seen.path.endswith("/status/fetch/") and platform.posts
        return Reply(json={"data": status, "error": {"code": "ok", "message": ""}}) if asks else None

    def expire(self, platform: Any) -> None:
        """An upload's address answers no more."""
        for upload in platform.uploads.values():
            upload["film"] = None


class TestTikTokWithPictures(TestTikTok):
    @pytest.fixture(autouse=True)
    def folder(self) -> None:
        self.media = pictures(2)


async def attempts(
    platform: FakeTikTok, message: Message, saved: dict[str, Any], **more: Any
) -> ChannelError | None:
    """One attempt as a new process makes it."""
    async with client() as http:
        resume = json.loads(json.dumps(saved))
        attempt = make_attempt(message, resume=resume, save=saved.update)
        try:
            await adapter(platform, http, **more).send(attempt)
        except ChannelError as error:
            return error
    return None


# What is carried


@pytest.mark.anyio
async def test_every_optional_field_of_a_film_arrives_and_nothing_else(tmp_path: Path) -> None:
    message = Message(text="Hallo", link=LINK, media=(film(tmp_path),), paid=True, ai_made=True)
    async with FakeTikTok() as platform:
        platform.creator["stitch_disabled"] = True
        assert await attempts(platform, message, {}, own_brand=True, duets=False) is None
        [upload] = platform.uploads.values()
    assert upload["film"] == bytes(range(12))
    assert upload["said"]["post_info"] == {
        "title": f"Hallo\n\n{LINK}",
        "privacy_level": "PUBLIC_TO_EVERYONE",
        "disable_comment": False,
        "disable_duet": True,
        "disable_stitch": True,
        "brand_content_toggle": True,
        "brand_organic_toggle": True,
        "is_aigc": True,
    }


@pytest.mark.anyio
async def test_pictures_and_films_with_an_address_are_fetched_and_not_sent(tmp_path: Path) -> None:
    async with FakeTikTok() as platform:
        for media in ((film(tmp_path, url=f"{MEDIA}/film.mp4"),), pictures(3)):
            assert await attempts(platform, Message(text="Hallo", media=media), {}) is None
        sources = [upload["said"]["source_info"] for upload in platform.uploads.values()]
        assert not any(seen.method == "PUT" for seen in platform.requests)
    assert sources[0] == {"source": "PULL_FROM_URL", "video_url": f"{MEDIA}/film.mp4"}
    assert sources[1]["photo_images"] == [f"{MEDIA}/{n}.jpg" for n in range(3)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("media", "more", "words"),
    [
        ((Media("a" * 64, "image/jpeg", 1, "m.jpg"),), {}, "m.jpg: has no address to be fetched from"),
        (pictures(1), {"ai_made": True}, "AI label: TikTok has none for pictures"),
    ],
)
async def test_what_pictures_cannot_carry_is_refused_and_not_dropped(
    media: tuple[Media, ...], more: dict[str, Any], words: str
) -> None:
    async with FakeTikTok() as platform:
        error = await attempts(platform, Message(text="Hallo", media=media, **more), {})
        assert not platform.posts
    assert isinstance(error, Rejected)
    assert str(error).startswith(words)


@pytest.mark.anyio
async def test_an_audience_the_creator_does_not_have_is_refused_before_anything_is_sent() -> None:
    async with FakeTikTok() as platform:
        platform.creator["privacy_level_options"] = ["FOLLOWER_OF_CREATOR", "SELF_ONLY"]
        error = await attempts(platform, Message(text="Hallo", media=pictures(1)), {})
        assert len(platform.requests) == 1
    assert isinstance(error, Unauthorized)
    assert str(error) == "privacy: PUBLIC_TO_EVERYONE; may be FOLLOWER_OF_CREATOR, SELF_ONLY"


@pytest.mark.anyio
async def test_check_says_that_the_audience_has_to_be_changed() -> None:
    """It is of the account: no message is lost for it, and all of them wait."""
    async with FakeTikTok() as platform, client() as http:
        platform.creator["privacy_level_options"] = ["SELF_ONLY"]
        with pytest.raises(Unauthorized, match="privacy: PUBLIC_TO_EVERYONE; may be SELF_ONLY"):
            await adapter(platform, http).check()


def test_the_matrix_is_honest() -> None:
    moving = Media("c" * 64, "video/mp4", 1, "f.mp4")

    def wrong(*media: Media, **more: Any) -> list[str]:
        return problems(Message(media=media, **{"text": "x", **more}), Adapter.limits, Adapter.carries)

    assert wrong(*pictures(35), paid=True, link=LINK) == wrong(moving, ai_made=True) == []
    assert wrong(*pictures(36)) == ["36 images of 35"]
    assert wrong(*pictures(1), moving) == ["f.mp4: video/mp4 stands alone in a post"]
    assert wrong() == ["there is no picture and no film; this platform publishes no text alone"]
    assert wrong(moving, text="🏮" * 1101)[0].startswith("2,202 of 2,200")
    assert len(wrong(moving, title="t", reply_to="1", thread=("y",))) == 3


# Uploads


@given(st.integers(1, 4 * 1024**3))
def test_parts_keep_tiktoks_rules(size: int) -> None:
    """content-posting-api-media-transfer-guide: size / part rounded down; 5 to 64 MB, the last to 128."""
    count, part = tiktok._parts(size)
    assert count == size // part
    assert 1 <= count <= 1000
    last = size - (count - 1) * part
    assert part <= last <= 128_000_000
    assert part <= 64_000_000
    assert part >= 5_000_000 or (count == 1 and part == size)


@pytest.mark.anyio
@pytest.mark.parametrize("death", [Death.BEFORE, Death.AFTER])
async def test_a_new_process_goes_on_where_tiktok_says_it_is(
    death: Death, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiktok, "_PART", 4)
    message, saved = Message(text="Film", media=(film(tmp_path, 14),)), {}
    async with FakeTikTok() as platform:
        platform.interfere(3, death)
        assert isinstance(await attempts(platform, message, saved), Retryable)
        assert await attempts(platform, message, saved) is None
        [upload] = platform.uploads.values()
        spans = [seen.headers["content-range"] for seen in platform.requests if seen.method == "PUT"]
    assert upload["film"] == bytes(range(14))
    assert spans[0] == "bytes 0-3/14"
    assert spans[-1] == "bytes 8-13/14", "the last part takes the rest"
    assert len(spans) == (4 if death is Death.BEFORE else 3)


@pytest.mark.anyio
async def test_an_address_that_expired_is_asked_for_anew(tmp_path: Path) -> None:
    message, saved = Message(text="Film", media=(film(tmp_path),)), {}
    async with FakeTikTok() as platform:
        platform.interfere(2, Reply(429))
        assert isinstance(await attempts(platform, message, saved), Retryable)
        saved["upload"]["until"] = NOW.isoformat()
        assert await attempts(platform, message, saved) is None
        assert list(platform.posts) == ["9002"]


@pytest.mark.anyio
async def test_find_asks_the_upload_and_is_sure(tmp_path: Path) -> None:
    message, saved = Message(text="Film", media=(film(tmp_path),)), {}
    async with FakeTikTok() as platform, client() as http:
        ours = adapter(platform, http)
        assert isinstance(await ours.find(make_attempt(message)), CannotTell)
        platform.interfere(2, Death.BEFORE)
        assert isinstance(await attempts(platform, message, saved), OutcomeUnknown)
        assert await ours.find(make_attempt(message, resume=saved)) == Absent()
        platform.whole = 206  # an answer that does not say that the film is whole
        assert isinstance(await attempts(platform, message, saved), OutcomeUnknown)
        found = await ours.find(make_attempt(message, resume=saved))
    assert isinstance(found, Found)
    assert (found.receipt.remote_id, found.receipt.state) == ("9001", State.PROCESSING)


@pytest.mark.anyio
async def test_an_upload_that_is_found_whole_is_not_sent_again(tmp_path: Path) -> None:
    message, saved = Message(text="Film", media=(film(tmp_path),)), {}
    async with FakeTikTok() as platform:
        platform.interfere(2, Death.AFTER)
        assert isinstance(await attempts(platform, message, saved), OutcomeUnknown)
        assert await attempts(platform, message, saved) is None
        assert [seen.method for seen in platform.requests].count("PUT") == 1
        assert list(platform.posts) == ["9001"]


# Following


@pytest.mark.anyio
async def test_a_post_is_followed_through_review_to_its_number() -> None:
    async with FakeTikTok() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(Message(text="Hallo", media=pictures(1))))
        for status in ("PROCESSING_DOWNLOAD", "PUBLISH_COMPLETE"):  # complete, and still reviewed
            platform.status = {"status": status, "publicaly_available_post_id": []}
            assert await ours.follow(receipt) == receipt
        platform.status["publicaly_available_post_id"] = [7341]
        live = await ours.follow(receipt)
    assert (live.remote_id, live.state) == ("7341", State.SENT)
    assert live.url == "https://www.tiktok.com/@lantern/video/7341"


@pytest.mark.anyio
async def test_a_private_post_has_no_number_and_is_done_all_the_same() -> None:
    async with FakeTikTok() as platform, client() as http:
        ours = adapter(platform, http, privacy="SELF_ONLY")
        receipt = await ours.send(make_attempt(Message(text="Hallo", media=pictures(1))))
        platform.status = {"status": "PUBLISH_COMPLETE"}
        assert (await ours.follow(receipt)).state is State.SENT


@pytest.mark.anyio
async def test_a_refusal_after_the_upload_comes_with_its_reason() -> None:
    async with FakeTikTok() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(Message(text="Hallo", media=pictures(1))))
        platform.status = {"status": "FAILED", "fail_reason": "picture_size_check_failed"}
        with pytest.raises(Rejected, match=r"^TikTok did not publish it: picture_size_check_failed$"):
            await ours.follow(receipt)


# Errors, tokens, reading


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "status", "fact"),
    [
        ("access_token_invalid", 401, Unauthorized),
        ("scope_not_authorized", 401, Unauthorized),
        ("unaudited_client_can_only_post_to_private_accounts", 403, Unauthorized),
        ("spam_risk_too_many_posts", 403, QuotaSpent),
        ("rate_limit_exceeded", 200, Retryable),
        ("rate_limit_exceeded", 429, Retryable),
        ("url_ownership_unverified", 403, Rejected),
        ("spam_risk_text", 403, Rejected),
        ("a_code_unheard_of", 200, Rejected),
        ("internal_error", 200, OutcomeUnknown),
        ("internal_error", 500, OutcomeUnknown),
    ],
)
async def test_the_vendors_codes_are_facts(code: str, status: int, fact: type[ChannelError]) -> None:
    async with FakeTikTok() as platform:
        platform.interfere(1, refusal(code, status))
        error = await attempts(platform, Message(text="Hallo", media=pictures(1)), {})
        assert not platform.posts
    assert type(error) is fact
    assert "the vendor's words" in str(error)
    assert not isinstance(error, QuotaSpent) or error.until == NOW + timedelta(days=1)


@pytest.mark.anyio
async def test_a_token_that_ends_between_two_steps_is_renewed_and_rotates(tmp_path: Path) -> None:
    message, saved = Message(text="Film", media=(film(tmp_path),)), {}
    async with FakeTikTok() as platform, client() as http:
        platform.interfere(1, refusal("access_token_invalid", 401))
        ours = adapter(platform, http)
        with pytest.raises(Unauthorized):
            await ours.send(make_attempt(message, save=saved.update))
        renewed = await ours.renew()
        await ours.send(make_attempt(message, number=2, resume=saved))
        assert len(platform.posts) == 1
    assert renewed.values["refresh_token"].get_secret_value() == f"{REFRESH}-2"
    assert renewed.expires_at == NOW + timedelta(hours=2)


@pytest.mark.anyio
async def test_twenty_posts_are_read_at_once_and_none_that_is_not_public() -> None:
    ids = [str(n) for n in range(7000, 7045)]
    async with FakeTikTok() as platform, client() as http:
        platform.counts = {id: {"view_count": int(id)} for id in ids}
        readings = await adapter(platform, http).engagement([*ids, "v_pub_url~v2.123"])
        assert len(platform.requests) == 3
    assert [reading.value for reading in readings] == [int(id) for id in ids]


# Webhooks

BODY = json.dumps(
    {
        "client_key": "lantern",
        "event": "post.publish.complete",
        "create_time": 1794355201,
        "user_openid": "o",
        "content": '{"publish_id":"v_pub_file~1","publish_type":"DIRECT_PUBLISH"}',
    }
).encode()


def signed(body: bytes, at: float = NOW.timestamp(), secret: str = OAUTH) -> str:
    made = hmac.new(secret.encode(), f"{at:.0f}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at:.0f},s={made}"


def heard(body: bytes, signature: str, **more: Any) -> Any:
    request = HeardRequest("POST", "https://x/", {"tiktok-signature": signature}, {}, body)
    return adapter(FakeTikTok(), None, **more).hear(request)


def test_what_became_of_a_post_is_heard_once_however_often_it_is_told() -> None:
    [event] = heard(BODY, signed(BODY)).events
    assert (event.kind, event.remote_id) == ("published", "v_pub_file~1")
    assert heard(BODY, signed(BODY)).events[0].external_id == event.external_id
    other = BODY.replace(b"post.publish.complete", b"video.upload.failed")
    assert heard(other, signed(other)).events == ()


@pytest.mark.parametrize(
    "signature",
    ["", "t=,s=", "s", signed(b"another"), signed(BODY, secret="another"), "t=1,s=ü"]
    + [signed(BODY, NOW.timestamp() + seconds) for seconds in (-301, 301)],
)
def test_a_webhook_that_is_not_tiktoks_or_old_leaves_nothing(signature: str) -> None:
    with pytest.raises(Unauthorized):
        heard(BODY, signature)


def test_without_a_secret_nothing_is_believed() -> None:
    with pytest.raises(Unauthorized):
        heard(BODY, signed(BODY, secret=""), client_secret="")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", BODY.replace(b"1794355201", b"9" * 18)])
def test_a_signed_webhook_that_cannot_be_read_is_answered_400(body: bytes) -> None:
    assert heard(body, signed(body)).status == 400


# The vendor's documented bodies; there is no machine-readable contract


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


URL, YES = {"type": "string", "pattern": "^https://"}, {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 1}
PRIVACY = {"enum": ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"]}
SHARED = {name: YES for name in ("disable_comment", "brand_content_toggle", "brand_organic_toggle")}
#: developers.tiktok.com/doc/content-posting-api-reference-direct-post, -photo-post, -get-video-status and
#: tiktok-api-v2-video-query, excerpts read 2026-11-22.
DOCUMENTED = {
    "/v2/post/publish/creator_info/query/": closed([]),
    "/v2/post/publish/video/init/": closed(
        ["post_info", "source_info"],
        post_info=closed(
            ["privacy_level"],
            title={"type": "string", "maxLength": 2200},
            privacy_level=PRIVACY,
            **SHARED,
            disable_duet=YES,
            disable_stitch=YES,
            is_aigc=YES,
            video_cover_timestamp_ms={"type": "integer"},
        ),
        source_info={
            "oneOf": [
                closed(["source", "video_url"], source={"const": "PULL_FROM_URL"}, video_url=URL),
                closed(
                    ["source", "video_size", "chunk_size", "total_chunk_count"],
                    source={"const": "FILE_UPLOAD"},
                    video_size=COUNT,
                    chunk_size=COUNT,
                    total_chunk_count=COUNT,
                ),
            ]
        },
    ),
    "/v2/post/publish/content/init/": closed(
        ["media_type", "post_mode", "post_info", "source_info"],
        media_type={"const": "PHOTO"},
        post_mode={"enum": ["DIRECT_POST", "MEDIA_UPLOAD"]},
        post_info=closed(
            ["privacy_level"],
            title={"type": "string", "maxLength": 90},
            description={"type": "string", "maxLength": 4000},
            privacy_level=PRIVACY,
            auto_add_music=YES,
            **SHARED,
        ),
        source_info=closed(
            ["source", "photo_cover_index", "photo_images"],
            source={"const": "PULL_FROM_URL"},
            photo_cover_index={"type": "integer", "minimum": 0},
            photo_images={"type": "array", "items": URL, "minItems": 1, "maxItems": 35},
        ),
    ),
    "/v2/post/publish/status/fetch/": closed(["publish_id"], publish_id={"type": "string"}),
    "/v2/video/query/": closed(
        ["filters"],
        filters=closed(
            ["video_ids"], video_ids={"type": "array", "items": {"type": "string"}, "maxItems": 20}
        ),
    ),
}


@pytest.mark.anyio
async def test_every_body_is_one_the_documentation_shows(tmp_path: Path) -> None:
    films = [(film(tmp_path),), (film(tmp_path, url=f"{MEDIA}/film.mp4"),)]
    async with FakeTikTok() as platform, client() as http:
        for privacy in ("PUBLIC_TO_EVERYONE", "SELF_ONLY"):
            for media in (*films, pictures(1), pictures(35)):
                for link in ("", LINK):
                    for marked in (False, True):
                        ours = adapter(platform, http, privacy=privacy, own_brand=marked, comments=marked)
                        made = marked and media in films
                        message = Message(text="Hallo", link=link, media=media, paid=marked, ai_made=made)
                        receipt = await ours.follow(await ours.send(make_attempt(message)))
                        await ours.engagement([receipt.remote_id])
        posted = [seen for seen in platform.requests if seen.method == "POST"]
    assert {seen.path for seen in posted} == set(DOCUMENTED)
    for seen in posted:
        Draft202012Validator(DOCUMENTED[seen.path]).validate(seen.json)
        assert seen.headers["content-type"] == "application/json; charset=UTF-8"
