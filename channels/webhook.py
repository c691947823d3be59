"""A signed JSON POST to a receiver of the shop's own, which does with it as it likes.

Every request carries `X-Silkpost-Timestamp` (Unix seconds) and `X-Silkpost-Signature`: `v1=` and the hex
HMAC-SHA256, under the shared secret, of `<timestamp>.<body>`; where there is no body, of
`<timestamp>.<METHOD> <path?query>`. A receiver refuses what is older than five minutes or signed wrongly.

POST `url` publishes and carries `Idempotency-Key`; the answer is `{"id": …, "url": …, "repeated": bool}`, or
empty, and then the key is the id. What else a receiver can do is declared by settings:

* GET `find_url?key=…` answers `{"found": true, "id": …}` or `{"found": false}`; it knows a key
  from the moment its POST arrives, before acting on it;
* GET `readings_url?id=…&id=…` answers `{"readings": [{"id": …, "metric": "likes", "value": 7}]}`: running
  totals under our names of metrics;
* DELETE `withdraw_url/<id>` takes a post back.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import msgspec
from pydantic import Field, HttpUrl, SecretStr

from channels.base import (
    Absent,
    AccountFacts,
    Attempt,
    CannotTell,
    Channel,
    Clock,
    Credentials,
    Found,
    Kind,
    Metric,
    Reading,
    Receipt,
    Rejected,
    Retryable,
)
from channels.base import Settings as Base
from channels.http import answer, call
from content.message import Counting, Feature, Limits, Media, Message

if TYPE_CHECKING:
    import httpx

_METRICS = frozenset(metric.value for metric in Metric)


class Settings(Base):
    url: HttpUrl
    secret: SecretStr = Field(min_length=16)
    find_url: HttpUrl | None = None
    readings_url: HttpUrl | None = None
    withdraw_url: HttpUrl | None = None
    drops_repeats_hours: int = Field(default=0, ge=0, le=24 * 365)  #: how long the receiver knows a key again


class Adapter(Channel):
    settings_type = Settings
    for_teams = True
    kind = Kind.BROADCAST
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="the receiver is the shop's own: the numbers of media are ours, against accidents",
        read=date(2026, 11, 22),
        images=20,
        videos=4,
        fetches=True,
    )
    carries = frozenset(Feature)
    metrics = frozenset(Metric)
    settings: Settings

    def __init__(
        self, settings: Settings, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        self.idempotent_for = timedelta(hours=settings.drops_repeats_hours)
        self.can_be_asked = settings.find_url is not None
        if not settings.readings_url:
            self.metrics = frozenset()

    async def check(self) -> AccountFacts:
        """The receiver's name, where a GET of its address tells it; one of POSTs alone is well too."""
        url = str(self.settings.url)
        try:
            known = await self._call("GET", url)
        except Rejected:
            return AccountFacts(name=self.settings.url.host or url)
        named = _object(known).get("name") if known.content else None
        return AccountFacts(name=str(named or self.settings.url.host))

    async def send(self, attempt: Attempt) -> Receipt:
        body = msgspec.json.encode(_payload(attempt))
        async with attempt.publishing():
            response = await self._call("POST", str(self.settings.url), body, attempt.key)
            if not response.content:
                return Receipt(attempt.key)
            return _receipt(response)

    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        if not self.settings.find_url:
            return CannotTell("the receiver cannot be asked; set find_url where it can")
        response = await self._call("GET", _with(self.settings.find_url, "key", [attempt.key]))
        match _object(response).get("found"):
            case True:
                return Found(_receipt(response))
            case False:
                return Absent()
        return CannotTell("the receiver's answer does not say whether it found the key")

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        if not self.settings.readings_url or not remote_ids:
            return []
        response = await self._call("GET", _with(self.settings.readings_url, "id", remote_ids))
        now = self.clock.now()
        try:
            told = msgspec.convert(answer(response, "readings"), list[dict[str, Any]])
        except msgspec.ValidationError as error:
            raise Retryable(f"readings_url: {error}") from None
        return [
            Reading(one["id"], Metric(one["metric"]), one["value"], now)
            for one in told
            if one.get("id") in remote_ids and one.get("metric") in _METRICS and type(one.get("value")) is int
        ]

    async def withdraw(self, remote_id: str) -> None:
        if not self.settings.withdraw_url:
            raise Rejected("withdraw: the receiver takes nothing back; set withdraw_url where it does")
        await self._call(
            "DELETE", f"{str(self.settings.withdraw_url).rstrip('/')}/{quote(remote_id, safe='')}"
        )

    async def _call(self, method: str, url: str, body: bytes = b"", key: str = "") -> httpx.Response:
        now = self.clock.now()
        secret = self.settings.secret.get_secret_value()
        stamp = str(int(now.timestamp()))
        signed = body or f"{method} {self.http.build_request(method, url).url.raw_path.decode()}".encode()
        headers = {
            "X-Silkpost-Timestamp": stamp,
            "X-Silkpost-Signature": signature(secret, stamp, signed),
            **({"Idempotency-Key": key, "Content-Type": "application/json"} if key else {}),
        }
        sent = body or None
        return await call(
            self.http, method, url, now=now, content=sent, headers=headers, hide=(secret, *headers.values())
        )


def signature(secret: str, stamp: str, signed: bytes) -> str:
    """What `X-Silkpost-Signature` holds; a receiver computes the same and compares in constant time."""
    return "v1=" + hmac.new(secret.encode(), f"{stamp}.".encode() + signed, hashlib.sha256).hexdigest()


def _payload(attempt: Attempt) -> dict[str, Any]:
    message: Message = attempt.message
    return {
        "key": attempt.key,
        "text": message.text,
        "title": message.title,
        "html": message.html,
        "link": message.link,
        "language": message.language,
        "media": [_media(media) for media in message.media],
        "paid": message.paid,
        "ai_made": message.ai_made,
        "reply_to": message.reply_to,
        "thread": list(message.thread),
        "fields": message.fields,
    }


def _media(media: Media) -> dict[str, Any]:
    if not media.url:
        raise Rejected(f"media {media.name}: a receiver fetches media by address; set media.base_url")
    return {
        "url": media.url,
        "sha256": media.sha256,
        "kind": media.kind,
        "size": media.size,
        "alt": media.alt,
    }


def _object(response: httpx.Response) -> dict[str, Any]:
    found = answer(response)
    return found if isinstance(found, dict) else {}


def _receipt(response: httpx.Response) -> Receipt:
    told = _object(response)
    return Receipt(
        str(answer(response, "id")), str(told.get("url", "")), repeated=told.get("repeated") is True
    )


def _with(url: HttpUrl, name: str, values: Sequence[str]) -> str:
    parts = urlsplit(str(url))
    asked = urlencode([(name, value) for value in values], quote_via=quote)
    return urlunsplit(parts._replace(query=f"{parts.query}&{asked}".lstrip("&")))
