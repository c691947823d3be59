"""Bluesky: the suite, every record and call against the vendor's lexicons, facets, threads, sessions."""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from channels import bluesky
from channels.base import (
    Absent,
    CannotTell,
    Channel,
    ChannelError,
    Clock,
    Credentials,
    Found,
    Metric,
    OutcomeUnknown,
    Rejected,
    Retryable,
    Unauthorized,
)
from channels.bluesky import Adapter, BlueskySettings, record_key
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
from content.message import Media, Message, problems

SPECS = Path(__file__).parents[3] / "shared/specs/bluesky"
PASSWORD, DID = "app-password-of-the-shop", "did:plc:lanternhouse"
LINK = "https://lantern-house.example/r/b1?a=1&b=2"
POST = "app.bsky.feed.post"


def token(name: str, seconds: int = 7200) -> str:
    claims = json.dumps({"exp": int(NOW.timestamp()) + seconds, "jti": name}).encode()
    return f"head.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{name}"


ACCESS, REFRESH = token("access-1"), token("refresh-1")


class FakeBluesky(FakePlatform):
    """Answers as the lexicons and packages/pds say; read 2026-11-22."""

    drops_repeats = True

    def __init__(self) -> None:
        super().__init__()
        self.access, self.refresh, self.logins = ACCESS, REFRESH, 0
        self.blobs: dict[str, bytes] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def answer(self, seen: Seen) -> Reply:
        name = seen.path.removeprefix("/xrpc/")
        bearer = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if name == "com.atproto.server.createSession":
            if seen.json["password"] != PASSWORD:
                return refused(401, "AuthenticationRequired", "Invalid identifier or password")
            self.logins += 1
            return self.session()
        if name == "com.atproto.server.refreshSession":
            if bearer != self.refresh:
                return refused(400, "ExpiredToken", "Token has been revoked")
            self.access, self.refresh = token("access-2"), token("refresh-2")
            return self.session()
        if bearer != self.access:
            return refused(400, "ExpiredToken", "Token has expired")
        return getattr(self, name.rsplit(".", 1)[1])(seen)

    def session(self) -> Reply:
        tokens = {"accessJwt": self.access, "refreshJwt": self.refresh}
        return Reply(json={**tokens, "handle": "lantern-house.example", "did": DID})

    def getSession(self, seen: Seen) -> Reply:
        return Reply(json={"handle": "lantern-house.example", "did": DID, "active": True})

    def uploadBlob(self, seen: Seen) -> Reply:
        cid = f"bafkrei{len(self.blobs)}"
        self.blobs[cid] = seen.body
        made = {"ref": {"$link": cid}, "mimeType": seen.headers["content-type"], "size": len(seen.body)}
        return Reply(json={"blob": {"$type": "blob", **made}})

    def putRecord(self, seen: Seen) -> Reply:
        embed = seen.json["record"].get("embed", {})
        used = [each["image"] for each in embed.get("images", [])] + [embed.get("video")]
        if any(blob and blob["ref"]["$link"] not in self.blobs for blob in used):
            return refused(400, "BlobNotFound", "Could not find blob: bafkrei0")
        made = self.publish(seen.json["record"], seen.json["rkey"])
        uri = f"at://{DID}/{POST}/{seen.json['rkey']}"
        if made in self.posts and made != uri:
            self.posts[uri] = self.posts.pop(made)
        return Reply(json={"uri": uri, "cid": cid_of(uri)})

    def getRecord(self, seen: Seen) -> Reply:
        uri = f"at://{seen.query['repo']}/{seen.query['collection']}/{seen.query['rkey']}"
        if uri not in self.posts:
            return refused(400, "RecordNotFound", f"Could not locate record: {uri}")
        return Reply(json={"uri": uri, "cid": cid_of(uri), "value": self.posts[uri].content})

    def deleteRecord(self, seen: Seen) -> Reply:
        self.posts.pop(f"at://{seen.json['repo']}/{seen.json['collection']}/{seen.json['rkey']}", None)
        return Reply(json={})

    def resolveHandle(self, seen: Seen) -> Reply:
        if seen.query["handle"] != "mei.example":
            return refused(400, "InvalidRequest", "Unable to resolve handle")
        return Reply(json={"did": "did:plc:mei"})

    def getPosts(self, seen: Seen) -> Reply:
        asked = seen.query["uris"]
        uris = [asked] if isinstance(asked, str) else asked
        found = [{"uri": uri, "cid": cid_of(uri), **self.counts.get(uri, {})} for uri in uris]
        return Reply(json={"posts": [each for each in found if each["uri"] in self.posts]})


def refused(status: int, error: str, message: str) -> Reply:
    return Reply(status, json={"error": error, "message": message})


def cid_of(uri: str) -> str:
    return f"bafyrei{uri[-4:]}"


def adapter(platform: Platform, http: Any, credentials: Credentials | None = None, **more: Any) -> Adapter:
    given = {"identifier": "lantern-house.example", "password": PASSWORD, "server": platform.url}
    return Adapter(BlueskySettings(**{**given, **more}), credentials or Credentials(), http, StillClock())


def medium(folder: Path, name: str, kind: str, alt: str = "") -> Media:
    (folder / name).write_bytes(b"bytes of " + name.encode())
    return Media("a" * 64, kind, 9 + len(name), name, alt=alt, path=str(folder / name))


class TestBluesky(HttpConformance):
    secrets = (PASSWORD,)

    def platform(self) -> Platform:
        return FakeBluesky()

    def make(self, platform: Platform, http: httpx.AsyncClient, clock: Clock) -> Channel:
        return adapter(platform, http)

    def refusal(self, status: int) -> Reply:
        return refused(status, "Whatever", f"refused: {' '.join(self.secrets)}")

    def show(self, platform: Any, remote_id: str, values: Mapping[Metric, int]) -> None:
        names = {metric: name for name, metric in bluesky._COUNTS.items()}
        platform.counts[remote_id] = {names[metric]: value for metric, value in values.items()}


class TestBlueskyWithAPicture(TestBluesky):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.picture = medium(tmp_path, "moon.jpg", "image/jpeg")

    def message(self) -> Message:
        return Message(text="Lantern House", media=(self.picture,), language="de-DE")


async def put(platform: FakeBluesky, message: Message, **more: Any) -> list[dict[str, Any]]:
    async with client() as http:
        await adapter(platform, http, **more).send(make_attempt(message))
    return [post.content for post in platform.posts.values()]


@pytest.mark.anyio
async def test_a_plain_post_holds_only_what_it_needs() -> None:
    async with FakeBluesky() as platform:
        assert await put(platform, Message(text="Hallo")) == [
            {"$type": POST, "text": "Hallo", "createdAt": "2026-11-11T00:00:00.000Z"}
        ]


@pytest.mark.anyio
async def test_pictures_carry_their_alt_text_and_the_post_its_language(tmp_path: Path) -> None:
    pictures = (medium(tmp_path, "a.jpg", "image/jpeg", alt="Mond"), medium(tmp_path, "b.png", "image/png"))
    message = Message(text=f"Hallo {LINK}", link=LINK, media=pictures, language="zh-Hant-TW")
    async with FakeBluesky() as platform:
        (record,) = await put(platform, message)
        assert list(platform.blobs.values()) == [b"bytes of a.jpg", b"bytes of b.png"]
    images = record["embed"]["images"]
    assert [each["alt"] for each in images] == ["Mond", ""]
    assert [each["image"]["mimeType"] for each in images] == ["image/jpeg", "image/png"]
    assert record["langs"] == ["zh-Hant-TW"]
    assert record["facets"][0]["features"] == [{"$type": "app.bsky.richtext.facet#link", "uri": LINK}]


@pytest.mark.anyio
async def test_a_link_without_media_is_a_card() -> None:
    async with FakeBluesky() as platform:
        (record,) = await put(platform, Message(text="Hallo", link=LINK))
    assert record["text"] == "Hallo"
    assert record["embed"]["external"] == {
        "uri": LINK,
        "title": "lantern-house.example",
        "description": "",
    }


@pytest.mark.anyio
async def test_facets_count_bytes_of_utf8_and_only_what_stands_there() -> None:
    text = f"灯籠🏮まつり {LINK}。 #灯籠 by @mei.example, not @nobody.example or mail@mei.example #2026"
    async with FakeBluesky() as platform:
        (record,) = await put(platform, Message(text=text))
    raw = text.encode()
    shown = [
        (raw[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode(), f["features"][0])
        for f in record["facets"]
    ]
    kind = "app.bsky.richtext.facet#"
    assert shown == [
        (LINK, {"$type": f"{kind}link", "uri": LINK}),
        ("#灯籠", {"$type": f"{kind}tag", "tag": "灯籠"}),
        ("@mei.example", {"$type": f"{kind}mention", "did": "did:plc:mei"}),
    ]


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_stands_around_a_link_its_bytes_are_the_links(before: str, after: str) -> None:
    text = f"{before} {LINK} {after}"
    spans = {text[start:end] for start, end, feature in bluesky._found(text) if "uri" in feature}
    assert LINK in spans


# Keys


@given(st.text(), st.integers(0, 30))
def test_a_records_name_is_a_tid_made_of_the_key_alone(key: str, index: int) -> None:
    """Syntax: atproto.com/specs/tid, read 2026-11-22; the lexicon of posts asks for it."""
    name = record_key(key.encode("utf-8", "replace").decode(), index)
    assert re.fullmatch(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}", name)


def test_each_delivery_and_part_has_a_name_of_its_own() -> None:
    names = {record_key(f"{key}", index) for key in range(2000) for index in range(5)}
    assert len(names) == 10_000


@pytest.mark.anyio
async def test_a_repeat_puts_the_same_bytes(tmp_path: Path) -> None:
    """putRecord changes nothing only where the record is equal; so is the repeat of a later day."""
    message = Message(text=f"Hallo {LINK} @mei.example", media=(medium(tmp_path, "a.jpg", "image/jpeg"),))
    async with FakeBluesky() as platform, client() as http:
        await adapter(platform, http).send(make_attempt(message))
        await adapter(platform, http).send(make_attempt(message, number=7))
        bodies = [seen.json for seen in platform.requests if seen.path.endswith("putRecord")]
        assert len(platform.posts) == 1
    assert bodies[0]["record"]["text"] == bodies[1]["record"]["text"]
    assert bodies[0]["rkey"] == bodies[1]["rkey"]
    assert bodies[0]["record"]["createdAt"] == bodies[1]["record"]["createdAt"]


# Threads

THREAD = Message(text="Eins", thread=("Zwei", "Drei"))


@pytest.mark.anyio
async def test_a_thread_answers_the_part_before_and_names_its_root() -> None:
    async with FakeBluesky() as platform:
        records = await put(platform, THREAD)
        uris = list(platform.posts)
    assert [record.get("reply", {}).get("parent", {}).get("uri") for record in records] == [None, *uris[:2]]
    assert [record.get("reply", {}).get("root", {}).get("uri") for record in records] == [
        None,
        uris[0],
        uris[0],
    ]
    assert len({record["createdAt"] for record in records}) == 3


@pytest.mark.anyio
async def test_an_answer_to_an_answer_keeps_the_root_of_its_thread() -> None:
    async with FakeBluesky() as platform, client() as http:
        ours = adapter(platform, http)
        first = await ours.send(make_attempt(THREAD))
        await ours.send(make_attempt(Message(text="Vier", reply_to=first.remote_id), key="another"))
        uris = list(platform.posts)
        reply = platform.posts[uris[3]].content["reply"]
        assert (reply["root"]["uri"], reply["parent"]["uri"]) == (uris[0], uris[2])
        gone = Message(text="Fünf", reply_to=f"at://{DID}/{POST}/3kaaaaaaaaaaa")
        with pytest.raises(Rejected, match="Could not locate record"):
            await ours.send(make_attempt(gone, key="third"))


@pytest.mark.anyio
@pytest.mark.parametrize("death", list(Death))
@pytest.mark.parametrize("step", [1, 2, 3])
async def test_a_thread_that_breaks_anywhere_is_resumed_without_a_double(step: int, death: Death) -> None:
    saved: dict[str, Any] = {}
    async with FakeBluesky() as platform, client() as http:
        platform.interfere(step, death)
        with suppress(OutcomeUnknown):
            await adapter(platform, http).send(make_attempt(THREAD, save=saved.update))
        platform.revive()
        resumed = make_attempt(THREAD, number=2, resume=dict(saved), save=saved.update)
        receipt = await adapter(platform, http).send(resumed)
    assert receipt.remote_id.split(",") == list(platform.posts)
    assert [post.content["text"] for post in platform.posts.values()] == ["Eins", "Zwei", "Drei"]


@pytest.mark.anyio
async def test_find_reads_the_accounts_own_server() -> None:
    async with FakeBluesky() as platform, client() as http:
        ours = adapter(platform, http)
        assert isinstance(await ours.find(make_attempt(THREAD)), Absent)
        receipt = await ours.send(make_attempt(THREAD))
        assert await ours.find(make_attempt(THREAD)) == Found(receipt)
        await ours.withdraw(receipt.remote_id.split(",")[2])
        told = await ours.find(make_attempt(THREAD))
        assert told == CannotTell("2 of 3 posts are there")


# Uploads


@pytest.mark.anyio
async def test_an_upload_is_kept_and_goes_up_again_only_where_the_server_cleared_it(tmp_path: Path) -> None:
    """uploadBlob: a blob that no record names is deleted after minutes."""
    message = Message(text="Bild", media=(medium(tmp_path, "a.jpg", "image/jpeg"),))
    saved: dict[str, Any] = {}
    async with FakeBluesky() as platform, client() as http:
        platform.interfere(2, refused(502, "UpstreamFailure", "later"))
        with pytest.raises(OutcomeUnknown):
            await adapter(platform, http).send(make_attempt(message, save=saved.update))
        assert len(platform.blobs) == 1
        platform.blobs.clear()
        again = make_attempt(message, resume=dict(saved), save=saved.update)
        with pytest.raises(Retryable, match="Could not find blob") as caught:
            await adapter(platform, http).send(again)
        assert caught.value.retry_after == timedelta(0)
        await adapter(platform, http).send(make_attempt(message, resume=dict(saved), save=saved.update))
        assert len(platform.posts) == 1


# Sessions


@pytest.mark.anyio
async def test_a_session_serves_many_posts_and_is_renewed_from_its_refresh_token() -> None:
    async with FakeBluesky() as platform, client() as http:
        ours = adapter(platform, http)
        for number in range(5):
            await ours.send(make_attempt(Message(text="Hallo"), key=str(number)))
        assert platform.logins == 1
        kept = await ours.renew()
        assert platform.logins == 1
        assert kept.expires_at == NOW + timedelta(hours=2)
        await adapter(platform, http, kept).check()
        assert platform.logins == 1


@pytest.mark.anyio
async def test_an_echo_of_the_sessions_tokens_is_covered() -> None:
    async with FakeBluesky() as platform, client() as http:
        ours = adapter(platform, http)
        await ours.check()
        platform.interfere(0, refused(400, "InvalidRequest", f"no: {ACCESS} {REFRESH}"))
        with pytest.raises(Rejected, match=r"no: \*\*\* \*\*\*$"):
            await ours.check()


@pytest.mark.anyio
async def test_where_the_refresh_token_ended_the_app_password_logs_in() -> None:
    old = {"access_token": "a", "refresh_token": "r", "did": DID}
    kept = Credentials({name: SecretStr(value) for name, value in old.items()}, NOW)
    async with FakeBluesky() as platform, client() as http:
        await adapter(platform, http, kept).send(make_attempt(Message(text="Hallo")))
        asked = [seen.path.rsplit(".", 1)[1] for seen in platform.requests]
    assert asked == ["refreshSession", "createSession", "putRecord"]


@pytest.mark.anyio
async def test_a_session_that_ends_early_is_begun_anew_by_the_next_attempt() -> None:
    async with FakeBluesky() as platform, client() as http:
        ours = adapter(platform, http)
        await ours.check()
        platform.access = "another"
        with pytest.raises(Retryable, match="Token has expired") as caught:
            await ours.send(make_attempt(Message(text="Hallo")))
        assert caught.value.retry_after == timedelta(0)
        await ours.send(make_attempt(Message(text="Hallo"), number=2))
        assert len(platform.posts) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "fact"),
    [
        (refused(401, "AuthenticationRequired", "Invalid identifier or password"), Unauthorized),
        (refused(401, "AuthFactorTokenRequired", "A sign in code has been sent"), Unauthorized),
        (refused(400, "AccountTakedown", "Account has been taken down"), Unauthorized),
        (refused(503, "NotEnoughResources", "later"), Retryable),
    ],
)
async def test_a_log_in_that_fails_is_the_fact_it_is(reply: Reply, fact: type[ChannelError]) -> None:
    async with FakeBluesky() as platform, client() as http:
        platform.interfere(0, reply)
        with pytest.raises(fact):
            await adapter(platform, http).send(make_attempt(Message(text="Hallo")))
        assert not platform.posts


@pytest.mark.anyio
async def test_a_deactivated_account_does_not_pass_its_check() -> None:
    async with FakeBluesky() as platform, client() as http:
        platform.interfere(1, Reply(json={"did": DID, "active": False, "status": "suspended"}))
        with pytest.raises(Unauthorized, match="suspended"):
            await adapter(platform, http).check()


@pytest.mark.anyio
async def test_a_full_window_says_when_it_opens_again() -> None:
    full = Reply(429, json={"error": "RateLimitExceeded"}, headers={"ratelimit-reset": "1794355500"})
    async with FakeBluesky() as platform, client() as http:
        platform.interfere(1, full)
        with pytest.raises(Retryable) as caught:
            await adapter(platform, http).send(make_attempt(Message(text="Hallo")))
    assert caught.value.retry_after == timedelta(seconds=1794355500 - int(NOW.timestamp()))


# The vendor's contract


@functools.cache
def lexicon(nsid: str) -> Any:
    return json.loads((SPECS / "lexicons" / f"{nsid.replace('.', '/')}.json").read_text("utf-8"))["defs"]


FORMATS = {
    "datetime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "did": r"did:[a-z]+:[A-Za-z0-9._:%-]+",
    "at-uri": r"at://\S+",
    "cid": r"[a-z0-9]{8,}",
    "uri": r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+",
    "language": r"[a-zA-Z]{2,3}(-[A-Za-z0-9]+)*",
    "nsid": r"[a-zA-Z][a-zA-Z0-9-]*(\.[a-zA-Z0-9-]+)+\.[a-zA-Z][a-zA-Z0-9]*",
    "record-key": r"[A-Za-z0-9._:~-]{1,512}",
    "handle": r"([a-zA-Z0-9-]+\.)+[a-zA-Z][a-zA-Z0-9-]*",
    "at-identifier": r"did:[a-z]+:\S+|([a-zA-Z0-9-]+\.)+[a-zA-Z][a-zA-Z0-9-]*",
}


def wrong(schema: Any, value: Any, nsid: str, at: str = "") -> Iterator[str]:
    """What the lexicon says is wrong with a value; `maxLength` of a text counts bytes."""
    kind = schema["type"]
    if kind in ("ref", "union"):
        yield from _referred(schema, value, nsid, at)
    elif kind == "record":
        yield from wrong(schema["record"], value, nsid, at)
    elif kind in ("object", "params"):
        known = schema.get("properties", {})
        yield from (f"{at}/{name}: missing" for name in schema.get("required", []) if name not in value)
        yield from (f"{at}/{name}: not declared" for name in value if name not in known and name != "$type")
        for name in known.keys() & value.keys():
            yield from wrong(known[name], value[name], nsid, f"{at}/{name}")
    elif kind == "array":
        value = value if isinstance(value, list) else [value]
        if len(value) > schema.get("maxLength", len(value)):
            yield f"{at}: {len(value)} items"
        for number, item in enumerate(value):
            yield from wrong(schema["items"], item, nsid, f"{at}/{number}")
    elif kind == "string":
        if len(value.encode()) > schema.get("maxLength", 1 << 30):
            yield f"{at}: {len(value.encode())} bytes"
        if len(regex.findall(r"\X", value)) > schema.get("maxGraphemes", 1 << 30):
            yield f"{at}: too many graphemes"
        if not re.fullmatch(FORMATS.get(schema.get("format", ""), r"(?s).*"), value):
            yield f"{at}: {value!r} is no {schema['format']}"
    elif kind == "integer" and not (type(value) is int and value >= schema.get("minimum", 0)):
        yield f"{at}: {value!r} is no integer"
    elif kind == "blob":
        accepted = [each.replace("*", ".*") for each in schema.get("accept", ["*/*"])]
        if not any(re.fullmatch(each, value["mimeType"]) for each in accepted):
            yield f"{at}: {value['mimeType']}"
        if value["size"] > schema.get("maxSize", value["size"]):
            yield f"{at}: {value['size']} bytes"


def _referred(schema: Any, value: Any, nsid: str, at: str) -> Iterator[str]:
    names = [schema["ref"]] if schema["type"] == "ref" else schema["refs"]
    whole = [nsid + name if name.startswith("#") else name for name in names]
    if schema["type"] == "union":
        whole = [name for name in whole if name.removesuffix("#main") == value.get("$type")]
        if not whole:
            yield f"{at}: {value.get('$type')!r} is none of {names}"
            return
    home, _, part = whole[0].partition("#")
    yield from wrong(lexicon(home)[part or "main"], value, home, at)


def wrong_request(seen: Seen) -> Iterator[str]:
    name = seen.path.removeprefix("/xrpc/")
    main = lexicon(name)["main"]
    if seen.method != {"query": "GET", "procedure": "POST"}[main["type"]]:
        yield f"{name}: {seen.method}"
    if main["type"] == "query":
        yield from wrong(main.get("parameters", {"type": "params"}), seen.query, name, name)
    elif (asked := main.get("input", {})).get("encoding") == "application/json":
        yield from wrong(asked["schema"], seen.json, name, name)
        if record := seen.json.get("record"):
            yield from wrong(lexicon(record["$type"])["main"], record, record["$type"], name)
    elif "input" not in main and seen.body:
        yield f"{name}: a body where none is declared"


needs_lexicons = pytest.mark.skipif(
    not SPECS.exists(), reason="the vendor's lexicons are not beside the repository"
)


@needs_lexicons
@pytest.mark.anyio
async def test_every_request_is_one_the_lexicons_know(tmp_path: Path) -> None:
    picture, film = (
        medium(tmp_path, "a.jpg", "image/jpeg", "Mond"),
        medium(tmp_path, "f.mp4", "video/mp4", "F"),
    )
    async with FakeBluesky() as platform, client() as http:
        ours = adapter(platform, http)
        answered = ""
        for number, message in enumerate(
            Message(text=text, link=link, media=media, language=language, reply_to=reply, thread=thread)
            for text, link in (("Hallo #灯籠 @mei.example", ""), (f"Hallo {LINK}", LINK), ("Hallo", LINK))
            for media in ((), (picture,), (picture,) * 4, (film,))
            for language in ("", "zh-Hant-TW")
            for thread in ((), ("Zwei",))
            for reply in ("", "first")
        ):
            asked = Message(**{**fields(message), "reply_to": answered if message.reply_to else ""})
            receipt = await ours.send(make_attempt(asked, key=str(number)))
            answered = answered or receipt.remote_id
        await ours.find(make_attempt(THREAD))
        await ours.engagement([answered])
        await ours.withdraw(answered)
        await ours.check()
        await ours.renew()
    names = {seen.path.rsplit(".", 1)[1] for seen in platform.requests}
    assert names >= {
        "createSession", "refreshSession", "getSession", "putRecord", "getRecord", "deleteRecord",
        "uploadBlob", "getPosts", "resolveHandle",
    }  # fmt: skip
    assert not {each for seen in platform.requests for each in wrong_request(seen)}


def fields(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__slots__}


@needs_lexicons
def test_the_check_against_the_lexicons_can_fail() -> None:
    """A validator that accepts everything would prove nothing."""
    good = {"$type": POST, "text": "x", "createdAt": "2026-11-11T00:00:00.000Z"}
    bad: list[dict[str, Any]] = [
        {"text": "x" * 301},
        {"text": "👨‍👩‍👧‍👦" * 130},
        {"createdAt": "yesterday"},
        {"embed": {"$type": "app.bsky.embed.unheard"}},
        {"lang": ["de"]},
        {"langs": ["de", "en", "fr", "it"]},
    ]
    assert list(wrong(lexicon(POST)["main"], good, POST)) == []
    for change in bad:
        assert list(wrong(lexicon(POST)["main"], {**good, **change}, POST)), change


@needs_lexicons
def test_what_we_refuse_at_the_limit_is_what_the_lexicon_refuses() -> None:
    for text in ("x" * 300, "x" * 301, "👨‍👩‍👧‍👦" * 120, "👨‍👩‍👧‍👦" * 121, "灯" * 300):
        record = {"$type": POST, "text": text, "createdAt": "2026-11-11T00:00:00.000Z"}
        ours = problems(Message(text=text), Adapter.limits, Adapter.carries)
        assert bool(ours) == bool(list(wrong(lexicon(POST)["main"], record, POST))), ours


@pytest.mark.anyio
async def test_engagement_asks_for_twenty_five_posts_at_once() -> None:
    async with FakeBluesky() as platform, client() as http:
        ours = adapter(platform, http)
        for number in range(60):
            receipt = await ours.send(make_attempt(Message(text="x"), key=str(number)))
            platform.counts[receipt.remote_id] = {"likeCount": number}
        before = len(platform.requests)
        readings = await ours.engagement(list(platform.posts))
        assert len(platform.requests) == before + 3
    assert [reading.value for reading in readings] == list(range(60))


def test_the_keys_of_the_suite_are_stable() -> None:
    """A release that named records otherwise would post a second time what is in doubt."""
    assert record_key(KEY) == "2kzgrou5s3rmk"
