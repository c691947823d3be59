"""LinkedIn: the suite for pages, members and films, its text, tokens, counts, its documented bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from channels import linkedin
from channels._in_time_testing import Expiry, SlowWork, TokenEnd
from channels.base import (
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
    Unauthorized,
)
from channels.http import client
from channels.linkedin import Adapter, LinkedInSettings, little
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
from content.message import Feature, Media, Message, problems

TOKEN, REFRESH, OAUTH = "li-token-of-the-shop", "li-refresh-of-the-shop", "li-secret-of-the-shop"
PAGE, MEMBER = "urn:li:organization:2414183", "urn:li:person:aBc-1_"
LINK = "https://lantern-house.example/r/l_1?a=1&b=2"
SOON = int((NOW + timedelta(hours=1)).timestamp() * 1000)


class FakeLinkedIn(FakePlatform):
    """Answers as learn.microsoft.com/linkedin/marketing (li-lms-2026-01) says; read 2026-11-22."""

    def __init__(self, slow: int = 0) -> None:
        super().__init__()
        self.slow = slow  #: how often a film is still being worked on
        self.part = 5
        self.status = "AVAILABLE"
        self.expires = SOON
        self.token, self.refresh = TOKEN, REFRESH
        self.media: dict[str, list[bytes]] = {}
        self.finished: list[Any] = []
        self.counts: dict[str, dict[str, int]] = {}

    @property
    def posts(self) -> dict[str, Post]:
        return {f"urn:li:share:{id}": post for id, post in self._posts.items()}

    def answer(self, seen: Seen) -> Reply:
        if seen.path == "/oauth/v2/accessToken":
            return self.renew(seen)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401, json={"status": 401, "code": "INVALID_ACCESS_TOKEN", "message": "Invalid"})
        routes: dict[tuple[str, str], Callable[[Seen], Reply]] = {
            ("GET", "/v2/userinfo"): lambda _: Reply(json={"sub": "aBc", "name": "Lantern House"}),
            ("GET", "/rest/organizations/2414183"): lambda _: Reply(
                json={"localizedName": "Lantern House", "vanityName": "lantern"}
            ),
            ("POST", "/rest/posts"): self.create,
            ("GET", "/rest/posts"): self.latest,
            ("POST", "/rest/images"): self.picture,
            ("POST", "/rest/videos"): self.film,
            ("GET", "/rest/organizationalEntityShareStatistics"): self.many,
        }
        if route := routes.get((seen.method, seen.path)):
            return route(seen)
        if seen.method == "PUT":
            _, _, id, part = seen.path.split("/")
            self.media[id][int(part)] = seen.body
            return Reply(201, headers={"ETag": f'"tag-{part}"'})
        if seen.method == "DELETE":
            gone = self._posts.pop(seen.path.rpartition(":")[2], None)
            return Reply(204) if gone else Reply(404, json={"code": "NOT_FOUND", "message": "no such"})
        self.slow -= 1
        return Reply(json={"status": "PROCESSING" if self.slow >= 0 else self.status})

    def create(self, seen: Seen) -> Reply:
        return Reply(201, headers={"x-restli-id": f"urn:li:share:{self.publish(seen.json)}"})

    def picture(self, seen: Seen) -> Reply:
        id = f"C{len(self.media)}"
        self.media[id] = [b""]
        told = {"uploadUrlExpiresAt": SOON, "uploadUrl": f"{self.url}/dms/{id}/0?sas=x"}
        return Reply(json={"value": told | {"image": f"urn:li:image:{id}"}})

    def film(self, seen: Seen) -> Reply:
        if seen.query["action"] == "finalizeUpload":
            self.finished.append(seen.json["finalizeUploadRequest"])
            return Reply()
        id, size = f"C{len(self.media)}", seen.json["initializeUploadRequest"]["fileSizeBytes"]
        starts = range(0, size, self.part)
        self.media[id] = [b"" for _ in starts]
        parts = [
            {
                "uploadUrl": f"{self.url}/dms/{id}/{n}",
                "firstByte": start,
                "lastByte": min(start + self.part, size) - 1,
            }
            for n, start in enumerate(starts)
        ]
        told = {"uploadUrlsExpireAt": self.expires, "video": f"urn:li:video:{id}", "uploadToken": ""}
        return Reply(json={"value": told | {"uploadInstructions": parts}})

    def latest(self, seen: Seen) -> Reply:
        """As they come back: the sign of a hashtag escaped."""
        found = [
            {
                "id": urn,
                "createdAt": int(NOW.timestamp() * 1000) + 900,
                "commentary": post.content["commentary"].replace("{hashtag|#|", "{hashtag|\\#|"),
            }
            for urn, post in reversed(self.posts.items())
        ]
        return Reply(json={"elements": found, "paging": {"start": 0, "count": 50}})

    def many(self, seen: Seen) -> Reply:
        name = "shares" if "shares" in seen.query else "ugcPosts"
        assert f"&{name}=List(urn%3Ali%3A" in seen.target, "brackets bare, the URNs coded"
        asked = seen.query[name].removeprefix("List(").removesuffix(")").split(",")
        found = [
            {name.rstrip("s"): urn, "totalShareStatistics": {"engagement": 0.1, **self.counts[urn]}}
            for urn in asked
            if urn in self.counts
        ]
        return Reply(json={"elements": found})

    def renew(self, seen: Seen) -> Reply:
        if seen.fields["refresh_token"] != self.refresh or seen.fields["client_secret"] != OAUTH:
            said = {"error": "invalid_grant", "error_description": f"{seen.fields['refresh_token']} ended"}
            return Reply(400, json=said)
        self.token = f"{self.token}-2"
        return Reply(json={"access_token": self.token, "expires_in": 5184000})


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    given = {"token": TOKEN, "refresh_token": REFRESH, "client_secret": OAUTH, "client_id": "lantern"}
    servers = {"server": platform.url, "login_server": platform.url}
    settings = LinkedInSettings(**{**given, **servers, "author": PAGE, **more})
    return Adapter(settings, credentials or Credentials(), http, StillClock())


def medium(folder: Path, name: str, kind: str, alt: str = "", size: int = 12) -> Media:
    (folder / name).write_bytes(bytes(range(size)))
    return Media("a" * 64, kind, size, name, alt=alt, path=str(folder / name))


class TestLinkedIn(HttpConformance):
    secrets = (TOKEN, REFRESH, OAUTH)

    def platform(self) -> Platform:
        return FakeLinkedIn()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http)

    def message(self) -> Message:
        return Message(text="Lantern House: 25 % #sale (until_midnight)", link=LINK)

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in linkedin._COUNTS.items()}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestLinkedInOfAMember(TestLinkedIn):
    """An app may not read what a member posted: no counts, and a lost answer is for a person."""

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Adapter:
        return adapter(platform, http, author=MEMBER)


class TestLinkedInWithAFilm(SlowWork, Expiry, TokenEnd, TestLinkedIn):
    """Begin, two parts, finish, a look, the post: each may be the last thing we do."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.film = medium(tmp_path, "film.mp4", "video/mp4", alt="A lantern rises", size=8)

    def message(self) -> Message:
        return Message(text="Lantern House", media=(self.film,))

    def working(self, platform: Any, seen: Seen) -> Reply | None:
        asks = seen.method == "GET" and seen.path.startswith("/rest/videos/")
        return Reply(json={"status": "PROCESSING"}) if asks else None

    def expire(self, platform: Any) -> None:
        """The addresses of an upload; a film that is whole stays."""
        if not platform.finished:
            platform.media.clear()


async def sent(platform: FakeLinkedIn, message: Message, **more: Any) -> dict[str, Any]:
    async with client() as http:
        await adapter(platform, http, **more).send(make_attempt(message))
    [post] = platform.posts.values()
    return dict(post.content)


# What is written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Licht & Tee", "Licht & Tee"),
        ("#Laternen jetzt", "{hashtag|#|Laternen} jetzt"),
        ("(#点灯)", r"\({hashtag|#|点灯}\)"),
        ("#a_b", r"{hashtag|#|a\_b}"),
        ("We are #1", r"We are \#1"),
        ("https://x.example/a_b#c", r"https://x.example/a\_b\#c"),
        (r"\o/ [x] {y} <z> @me *~|", r"\\o/ \[x\] \{y\} \<z\> \@me \*\~\|"),
    ],
)
def test_the_text_is_not_cut_at_a_character_linkedin_reserves(text: str, written: str) -> None:
    assert little(text) == written


@given(st.text())
def test_what_is_written_reads_as_it_was_meant(text: str) -> None:
    assert linkedin._plain(little(text)) == "".join(text.split())


@pytest.mark.anyio
async def test_every_optional_field_arrives_and_nothing_else(tmp_path: Path) -> None:
    picture = medium(tmp_path, "moon.jpg", "image/jpeg", alt="A paper lantern")
    async with FakeLinkedIn() as platform:
        post = await sent(platform, Message(text="Hallo", link=LINK, media=(picture,), language="de"))
        assert platform.media == {"C0": [bytes(range(12))]}
        upload = next(seen for seen in platform.requests if seen.method == "PUT")
    assert upload.headers["content-type"] == "image/jpeg"
    assert post["commentary"] == "Hallo\n\nhttps://lantern-house.example/r/l\\_1?a=1&b=2"
    assert post["content"] == {"media": {"id": "urn:li:image:C0", "altText": "A paper lantern"}}


@pytest.mark.anyio
async def test_several_pictures_keep_their_order_and_their_alt_texts(tmp_path: Path) -> None:
    pictures = tuple(medium(tmp_path, f"{n}.png", "image/png", alt=alt) for n, alt in enumerate(("eins", "")))
    async with FakeLinkedIn() as platform:
        post = await sent(platform, Message(text="Bilder", media=pictures))
    shown = [{"id": "urn:li:image:C0", "altText": "eins"}, {"id": "urn:li:image:C1"}]
    assert post["content"] == {"multiImage": {"images": shown}}


def test_the_matrix_is_honest() -> None:
    picture, film = Media("a" * 64, "image/jpeg", 1, "m.jpg"), Media("c" * 64, "video/mp4", 1, "f.mp4")

    def wrong(**more: Any) -> list[str]:
        return problems(Message(text="x", **more), Adapter.limits, Adapter.carries)

    assert wrong(media=(picture,) * 20) == wrong(media=(film,)) == []
    assert wrong(media=(picture,) * 21) == ["21 images of 20"]
    assert wrong(media=(picture, film)) == ["f.mp4: video/mp4 stands alone in a post"]
    asked = {"title": "t", "paid": True, "ai_made": True, "reply_to": "1", "thread": ("y",)}
    assert len(wrong(**asked)) == 5
    assert not {Feature.TITLE, Feature.PAID_PARTNERSHIP, Feature.AI_LABEL} & Adapter.carries
    with pytest.raises(ValueError, match="author"):
        LinkedInSettings(author="lantern-house")


# Films


async def attempts(
    platform: FakeLinkedIn, message: Message, saved: dict[str, Any], number: int = 1
) -> ChannelError | None:
    """One attempt as a new process makes it."""
    async with client() as http:
        resume = json.loads(json.dumps(saved))
        attempt = make_attempt(message, number=number, resume=resume, save=saved.update)
        try:
            await adapter(platform, http).send(attempt)
        except ChannelError as error:
            assert not attempt.fenced
            return error
    return None


@pytest.mark.anyio
async def test_a_film_goes_up_in_the_parts_linkedin_asks_for_and_waits(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakeLinkedIn(slow=2) as platform:
        for number, wait in ((1, 10), (2, 20)):
            error = await attempts(platform, message, saved, number)
            assert isinstance(error, Retryable)
            assert error.retry_after == timedelta(seconds=wait)
        assert await attempts(platform, message, saved, 3) is None
        whole = bytes(range(12))
        assert platform.media == {"C0": [whole[:5], whole[5:10], whole[10:]]}
        tags = ["tag-0", "tag-1", "tag-2"]
        assert platform.finished == [{"video": "urn:li:video:C0", "uploadToken": "", "uploadedPartIds": tags}]


@pytest.mark.anyio
async def test_a_part_that_broke_is_sent_again_and_no_other(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakeLinkedIn() as platform:
        platform.interfere(2, Death.AFTER)
        assert isinstance(await attempts(platform, message, saved), Retryable)
        assert await attempts(platform, message, saved) is None
        puts = [seen.path for seen in platform.requests if seen.method == "PUT"]
    assert puts == ["/dms/C0/0", "/dms/C0/1", "/dms/C0/1", "/dms/C0/2"]


@pytest.mark.anyio
async def test_a_part_without_its_tag_is_not_taken_as_sent(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakeLinkedIn() as platform:
        platform.interfere(1, Reply(201))
        error = await attempts(platform, message, saved)
    assert isinstance(error, Retryable)
    assert "the answer has no ETag" in str(error)
    assert saved["media"][0]["tags"] == []


@pytest.mark.anyio
async def test_addresses_that_expired_are_asked_for_anew(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    saved: dict[str, Any] = {}
    async with FakeLinkedIn() as platform:
        platform.interfere(2, Reply(503))
        assert isinstance(await attempts(platform, message, saved), Retryable)
        saved["media"][0]["until"] = int(NOW.timestamp() * 1000)
        assert await attempts(platform, message, saved) is None
        assert len(platform.media) == 2
        [post] = platform.posts.values()
    assert post.content["content"] == {"media": {"id": "urn:li:video:C1"}}


@pytest.mark.anyio
async def test_a_film_linkedin_cannot_process_is_refused(tmp_path: Path) -> None:
    message = Message(text="Film", media=(medium(tmp_path, "film.mp4", "video/mp4"),))
    async with FakeLinkedIn() as platform:
        platform.status = "PROCESSING_FAILED"
        error = await attempts(platform, message, {})
        assert not platform.posts
    assert isinstance(error, Rejected)
    assert str(error) == "film.mp4: LinkedIn could not process it: no reason given"


@pytest.mark.anyio
async def test_a_token_that_ends_between_two_steps_costs_no_upload(tmp_path: Path) -> None:
    pictures = tuple(medium(tmp_path, f"{n}.png", "image/png") for n in range(2))
    message = Message(text="Bilder", media=pictures)
    saved: dict[str, Any] = {}
    async with FakeLinkedIn() as platform, client() as http:
        platform.interfere(2, Reply(401, json={"code": "EXPIRED_ACCESS_TOKEN", "message": "expired"}))
        ours = adapter(platform, http)
        with pytest.raises(Unauthorized, match="expired"):
            await ours.send(make_attempt(message, save=saved.update))
        await ours.renew()
        await ours.send(make_attempt(message, number=2, resume=saved))
        assert (len(platform.media), len(platform.posts)) == (2, 1)


# Errors


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "body", "fact"),
    [
        (422, {"code": "DUPLICATE_POST", "message": "Content is a duplicate of urn:li:share:1"}, Rejected),
        (426, {"code": "NONEXISTENT_VERSION", "message": "Requested version is not active"}, Unauthorized),
        (403, {"code": "ACCESS_DENIED", "message": "Not enough permissions"}, Unauthorized),
        (429, {"code": "TOO_MANY_REQUESTS", "message": "throttle MEMBER DAY limit reached"}, QuotaSpent),
        (429, {"message": "Too many requests"}, Retryable),
        (500, {"code": "DUPLICATE_POST", "message": "oops"}, OutcomeUnknown),
    ],
)
async def test_the_vendors_codes_are_facts(status: int, body: Any, fact: type[ChannelError]) -> None:
    async with FakeLinkedIn() as platform, client() as http:
        platform.interfere(0, Reply(status, json=body))
        with pytest.raises(fact, match=body["message"]) as caught:
            await adapter(platform, http).send(make_attempt(Message(text="Hallo")))
        assert type(caught.value) is fact
        if isinstance(caught.value, QuotaSpent):
            assert caught.value.until == datetime(2026, 11, 12, tzinfo=UTC)


# Finding and reading


@pytest.mark.anyio
async def test_find_knows_the_post_and_not_its_neighbour() -> None:
    first, second = (Message(text="#Laternen (neu)", link=f"{LINK}{n}") for n in (1, 2))
    async with FakeLinkedIn() as platform, client() as http:
        ours = adapter(platform, http)
        receipt = await ours.send(make_attempt(first))
        assert isinstance(await ours.find(make_attempt(second)), CannotTell)
        assert await ours.find(make_attempt(first)) == Found(receipt)


@pytest.mark.anyio
async def test_an_older_post_with_the_same_words_is_not_ours() -> None:
    async with FakeLinkedIn() as platform, client() as http:
        ours = adapter(platform, http)
        await ours.send(make_attempt(Message(text="Hallo")))
        later = make_attempt(Message(text="Hallo"))
        later.since = NOW + timedelta(hours=1)
        assert isinstance(await ours.find(later), CannotTell)


@pytest.mark.anyio
async def test_counts_come_in_batches_shares_and_other_posts_apart() -> None:
    urns = [*(f"urn:li:share:{n}" for n in range(50)), "urn:li:ugcPost:7"]
    async with FakeLinkedIn() as platform, client() as http:
        platform.counts = {urn: {"likeCount": n} for n, urn in enumerate(urns)}
        readings = await adapter(platform, http).engagement(urns)
        assert len(platform.requests) == 3
        assert await adapter(platform, http, author=MEMBER).engagement(urns) == []
    assert {reading.remote_id: reading.value for reading in readings} == dict(
        zip(urns, range(51), strict=True)
    )


# Tokens


@pytest.mark.anyio
async def test_renewing_keeps_the_refresh_token_where_none_is_given() -> None:
    async with FakeLinkedIn() as platform, client() as http:
        first = await adapter(platform, http).renew()
        assert first.expires_at == NOW + timedelta(days=60)
        assert first.values["refresh_token"].get_secret_value() == REFRESH
        facts = await adapter(platform, http, first).check()
    assert (facts.name, facts.url) == ("Lantern House", "https://www.linkedin.com/company/lantern")
    assert facts.expires_at == first.expires_at


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
    async with FakeLinkedIn() as platform, client() as http:
        ours = adapter(platform, http)
        platform.interfere(0, fault)
        with pytest.raises(fact) as caught:
            await ours.renew()
        assert not ours.credentials.values
        assert REFRESH not in str(caught.value)


@pytest.mark.anyio
async def test_without_any_token_the_account_waits_for_a_person() -> None:
    async with FakeLinkedIn() as platform, client() as http:
        ours = adapter(platform, http, token="", refresh_token="")
        with pytest.raises(Unauthorized, match="no access token yet"):
            await ours.check()
        with pytest.raises(Unauthorized, match="no refresh token"):
            await ours.renew()
        assert not platform.requests


# The vendor's documented bodies; there is no machine-readable contract


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


URN = {"type": "string", "pattern": "^urn:li:(organization|person|image|video):.+$"}
MEDIA = closed(["id"], id=URN, altText={"type": "string", "minLength": 1, "maxLength": 4086})
#: learn.microsoft.com/linkedin/marketing/community-management/shares (li-lms-2026-01), excerpts of it;
#: read 2026-11-22.
DOCUMENTED = {
    # posts-api "Post Schema", multiimage-post-api "MultiImage Schema"
    "/rest/posts": closed(
        ["author", "commentary", "visibility", "distribution", "lifecycleState"],
        author=URN,
        commentary={"type": "string"},
        visibility={"enum": ["PUBLIC", "CONNECTIONS", "LOGGED_IN"]},
        distribution=closed(
            ["feedDistribution"],
            feedDistribution={"enum": ["MAIN_FEED", "NONE"]},
            targetEntities={"type": "array"},
            thirdPartyDistributionChannels={"type": "array"},
        ),
        lifecycleState={"enum": ["PUBLISHED"]},
        isReshareDisabledByAuthor={"type": "boolean"},
        content={
            "oneOf": [
                closed(["media"], media=MEDIA),
                closed(
                    ["multiImage"],
                    multiImage=closed(
                        ["images"], images={"type": "array", "items": MEDIA, "minItems": 2, "maxItems": 20}
                    ),
                ),
            ]
        },
    ),
    # images-api "Initialize Image Upload"
    "/rest/images": closed(["initializeUploadRequest"], initializeUploadRequest=closed(["owner"], owner=URN)),
    # videos-api "Initialize Video Upload", "Finalize Video Upload"
    "/rest/videos": {
        "oneOf": [
            closed(
                ["initializeUploadRequest"],
                initializeUploadRequest=closed(
                    ["owner", "fileSizeBytes"],
                    owner=URN,
                    fileSizeBytes={"type": "integer", "minimum": 1},
                    uploadCaptions={"type": "boolean"},
                    uploadThumbnail={"type": "boolean"},
                ),
            ),
            closed(
                ["finalizeUploadRequest"],
                finalizeUploadRequest=closed(
                    ["video", "uploadToken", "uploadedPartIds"],
                    video=URN,
                    uploadToken={"type": "string"},
                    uploadedPartIds={"type": "array", "items": {"type": "string"}, "minItems": 1},
                ),
            ),
        ]
    },
}


@pytest.mark.anyio
async def test_every_request_is_one_the_documentation_shows(tmp_path: Path) -> None:
    picture = medium(tmp_path, "moon.jpg", "image/jpeg", alt="Moon")
    film = medium(tmp_path, "film.mp4", "video/mp4")
    async with FakeLinkedIn(slow=1) as platform, client() as http:
        for author in (PAGE, MEMBER):
            ours = adapter(platform, http, author=author)
            for media in ((), (picture,), (picture, picture), (film,)):
                message = Message(text="Hallo #Laternen", link=LINK, media=media)
                saved: dict[str, Any] = {}
                for _ in range(2):
                    with suppress(Retryable):
                        receipt = await ours.send(make_attempt(message, resume=saved, save=saved.update))
                await ours.find(make_attempt(message))
                await ours.engagement([receipt.remote_id])
                await ours.withdraw(receipt.remote_id)
        seen = list(platform.requests)
    assert {one.headers.get("linkedin-version") for one in seen if one.path.startswith("/rest/")} == {
        "202601"
    }
    posted = [one for one in seen if one.method == "POST"]
    assert {one.path for one in posted} == set(DOCUMENTED)
    for one in posted:
        Draft202012Validator(DOCUMENTED[one.path]).validate(one.json)
    deleted = {one.target for one in seen if one.method == "DELETE"}
    assert all(target.startswith("/rest/posts/urn%3Ali%3Ashare%3A") for target in deleted)
