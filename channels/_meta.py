"""Meta's Graph API, as Facebook, Instagram and Threads share it: errors, containers, webhooks, tokens."""

from __future__ import annotations

import hashlib
import hmac
import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import msgspec
from pydantic import Field, SecretStr

from channels._post import CLOCKS_DIFFER, Posted, receipt
from channels.base import (
    Absent,
    Attempt,
    CannotTell,
    Channel,
    ChannelError,
    Credentials,
    Found,
    Heard,
    HeardEvent,
    HeardRequest,
    Interrupted,
    Metric,
    OutcomeUnknown,
    QuotaSpent,
    Reading,
    Rejected,
    Retryable,
    Settings,
    Unauthorized,
)
from channels.http import answer, call, retry_after, slow_down
from content.message import Media

if TYPE_CHECKING:
    import httpx

#: A container that is not published within a day expires (developers.facebook.com/documentation/threads/
#: troubleshooting, and Instagram's content publishing; read 2026-11-22); an hour is left for us.
_LIVES = timedelta(hours=23)
#: The same pages: ask for a container's status once a minute.
_LOOK_AGAIN = timedelta(minutes=1)
_DAY = timedelta(days=1)


class Gone(Rejected):
    """Meta does not have it, or not any more."""


class Remake(Retryable):
    """The container is of no use; the next attempt makes another."""


#: By subcode, which says more than the code (developers.facebook.com/documentation/instagram-platform/
#: instagram-graph-api/reference/error-codes, updated 2026-06-02; read 2026-11-22).
_SUBCODES: Mapping[int, type[ChannelError]] = {
    33: Gone,  # no object of this id, or not for us
    1363037: Remake,  # a part of a film does not follow the one before (unverified)
    2207001: Interrupted,  # Instagram server error
    2207003: Remake,  # it took too long to download the media
    2207006: Remake,  # the container is not found
    2207008: Retryable,  # a passing error of publishing; the same container again, so that none doubles
    2207020: Remake,  # the media expired
    2207027: Retryable,  # the media is not ready to be published
    2207032: Remake,  # the container could not be made
    2207042: QuotaSpent,  # the day's posts are used up; try the following day
    2207050: Unauthorized,  # the account is inactive, checkpointed or restricted
    2207051: Unauthorized,  # publishing is held to be spam; a person must answer
    2207053: Remake,  # an unknown error of the upload
    2207057: Rejected,  # the thumbnail is outside of the film
}
#: By code (developers.facebook.com/docs/graph-api/guides/error-handling, read 2026-11-22; 32, 613, 803 and
#: 8000x, of business use cases, unverified). 200 to 299 are missing permissions. The status judges the rest.
_CODES: Mapping[int, type[ChannelError]] = {
    1: Interrupted,
    2: Interrupted,
    3: Unauthorized,
    4: Retryable,
    10: Unauthorized,
    17: Retryable,
    32: Retryable,
    102: Unauthorized,
    190: Unauthorized,
    341: Retryable,
    368: QuotaSpent,  # blocked for a time, for its policies; how long is not told
    506: Rejected,  # the same post again
    613: Retryable,
    803: Gone,  # one of several ids does not exist
    80001: Retryable,
    80002: Retryable,
    1609005: Rejected,  # the link cannot be used
    **dict.fromkeys(range(200, 300), Unauthorized),
}


class GraphSettings(Settings):
    token: SecretStr
    app_secret: SecretStr = SecretStr("")  #: signs the webhooks
    verify_token: SecretStr = SecretStr("")  #: given to the app's dashboard for the webhooks' first call
    server: str = Field(pattern=r"^https?://[^\s]+$")  #: with its version, such as `…/v25.0`


class Graph(Channel):
    """A channel of the Graph API."""

    settings: GraphSettings
    renew_before = timedelta(days=7)  #: of sixty; one that has ended cannot be renewed

    async def ask(self, method: str, path: str, *, server: str = "", **more: Any) -> httpx.Response:
        return await call(
            self.http,
            method,
            f"{server or self.server}/{path}",
            now=self.clock.now(),
            headers={"Authorization": f"Bearer {self.token}"},
            hide=self._secrets(),
            judge=self._judge,
            **more,
        )

    @property
    def server(self) -> str:
        return self.settings.server

    @property
    def token(self) -> str:
        kept = self.credentials.values.get("access_token", self.settings.token)
        return kept.get_secret_value()

    def _secrets(self) -> list[str]:
        own = self.settings
        settings = (own.token, own.app_secret, own.verify_token)
        return [each.get_secret_value() for each in (*settings, *self.credentials.values.values())]

    async def refreshed(self, path: str, **query: str) -> Credentials:
        """A long-lived token for a longer time; one that has ended cannot be renewed."""
        told = await call(
            self.http,
            "GET",
            urljoin(self.server, path),
            now=self.clock.now(),
            params=query,
            hide=self._secrets(),
            judge=self._judge,
        )
        made, lives = str(answer(told, "access_token")), answer(told).get("expires_in")
        ends = self.clock.now() + timedelta(seconds=int(lives)) if lives else None
        self.credentials = Credentials({"access_token": SecretStr(made)}, ends)
        return self.credentials

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        """The error in an answer, whatever its status."""
        try:
            said = msgspec.json.decode(response.content, type=_Answer).error
        except (msgspec.DecodeError, UnicodeError):
            return None
        if said is None:
            return None
        fact = _SUBCODES.get(said.error_subcode or 0) or _CODES.get(said.code)
        if fact is None and said.is_transient:
            fact = Interrupted
        if fact is None:
            return Rejected(text) if response.is_success else None
        now = self.clock.now()
        if fact is QuotaSpent:
            return QuotaSpent(text, now + _DAY)
        if fact is Remake:
            return Remake(text, timedelta(0))
        if fact is Retryable:
            soon = _LOOK_AGAIN if said.error_subcode else None
            return slow_down(text, _regained(response) or retry_after(response, now) or soon, now)
        return fact(text)

    def hear(self, request: HeardRequest) -> Heard:
        """X-Hub-Signature-256 over the raw body (rule by several third parties, the vendor's page unread).

        It covers no time: a repeated event is known by its id.
        """
        own = self.settings
        if request.method == "GET":
            given, wanted = request.query.get("hub.verify_token", ""), own.verify_token.get_secret_value()
            if not wanted or not hmac.compare_digest(wanted.encode(), given.encode()):
                raise Unauthorized("webhook: hub.verify_token is not this account's")
            return Heard(reply=request.query.get("hub.challenge", "").encode())
        secret = own.app_secret.get_secret_value().encode()
        signed = f"sha256={hmac.new(secret, request.body, hashlib.sha256).hexdigest()}"
        given = request.headers.get("x-hub-signature-256", "")
        if not secret or not hmac.compare_digest(signed.encode(), given.encode()):
            raise Unauthorized("webhook: X-Hub-Signature-256 is not the body's")
        try:
            return Heard(tuple(self.heard(msgspec.json.decode(request.body))))
        except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError):
            return Heard(status=400)

    async def remove(self, remote_id: str) -> None:
        """Delete a post; one that is gone already is no trouble."""
        with suppress(Gone):
            await self.ask("DELETE", remote_id, refuse={404: Gone})

    @abstractmethod
    def heard(self, told: Any) -> Iterable[HeardEvent]:
        """What a webhook tells."""

    async def insights(self, remote_id: str, metrics: Mapping[str, Metric]) -> list[Reading]:
        """One post's totals. Meta takes one post at a time; of one it will not tell of there are none."""
        told: list[dict[str, Any]] = []
        with suppress(Rejected):
            query = {"metric": ",".join(metrics)}
            told = answer(await self.ask("GET", f"{remote_id}/insights", params=query), "data")
        now = self.clock.now()
        return [
            Reading(remote_id, metrics[name], value, now) for name, value in totals(told) if name in metrics
        ]


class Containers(Graph):
    """Publishing in two steps: a container is made of media that Meta fetches, and then published."""

    home: str  #: whose edges these are
    edge: str  #: makes containers, and lists what is published
    publish_edge: str
    text_field: str
    status_field: str  #: of a container
    reason_field: str  #: of a container: why it failed

    async def publish(self, attempt: Attempt, index: int, text: str, extra: Mapping[str, str]) -> Posted:
        """Make the container of one post ready, publish it, and say where it is.

        Every container is kept, so that a resumed attempt makes no second one; one that was published is
        known by its status and is not published again.
        """
        name = f"container{index}"
        try:
            container = await self._container(attempt, name, text, index, extra)
            status = await self._status(container)
        except (Remake, _Failed):
            await attempt.checkpoint({name: {}})
            raise
        if status == "PUBLISHED":
            if post := await self._latest(attempt, text):
                return post
            raise OutcomeUnknown(f"container {container} is published, and not yet among the latest posts")
        async with attempt.publishing():
            told = await self.ask("POST", f"{self.home}/{self.publish_edge}", data={"creation_id": container})
            remote_id = str(answer(told, "id"))
        url = ""
        with suppress(ChannelError):  # it is out, whether or not its address can be read
            url = str(answer(await self.ask("GET", remote_id, params={"fields": "permalink"}), "permalink"))
        return {"id": remote_id, "url": url}

    async def _container(
        self, attempt: Attempt, name: str, text: str, index: int, extra: Mapping[str, str]
    ) -> str:
        kept: dict[str, Any] = dict(attempt.resume.get(name) or {})
        now = self.clock.now()
        if not kept or datetime.fromisoformat(kept["made"]) + _LIVES <= now:
            kept = {"made": now.isoformat(), "parts": []}
        if "id" not in kept:
            media = () if index else attempt.message.media
            fields = {**extra, self.text_field: text}
            if len(media) > 1:
                fields |= await self._carousel(attempt, name, kept, media)
            else:
                fields |= self.of(media[0] if media else None, part=False)
            kept["id"] = await self._make(fields)
            await attempt.checkpoint({name: kept})
        return str(kept["id"])

    async def _carousel(
        self, attempt: Attempt, name: str, kept: dict[str, Any], media: Sequence[Media]
    ) -> dict[str, str]:
        for each in media[len(kept["parts"]) :]:
            part = {**self.of(each, part=True), "is_carousel_item": "true"}
            kept["parts"] = [*kept["parts"], await self._make(part)]
            await attempt.checkpoint({name: kept})
        for container, each in zip(kept["parts"], media, strict=True):
            if each.kind.startswith("video/"):
                await self._status(container)  # a carousel takes films that are ready
        return {"media_type": "CAROUSEL", "children": ",".join(kept["parts"])}

    @abstractmethod
    def of(self, media: Media | None, *, part: bool) -> dict[str, str]:
        """The fields of a container for one medium, alone or as part of a carousel, or for a text."""

    async def _make(self, fields: Mapping[str, str]) -> str:
        said = {name: value for name, value in fields.items() if value}
        return str(answer(await self.ask("POST", f"{self.home}/{self.edge}", data=said), "id"))

    async def _status(self, container: str) -> str:
        """FINISHED or PUBLISHED; anything else is raised as the fact it is."""
        query = {"fields": f"{self.status_field},{self.reason_field}"}
        try:
            told = await self.ask("GET", container, params=query)
        except Gone as error:
            raise Remake(str(error), timedelta(0)) from error
        status, reason = str(answer(told, self.status_field)), str(answer(told).get(self.reason_field, ""))
        if status in ("FINISHED", "PUBLISHED"):
            return status
        if status == "IN_PROGRESS":
            raise Retryable(f"container {container}: Meta still works on it", _LOOK_AGAIN)
        if status == "EXPIRED":
            raise Remake(f"container {container}: expired unpublished", timedelta(0))
        text = f"container {container}: {status}: {reason}"
        if any(fact is Remake and str(code) in reason for code, fact in _SUBCODES.items()):
            raise Remake(text, _LOOK_AGAIN)
        if status == "ERROR":
            raise _Failed(text)
        raise Retryable(text, _LOOK_AGAIN)

    async def seek(self, attempt: Attempt, index: int, text: str) -> Posted | Absent | CannotTell:
        """What became of one post; a container's status is what Meta's pages settle this with."""
        if container := (attempt.resume.get(f"container{index}") or {}).get("id"):
            with suppress(Gone):
                told = await self.ask("GET", container, params={"fields": self.status_field})
                if answer(told, self.status_field) != "PUBLISHED":
                    return Absent()
        return await self._latest(attempt, text) or CannotTell(
            "it is not among the account's latest, which may lag"
        )

    async def _latest(self, attempt: Attempt, text: str) -> Posted | None:
        query = {"fields": f"id,{self.text_field},permalink,timestamp", "limit": "50"}
        for post in answer(await self.ask("GET", f"{self.home}/{self.edge}", params=query), "data"):
            recent = datetime.fromisoformat(post["timestamp"]) > attempt.since - CLOCKS_DIFFER
            if recent and post.get(self.text_field, "").split() == text.split():
                return {"id": str(post["id"]), "url": post.get("permalink", "")}
        return None


class _Failed(Rejected):
    """Meta could not make anything of the media."""


class _Error(msgspec.Struct):
    code: int = 0
    error_subcode: int | None = None
    is_transient: bool = False


class _Answer(msgspec.Struct):
    error: _Error | None = None


def fetched(media: Media) -> str:
    """Where Meta fetches the medium."""
    if not media.url:
        raise Rejected(f"{media.name}: has no address to be fetched from; set media.base_url")
    return media.url


def told_of(parts: Sequence[Posted | Absent | CannotTell]) -> Found | Absent | CannotTell:
    """One answer for all parts of a post."""
    out = [part for part in parts if isinstance(part, dict)]
    if len(out) == len(parts):
        return Found(receipt(out))
    if isinstance(parts[0], Absent):
        return parts[0]
    return CannotTell(f"{len(out)} of {len(parts)} posts are known to be out")


def totals(metrics: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    """Name and total of each metric that holds one."""
    for each in metrics:
        values = each.get("values") or [each.get("total_value") or {}]
        if isinstance(value := values[-1].get("value"), int):
            yield each["name"], value


def seconds(written: int) -> datetime:
    return datetime.fromtimestamp(written, UTC)


def _regained(response: httpx.Response) -> timedelta | None:
    """The minutes of X-Business-Use-Case-Usage until calls are taken again (docs/graph-api/overview/
    rate-limiting, read 2026-11-22); a Retry-After is heard too."""
    try:
        usage = msgspec.json.decode(response.headers.get("x-business-use-case-usage", "{}"))
        minutes = [one["estimated_time_to_regain_access"] for each in usage.values() for one in each]
        if minutes:
            return timedelta(minutes=max(minutes))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return None
    return None


def _holds_no_token(record: logging.LogRecord) -> bool:
    return "_token=" not in record.getMessage()


#: httpx logs the URL of every request, and a renewal's URL holds the token.
logging.getLogger("httpx").addFilter(_holds_no_token)
