"""Pinterest: the suite with a picture and with a film, carousels, finding, tokens, its documented bodies."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from channels import pinterest
from channels._in_time_testing import SlowWork, TokenEnd
from channels.base import (
    CannotTell,
    ChannelError,
    Clock,
    Credentials,
    Found,
    Metric,
    QuotaSpent,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.http import client
from channels.pinterest import Adapter, PinterestSettings
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

TOKEN, REFRESH, OAUTH = "pina-token-of-the-shop", "pinr-refresh-of-the-shop", "pin-secret-of-the-shop"
SIGNATURE = "a-signature-of-the-form"
LINK = "https://lantern-house.example/r/p1?a=1&b=2"


class FakePinterest(FakePlatform):
    """Answers as pinterest/api-description v5 5.23 says; read 2026-11-22."""

    def __init__(self, slow: int = 0) -> None:
        super().__init__()
        self.slow = slow  #: how often a film is still being worked on
        self.status = "succeeded"
        self.token, self.refresh = TOKEN, REFRESH
        self.films: list[bytes] = []
        self.counts: dict[str, dict[str, int]] = {}

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/v5/oauth/token":
            return self.renew(seen)
        if seen.path == "/store":
            return self.keep(seen)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401, json={"code": 2, "message": "Authentication failed."})
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", "/v5/user_account"): lambda _: Reply(json={"username": "lanternhouse"}),
            ("POST", "/v5/pins"): lambda seen: Reply(201, json={"id": self.publish(seen.json)}),
            ("POST", "/v5/media"): self.place,
            ("GET", "/v5/boards/77/pins"): self.latest,
        }
        if route := routes.get((seen.method, seen.path)):
            return route(seen)
        id = seen.path.rpartition("/")[2]
        if seen.path.startswith("/v5/media/"):
            self.slow -= 1
            return Reply(json={"media_id": id, "status": "processing" if self.slow >= 0 else self.status})
        if id not in self.posts:
            return Reply(404, json={"code": 50, "message": "Pin not found."})
        if seen.method == "DELETE":
            del self.posts[id]
            return Reply(204)
        counts = {"90d": {"impression": 9999}, "lifetime_metrics": self.counts[id]}
        return Reply(json={"id": id, "pin_metrics": counts if id in self.counts else None})

    def place(self, seen: Seen) -> Reply:
        given = {"upload_url": f"{self.url}/store", "upload_parameters": {"x-amz-signature": SIGNATURE}}
        return Reply(201, json={"media_id": str(500 + len(self.films)), "media_type": "video", **given})

    def keep(self, seen: Seen) -> Reply:
        """A store that knows its own form alone, as S3: a token in the header would be refused."""
        if "authorization" in seen.headers or seen.fields["x-amz-signature"] != SIGNATURE:
            return Reply(400, body=b"<Error><Code>InvalidArgument</Code></Error>")
        self.films.append(seen.fields["file"])
        return Reply(204)

    def latest(self, seen: Seen) -> Reply:
        found = [
            {"id": id, "created_at": "2026-11-11T00:00:01", **{"title": None, "link": None}, **post.content}
            for id, post in reversed(self.posts.items())
        ]
        return Reply(json={"items": found, "bookmark": None})

    def renew(self, seen: Seen) -> Reply:
        basic = f"Basic {base64.b64encode(f'lantern:{OAUTH}'.encode()).decode()}"
        if seen.fields["refresh_token"] != self.refresh or seen.headers["authorization"] != basic:
            return Reply(400, json={"error": "invalid_grant", "error_description": f"{self.refresh} ended"})
        self.token, self.refresh = f"{self.token}-2", f"{self.refresh}-2"
        lives = {"expires_in": 2592000, "refresh_token_expires_in": 5184000}
        return Reply(json={"access_token": self.token, "refresh_token": self.refresh, **lives})


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    given = {"token": TOKEN, "refresh_token": REFRESH, "client_secret": OAUTH, "client_id": "lantern"}
    settings = PinterestSettings(**{**given, "board": "77", "server": platform.url, **more})
    return Adapter(settings, credentials or Credentials(), http, StillClock())


def medium(folder: Path, name: str, kind: str, alt: str = "") -> Media:
    (folder / name).write_bytes(name.encode())
    return Media("a" * 64, kind, len(name), name, alt=alt, path=str(folder / name))


class TestPinterest(HttpConformance):
    secrets = (TOKEN, REFRESH, OAUTH)

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.media = medium(tmp_path, "moon.jpg", "image/jpeg", alt="A paper lantern")

    def platform(self) -> Platform:
        return FakePinterest()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http)

    def message(self) -> Message:
        return Message(text="Lantern House: 25 %", link=LINK, media=(self.media,))

    def refused_messages(self) -> list[Message]:
        return [Message("x", media=(replace(self.media, alt="x" * 300), replace(self.media, alt="y" * 300)))]

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in pinterest._COUNTS.items()}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestPinterestWithAFilm(SlowWork, TokenEnd, TestPinterest):
    """A place, the upload, a look, the Pin: each may be the last thing we do."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.media = medium(tmp_path, "film.mp4", "video/mp4")

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        asks = seen.method == "GET" and seen.path.startswith("/v5/media/")
        return Reply(json={"media_id": "500", "status": "processing"}) if asks else None


async def sent(platform: FakePinterest, message: Message, **more: Any) -> dict[str, Any]:
    async with client() as http:
        await adapter(platform, http, **more).send(make_attempt(message))
    [post] = platform.posts.values()
    return dict(post.content)


# What is carried


@pytest.mark.anyio
async def test_every_optional_field_arrives_and_the_link_is_the_pins_own(tmp_path: Path) -> None:
    picture = medium(tmp_path, "moon.png", "image/png", alt="A paper lantern")
    message = Message(text="Hallo", title="Laternen", link=LINK, media=(picture,), language="de")
    async with FakePinterest() as platform:
        pin = await sent(platform, message, section="5")
    data = base64.b64encode(b"moon.png").decode()
    assert pin == {
        "board_id": "77",
        "board_section_id": "5",
        "title": "Laternen",
        "description": "Hallo",
        "link": LINK,
        "alt_text": "A paper lantern",
        "media_source": {"source_type": "image_base64", "content_type": "image/png", "data": data},
    }


@pytest.mark.anyio
async def test_several_pictures_share_one_alt_text_in_their_order(tmp_path: Path) -> None:
    pictures = tuple(medium(tmp_path, f"{n}.jpg", "image/jpeg", alt=f"Licht {n}") for n in range(3))
    async with FakePinterest() as platform:
        pin = await sent(platform, Message(text="Drei", media=pictures))
    assert pin["alt_text"] == "Licht 0\nLicht 1\nLicht 2"
    items = pin["media_source"]["items"]
    assert [base64.b64decode(item["data"]) for item in items] == [b"0.jpg", b"1.jpg", b"2.jpg"]


@pytest.mark.anyio
async def test_alt_texts_that_do_not_fit_together_are_refused_and_none_is_dropped(tmp_path: Path) -> None:
    pictures = tuple(medium(tmp_path, f"{n}.jpg", "image/jpeg", alt="x" * 300) for n in range(2))
    async with FakePinterest() as platform, client() as http:
        with pytest.raises(Rejected, match="alt texts: 601 characters for the whole Pin; may be 500"):
            await adapter(platform, http).send(make_attempt(Message(text="Zwei", media=pictures)))
        assert not platform.posts


def test_the_matrix_is_honest() -> None:
    picture, film = Media("a" * 64, "image/jpeg", 1, "m.jpg"), Media("c" * 64, "video/mp4", 1, "f.mp4")
    moving = Media("b" * 64, "image/gif", 1, "m.gif")

    def wrong(*media: Media, **more: Any) -> list[str]:
        return problems(Message(text="x", media=media, **more), Adapter.limits, Adapter.carries)

    assert wrong(*[picture] * 5, title="t" * 100) == wrong(film) == []
    assert wrong() == ["there is no picture and no film; this platform publishes no text alone"]
    assert wrong(picture, film) == ["f.mp4: video/mp4 stands alone in a post"]
    assert wrong(moving) == ["m.gif: image/gif; may be image/jpeg, image/png, video/"]
    assert len(wrong(picture, paid=True, ai_made=True, reply_to="1", thread=("y",))) == 4
    assert Feature.LANGUAGE not in Adapter.carries


# Films


@pytest.mark.anyio
async def test_a_slow_film_is_uploaded_once_and_asked_after_ever_more_rarely(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakePinterest(slow=2) as platform, client() as http:
        for number in (1, 2):
            with pytest.raises(Retryable, match=r"film.mp4: Pinterest still works on it") as caught:
                await adapter(platform, http).send(
                    make_attempt(message, number=number, resume=dict(saved), save=saved.update)
                )
            assert caught.value.retry_after == timedelta(seconds=10 * number)
        await adapter(platform, http).send(make_attempt(message, number=3, resume=dict(saved)))
        assert platform.films == [b"film.mp4"]
        [post] = platform.posts.values()
    source = {"source_type": "video_id", "media_id": "500", "cover_image_key_frame_time": 0}
    assert post.content["media_source"] == source


@pytest.mark.anyio
async def test_a_film_pinterest_cannot_process_is_refused(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    async with FakePinterest() as platform, client() as http:
        platform.status = "failed"
        with pytest.raises(Rejected, match=r"^film.mp4: Pinterest could not process it$"):
            await adapter(platform, http).send(make_attempt(message))
        assert not platform.posts


@pytest.mark.anyio
async def test_the_signature_of_the_upload_is_not_told(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    async with FakePinterest() as platform, client() as http:
        platform.interfere(1, Reply(400, body=f"<Message>{SIGNATURE} does not match</Message>".encode()))
        with pytest.raises(Rejected, match=r"POST /store: HTTP 400: \*\*\* does not match"):
            await adapter(platform, http).send(make_attempt(message))


@pytest.mark.anyio
async def test_a_token_that_ends_after_the_upload_costs_no_upload(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakePinterest() as platform, client() as http:
        platform.interfere(2, Reply(401, json={"code": 2, "message": "Authentication failed."}))
        ours = adapter(platform, http)
        with pytest.raises(Unauthorized):
            await ours.send(make_attempt(message, save=saved.update))
        await ours.renew()
        await ours.send(make_attempt(message, number=2, resume=saved))
        assert (len(platform.films), len(platform.posts)) == (1, 1)


# Finding, waiting, tokens


@pytest.mark.anyio
async def test_find_knows_the_pin_by_its_link_and_words(tmp_path: Path) -> None:
    picture = medium(tmp_path, "moon.jpg", "image/jpeg")
    first, second = (Message(text="Licht  an", link=f"{LINK}{n}", media=(picture,)) for n in (1, 2))
    async with FakePinterest() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(first))
        assert isinstance(await ours.find(make_attempt(second)), CannotTell)
        assert await ours.find(make_attempt(first)) == Found(receipt)
        later = make_attempt(first)
        later.since = NOW + timedelta(hours=1)
        assert isinstance(await ours.find(later), CannotTell), "an older Pin with the same words"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reset", "fact", "wait"),
    [
        ("17", Retryable, timedelta(seconds=17)),
        ("86400", QuotaSpent, None),  # Trial access: so many a day
        ("soon", Retryable, None),
    ],
)
async def test_a_full_window_says_when_it_opens_again(
    reset: str, fact: type[ChannelError], wait: timedelta | None
) -> None:
    async with FakePinterest() as platform, client() as http:
        limited = {"code": 8, "message": "You have exceeded your rate limit. Try again later."}
        platform.interfere(0, Reply(429, json=limited, headers={"X-RateLimit-Reset": reset}))
        with pytest.raises(fact, match="exceeded your rate limit") as caught:
            await adapter(platform, http).check()
    if isinstance(caught.value, Retryable):
        assert caught.value.retry_after == wait


@pytest.mark.anyio
async def test_renewing_rotates_both_tokens_and_the_new_ones_are_used() -> None:
    async with FakePinterest() as platform, client() as http:
        first = await adapter(platform, http).renew()
        again = await adapter(platform, http, first).renew()
        facts = await adapter(platform, http, again).check()
    assert again.values["refresh_token"].get_secret_value() == f"{REFRESH}-2-2"
    assert (facts.name, facts.expires_at) == ("lanternhouse", NOW + timedelta(days=30))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "fact"),
    [
        (Death.BEFORE, Retryable),
        (Reply(503), Retryable),
        (Reply(400, json={"error": "invalid_grant", "error_description": f"{REFRESH} ended"}), Unauthorized),
    ],
)
async def test_only_a_grant_that_ended_disconnects(fault: Any, fact: type[ChannelError]) -> None:
    async with FakePinterest() as platform, client() as http:
        ours = adapter(platform, http)
        platform.interfere(0, fault)
        with pytest.raises(fact) as caught:
            await ours.renew()
        assert not ours.credentials.values
        assert not any(secret in str(caught.value) for secret in (REFRESH, OAUTH))


# The vendor's documented bodies; its OpenAPI document is not beside the repository


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


BASE64 = {"content_type": {"enum": ["image/jpeg", "image/png"]}, "data": {"type": "string", "minLength": 1}}
#: PinCreate and PinMediaSource of pinterest/api-description v5/openapi.yaml 5.23, excerpts read 2026-11-22.
PIN = closed(
    ["board_id", "media_source"],
    board_id={"type": "string", "pattern": r"^\d+$"},
    board_section_id={"type": "string", "pattern": r"^\d+$"},
    title=text(100),
    description=text(800),
    alt_text=text(500),
    link=text(2048),
    media_source={
        "oneOf": [
            closed(["source_type", "content_type", "data"], source_type={"const": "image_base64"}, **BASE64),
            closed(
                ["source_type", "items"],
                source_type={"const": "multiple_image_base64"},
                items={
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 5,
                    "items": closed(["content_type", "data"], **BASE64),
                },
                index={"type": "integer", "minimum": 0},
            ),
            closed(
                ["source_type", "media_id"],
                source_type={"const": "video_id"},
                media_id={"type": "string", "pattern": r"^\d+$"},
                cover_image_key_frame_time={"type": "integer"},
            ),
        ]
    },
)


@pytest.mark.anyio
async def test_every_body_is_one_the_documentation_shows(tmp_path: Path) -> None:
    picture = medium(tmp_path, "moon.jpg", "image/jpeg", alt="Moon")
    film = medium(tmp_path, "film.mp4", "video/mp4")
    async with FakePinterest() as platform, client() as http:
        for section in ("", "5"):
            for media in ((picture,), (picture,) * 5, (film,)):
                for title, link in (("", ""), ("Laternen", LINK)):
                    message = Message(text="Hallo", title=title, link=link, media=media)
                    await adapter(platform, http, section=section).send(make_attempt(message))
        posted = [seen for seen in platform.requests if seen.method == "POST"]
    pins = [seen.json for seen in posted if seen.path == "/v5/pins"]
    assert len(pins) == 12
    for pin in pins:
        Draft202012Validator(PIN).validate(pin)
    assert {seen.body for seen in posted if seen.path == "/v5/media"} == {b'{"media_type":"video"}'}
