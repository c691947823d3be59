"""Bluesky: posts and threads on an account of any personal data server of the AT Protocol."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, SecretStr

from channels._media import upload
from channels._post import Posted, ids, in_turn, receipt, throttled, with_link
from channels.base import (
    Absent,
    AccountFacts,
    Attempt,
    CannotTell,
    Channel,
    ChannelError,
    Clock,
    Credentials,
    Found,
    Kind,
    Metric,
    Quota,
    Reading,
    Receipt,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Message

if TYPE_CHECKING:
    import httpx

#: app.bsky.feed.defs#postView of the vendor's lexicons, read 2026-11-22.
_COUNTS = {
    "likeCount": Metric.LIKES,
    "repostCount": Metric.SHARES,
    "replyCount": Metric.REPLIES,
    "quoteCount": Metric.QUOTES,
    "bookmarkCount": Metric.SAVES,
}
_POST = "app.bsky.feed.post"
_BATCH = 25  #: app.bsky.feed.getPosts
_EARLY = timedelta(minutes=2)  #: a session is renewed this long before it ends
_UPLOAD = 600.0  #: seconds, for a film goes up in one request

_LINK = re.compile(r"https?://[^\s<>\"'()\[\]{}。、，！？]+[^\s<>\"'()\[\]{}。、，！？.,;:!?]")
_TAG = re.compile(r"(?<!\S)[#＃]((?!\d+\b)\w+)")
_HANDLE = re.compile(r"(?<![\w/@.])@((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*)", re.IGNORECASE)
_TID = "234567abcdefghijklmnopqrstuvwxyz"


class _Ended(Retryable):
    """The session is over; the next attempt begins a new one."""


class _BlobGone(Retryable):
    """The server has cleared an upload away; it goes up again."""


class _Missing(Rejected):
    """The server has no such record."""


#: Errors by the name in the answer (com.atproto.* lexicons and bluesky-social/atproto packages/pds, read
#: 2026-11-22). What is not here is judged by its status.
_FACTS: Mapping[str, type[ChannelError]] = {
    "AccountDeactivated": Unauthorized,
    "AccountTakedown": Unauthorized,
    "AuthFactorTokenRequired": Unauthorized,
    "BlobNotFound": _BlobGone,
    "ExpiredToken": _Ended,
    "InvalidToken": Unauthorized,
    "RecordNotFound": _Missing,
    "RepoDeactivated": Unauthorized,
    "RepoTakendown": Unauthorized,
}


class BlueskySettings(Settings):
    identifier: str  #: the account's handle, such as `lantern-house.example`
    password: SecretStr  #: an app password, not the account's own
    server: str = Field(default="https://bsky.social", pattern=r"^https?://[^/\s]+$")


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = BlueskySettings
    settings: BlueskySettings
    kind = Kind.BROADCAST
    limits = Limits(
        text=300,
        counting=Counting.GRAPHEMES,
        source="lexicons app.bsky.feed.post, app.bsky.embed.images, app.bsky.embed.video",
        read=date(2026, 11, 22),
        text_bytes=3000,
        images=4,
        image_bytes=2_000_000,
        videos=1,
        video_bytes=300_000_000,
        alone=("video/",),
        kinds=("image/", "video/mp4"),
    )
    carries = frozenset(
        {
            Feature.IMAGE,
            Feature.IMAGES,
            Feature.VIDEO,
            Feature.LINK,
            Feature.ALT_TEXT,
            Feature.REPLY,
            Feature.THREAD,
            Feature.LANGUAGE,
        }
    )
    metrics = frozenset(_COUNTS.values())
    #: A record's name is made from the delivery's key, and putRecord of what is there already changes
    #: nothing, however late (lexicon com.atproto.repo.putRecord; the no-op of packages/pds putRecord.ts; read
    #: 2026-11-22). An hour bounds how long we repeat before `find` is asked.
    idempotent_for = timedelta(hours=1)
    quota = Quota(
        1666, timedelta(hours=1), "docs.bsky.app/docs/advanced-guides/rate-limits, read 2026-11-22", burst=30
    )

    def __init__(
        self, settings: Any, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        self._entering = asyncio.Lock()  #: servers allow few log-ins a day

    async def check(self) -> AccountFacts:
        session = answer(await self._ask("GET", "com.atproto.server.getSession"))
        if session.get("active") is False:
            raise Unauthorized(f"the account is {session.get('status', 'not active')}")
        return AccountFacts(
            name=f"@{session.get('handle', self.settings.identifier)}",
            url=f"https://bsky.app/profile/{self._did}",
        )

    async def send(self, attempt: Attempt) -> Receipt:
        texts = (_text(attempt.message), *attempt.message.thread)
        return receipt(await in_turn(attempt, texts, self._publish))

    async def _publish(self, attempt: Attempt, index: int, text: str, posted: list[Posted]) -> Posted:
        """Put one record. Its bytes are the same on every attempt, so that a repeat changes nothing."""
        message = attempt.message
        at = (attempt.since + timedelta(milliseconds=index)).astimezone(UTC)
        optional: dict[str, Any] = {
            "facets": [facet async for facet in self._facets(text)],
            "langs": [message.language] if message.language else [],
            "embed": None if index else await self._embed(attempt),
            "reply": await self._reply(message, posted),
        }
        record = {"$type": _POST, "text": text, "createdAt": f"{at:%Y-%m-%dT%H:%M:%S}.{at:%f}"[:-3] + "Z"}
        record |= {name: value for name, value in optional.items() if value}
        key = record_key(attempt.key, index)
        body = {"repo": await self._repo(), "collection": _POST, "rkey": key, "record": record}
        try:
            async with attempt.publishing():
                put = await self._ask("POST", "com.atproto.repo.putRecord", json=body)
                return _posted(str(answer(put, "uri")), str(answer(put, "cid")))
        except _BlobGone:
            await attempt.checkpoint({"blobs": []})
            raise

    async def _embed(self, attempt: Attempt) -> dict[str, Any] | None:
        """The pictures, the film, or a card for the link; the uploads are kept."""
        message = attempt.message
        blobs = list(attempt.resume.get("blobs", []))
        for media in message.media[len(blobs) :]:
            _, content, kind = await upload(media)
            made = await self._ask(
                "POST",
                "com.atproto.repo.uploadBlob",
                content=content,
                headers={"Content-Type": kind},
                within=_UPLOAD,
            )
            blobs.append(answer(made, "blob"))
            await attempt.checkpoint({"blobs": blobs})
        if not blobs:
            return _card(message.link) if message.link else None
        first = message.media[0]
        if first.kind.startswith("video/"):
            film = {"$type": "app.bsky.embed.video", "video": blobs[0]}
            return film | ({"alt": first.alt} if first.alt else {})
        images = [{"image": blob, "alt": m.alt} for blob, m in zip(blobs, message.media, strict=True)]
        return {"$type": "app.bsky.embed.images", "images": images}

    async def _reply(self, message: Message, posted: list[Posted]) -> dict[str, Any] | None:
        """The post before this one and the first of the thread, each with the hash of its content."""
        if not (answered := ids(message.reply_to)[-1]):
            return {"root": _strong(posted[0]), "parent": _strong(posted[-1])} if posted else None
        record = await self._record(answered)
        parent = {"uri": answered, "cid": str(answer(record, "cid"))}
        root = answer(record, "value").get("reply", {}).get("root", parent)
        return {"root": root, "parent": _strong(posted[-1]) if posted else parent}

    async def _facets(self, text: str) -> Any:
        """What is a link, a tag or a name in the text, by UTF-8 byte offsets."""
        for start, end, feature in _found(text):
            if handle := feature.pop("handle", None):
                with suppress(Rejected):  # nobody has that name: it stays plain text
                    query = {"handle": handle}
                    told = await self._ask("GET", "com.atproto.identity.resolveHandle", params=query)
                    feature["did"] = str(answer(told, "did"))
                if "did" not in feature:
                    continue
            span = {"byteStart": len(text[:start].encode()), "byteEnd": len(text[:end].encode())}
            yield {"index": span, "features": [feature]}

    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        """Ask the account's own server, which reads what it wrote (packages/pds getRecord.ts)."""
        texts = (attempt.message.text, *attempt.message.thread)
        found: list[Posted] = []
        for index in range(len(texts)):
            with suppress(_Missing):
                uri = f"at://{await self._repo()}/{_POST}/{record_key(attempt.key, index)}"
                found.append(_posted(uri, str(answer(await self._record(uri), "cid"))))
        if len(found) == len(texts):
            return Found(receipt(found))
        return CannotTell(f"{len(found)} of {len(texts)} posts are there") if found else Absent()

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        first = {ids(each)[0]: each for each in remote_ids if each.startswith("at://")}
        now, readings = self.clock.now(), []
        for start in range(0, len(first), _BATCH):
            query = {"uris": list(first)[start : start + _BATCH]}
            told = answer(await self._ask("GET", "app.bsky.feed.getPosts", params=query), "posts")
            readings += [
                Reading(first[post["uri"]], metric, post[name], now)
                for post in told
                for name, metric in _COUNTS.items()
                if isinstance(post.get(name), int)
            ]
        return readings

    async def withdraw(self, remote_id: str) -> None:
        """deleteRecord also succeeds where the record is gone already."""
        for uri in reversed(ids(remote_id)):
            repo, collection, rkey = _parts(uri)
            where = {"repo": repo, "collection": collection, "rkey": rkey}
            await self._ask("POST", "com.atproto.repo.deleteRecord", json=where)

    async def renew(self) -> Credentials:
        """A new session: from the old one's refresh token, or, where that ended too, by the app password."""
        made = None
        if refresh := self.credentials.values.get("refresh_token"):
            with suppress(_Ended, Unauthorized):
                made = await self._call(
                    "POST", "com.atproto.server.refreshSession", refresh.get_secret_value()
                )
        if made is None:
            own = self.settings
            login = {"identifier": own.identifier, "password": own.password.get_secret_value()}
            made = await self._call("POST", "com.atproto.server.createSession", json=login)
        access = str(answer(made, "accessJwt"))
        values = {"access_token": access, "refresh_token": answer(made, "refreshJwt")}
        values["did"] = answer(made, "did")
        self.credentials = Credentials(
            {name: SecretStr(str(value)) for name, value in values.items()}, _ends(access)
        )
        return self.credentials

    @property
    def _did(self) -> str:
        return self.credentials.values["did"].get_secret_value()

    async def _repo(self) -> str:
        await self._session()
        return self._did

    async def _session(self) -> str:
        """The access token of a session that lasts; one log-in for all who wait."""
        async with self._entering:
            values, ends = self.credentials.values, self.credentials.expires_at
            if "access_token" not in values or (ends and ends - _EARLY <= self.clock.now()):
                values = (await self.renew()).values
        return values["access_token"].get_secret_value()

    async def _record(self, uri: str) -> httpx.Response:
        repo, collection, rkey = _parts(uri)
        where = {"repo": repo, "collection": collection, "rkey": rkey}
        return await self._ask("GET", "com.atproto.repo.getRecord", params=where)

    async def _ask(self, method: str, name: str, **more: Any) -> httpx.Response:
        token = await self._session()
        try:
            return await self._call(method, name, token, **more)
        except _Ended:
            kept = self.credentials.values
            if kept.get("access_token") == SecretStr(token):
                self.credentials = Credentials({n: kept[n] for n in kept if n != "access_token"})
            raise

    async def _call(
        self, method: str, name: str, token: str = "", headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        kept = self.credentials.values
        secrets = [self.settings.password, *(kept[each] for each in kept if each != "did")]
        return await call(
            self.http,
            method,
            f"{self.settings.server}/xrpc/{name}",
            now=self.clock.now(),
            headers={**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})},
            hide=[each.get_secret_value() for each in secrets],
            judge=self._judge,
            **more,
        )

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        if response.is_success:
            return None
        try:
            said = msgspec.json.decode(response.content, type=_Refusal)
        except (msgspec.DecodeError, UnicodeError):
            said = _Refusal()
        older = said.message.startswith("Could not locate record")
        name = "RecordNotFound" if older else said.error
        if name in _FACTS and response.is_client_error:
            wait = {"retry_after": timedelta(0)} if issubclass(_FACTS[name], Retryable) else {}
            return _FACTS[name](text, **wait)
        return throttled(response, text, self.clock.now(), "ratelimit-reset")


class _Refusal(msgspec.Struct):
    error: str = ""
    message: str = ""


def record_key(key: str, index: int = 0) -> str:
    """The name of a delivery's record: a TID, as the lexicon asks of posts, made from the key alone."""
    number = int.from_bytes(hashlib.sha256(f"{key}/{index}".encode()).digest()[:8]) >> 1
    return "".join(_TID[number >> shift & 31] for shift in range(60, -1, -5))


def _found(text: str) -> Iterator[tuple[int, int, dict[str, str]]]:
    kind = "app.bsky.richtext.facet#"
    taken: list[tuple[int, int]] = []
    for match in _LINK.finditer(text):
        taken.append(match.span())
        yield *match.span(), {"$type": f"{kind}link", "uri": match[0]}
    for match in (*_TAG.finditer(text), *_HANDLE.finditer(text)):
        if any(start <= match.start() < end for start, end in taken):
            continue
        if match.re is _HANDLE:
            yield *match.span(), {"$type": f"{kind}mention", "handle": match[1].lower()}
        elif len(match[1]) <= 64:
            yield *match.span(), {"$type": f"{kind}tag", "tag": match[1]}


def _text(message: Message) -> str:
    """With the card of its link, a post without media needs no link in its text."""
    return with_link(message) if message.media else message.text


def _card(link: str) -> dict[str, Any]:
    """Readers' apps draw it; the server asks for both words, and fetches nothing itself."""
    host = urlsplit(link).hostname or link
    return {
        "$type": "app.bsky.embed.external",
        "external": {"uri": link, "title": host, "description": ""},
    }


def _posted(uri: str, cid: str) -> Posted:
    repo, _, rkey = _parts(uri)
    return {"id": uri, "cid": cid, "url": f"https://bsky.app/profile/{repo}/post/{rkey}"}


def _strong(post: Posted) -> dict[str, str]:
    return {"uri": post["id"], "cid": post["cid"]}


def _parts(uri: str) -> tuple[str, str, str]:
    """Repository, collection and record key of an address such as `at://did:plc:…/app.bsky.feed.post/3k…`."""
    parts = uri.removeprefix("at://").split("/")
    if len(parts) != 3:
        raise Rejected(f"{uri}: is no address of a record; may be at://DID/COLLECTION/RKEY")
    return parts[0], parts[1], parts[2]


def _ends(token: str) -> datetime | None:
    """When a JSON Web Token says it ends; the server alone judges it."""
    try:
        middle = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, ValueError, KeyError, TypeError, OverflowError, msgspec.DecodeError):
        return None
