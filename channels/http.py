"""The one HTTP client, and the one table from what went wrong on the wire to the fact it means.

Every exception that may follow a request that left is `Interrupted`; tests/test_transport.py proves the
table over real sockets, for the very transport that publishes (`_wire.py`). What a call needs is
imported by the call: a channel's file is also read for its settings alone, by commands that ask nobody.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import msgspec

from channels.base import ChannelError, Interrupted, QuotaSpent, Rejected, Retryable, Unauthorized

if TYPE_CHECKING:
    import ssl

    import httpx

#: A wait for a free connection is short: a fence was entered, and its lease is running.
QUEUE = 10.0
#: From here on a 429 is a spent quota, not a pause.
FAR = timedelta(hours=1)
_FARTHEST = timedelta(days=31)
_SHOWN = 200


def client(
    *,
    connect: float = 10.0,
    read: float = 30.0,
    in_flight: int = 256,
    proxy: str = "",
    tls: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """The process's client: at most `in_flight` requests to one host at a time; times in seconds.

    It follows no redirect, keeps no cookie (accounts share it) and reads no proxy from the environment.
    """
    import httpx

    from channels._wire import Client, Connections

    return Client(
        Connections(in_flight=in_flight, proxy=proxy, tls=tls),
        httpx.Timeout(connect=connect, read=read, write=read, pool=QUEUE),
        {"User-Agent": "silkpost/0.1.0"},
    )


Judge: TypeAlias = "Callable[[httpx.Response, str], ChannelError | None]"


async def call(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    now: datetime,
    json: Any = None,
    data: Mapping[str, Any] | None = None,
    files: Any = None,
    content: bytes | None = None,
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    hide: Sequence[str] = (),
    refuse: Mapping[int, Callable[[str], ChannelError]] | None = None,
    judge: Judge | None = None,
    within: float = 60.0,
) -> httpx.Response:
    """Ask once; a 2xx answer comes back, anything else is raised as the fact it means.

    `hide` are secrets that may stand in the path or that the platform may echo; `refuse` narrows the table
    for single statuses; `judge` sees every answer first, with the error text made for it, and returns a fact
    where the platform's own code says more than the status. `within` bounds the whole exchange, in seconds.
    """
    import asyncio

    import httpx

    from channels._wire import NOTHING_LEFT

    body = {"content": content, "data": data, "files": files}
    named = dict(headers or {})
    if json is not None:
        body = {"content": msgspec.json.encode(json)}
        named = {"Content-Type": "application/json", **named}
    asked = _Asked(method, url, (*hide, *_credentials(named)))
    try:
        request = http.build_request(method, url, params=params, headers=named, **body)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Rejected(f"{method}: the request cannot be written: {asked.covered(str(error))}") from None
    try:
        async with asyncio.timeout(within):
            response = await http.send(request)
    except httpx.UnsupportedProtocol as error:
        raise Rejected(f"{asked}: {error}") from error
    except NOTHING_LEFT as error:
        raise Retryable(f"{asked}: {_broke(error, asked)}; nothing left") from error
    except (httpx.RequestError, httpx.StreamError, TimeoutError) as error:
        raise Interrupted(f"{asked}: {_broke(error, asked)}; the request may have left") from error
    asked.status = response.status_code
    response.extensions["where"] = asked
    if response.is_success and judge is None and not refuse:
        return response
    text = str(asked)
    if not response.is_success or judge:
        said = asked.covered(_said(response))[:_SHOWN]
        text = f"{text}: {said}" if said else text
    if fact := (judge and judge(response, text)) or _fact(response, text, now, refuse or {}):
        raise fact
    return response


class _Asked:
    """What an operator may read of one request; written out only where something has to be said of it."""

    __slots__ = ("_method", "_secrets", "_url", "status")

    def __init__(self, method: str, url: str, secrets: Sequence[str]) -> None:
        self._method, self._url, self._secrets = method, url, secrets
        self.status = 0

    def __str__(self) -> str:
        import httpx

        where = self.covered(_printable(f"{self._method} {httpx.URL(self._url).path}"))
        return f"{where}: HTTP {self.status}" if self.status else where

    def covered(self, text: str) -> str:
        """The text with `***` for every secret, in whatever form a platform may echo it."""
        forms = {form for one in self._secrets if one for form in (one, quote(one, safe=""), quote(one))}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "***")
        return text


def _fact(
    response: httpx.Response, text: str, now: datetime, refuse: Mapping[int, Callable[[str], ChannelError]]
) -> ChannelError | None:
    status = response.status_code
    if status in refuse:
        return refuse[status](text)
    if response.is_success:
        return None
    wait = retry_after(response, now)
    if status in (401, 403):
        return Unauthorized(text)
    if status == 429:
        return slow_down(text, wait, now)
    if status == 408 or status >= 500:
        return Interrupted(text, wait)
    if status in (302, 303):  # what a form answers after accepting; RFC 9110 section 15.4, read 2026-11-22
        return Interrupted(f"{text}: a redirect, which may follow an accepted post")
    return Rejected(text)


def slow_down(text: str, wait: timedelta | None, now: datetime) -> Retryable | QuotaSpent:
    """The fact of being asked to wait: a pause, or from an hour on a spent quota."""
    if wait is None or wait < FAR:
        return Retryable(text, wait)
    return QuotaSpent(text, now + min(wait, _FARTHEST))


def retry_after(response: httpx.Response, now: datetime) -> timedelta | None:
    """Retry-After as seconds or as an HTTP date (RFC 9110 section 10.2.3), never negative."""
    written = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(written)
    except ValueError:
        try:
            at = parsedate_to_datetime(written)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    if seconds != seconds:  # not a number
        return None
    return timedelta(seconds=min(max(seconds, 0.0), _FARTHEST.total_seconds()))


def answer(response: httpx.Response, *path: str | int) -> Any:
    """The JSON of an answer, or what lies at `path` in it; raises Interrupted where it is not there.

    Call it inside the fence: an accepted post whose answer cannot be read may have been published.
    """
    where = response.extensions.get("where", f"HTTP {response.status_code}")
    try:
        found = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeError):
        raise Interrupted(f"{where}: the answer is not JSON") from None
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            raise Interrupted(f"{where}: the answer has no {'.'.join(map(str, path))}") from None
    return found


def _broke(error: Exception, asked: _Asked) -> str:
    said = asked.covered(_printable(str(error)))[:_SHOWN]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """What a platform must not be quoted with, even where it echoes our request."""
    sent = [value for name, value in headers.items() if name.lower() == "authorization"]
    return [value.split(" ", 1)[-1] for value in sent]


#: Where platforms put their words, the most telling first.
_WORDS = (
    "error_description", "error_message", "message", "description", "detail", "errmsg", "error_msg", "msg",
    "error", "errors", "title",
)  # fmt: skip


def _said(response: httpx.Response) -> str:
    """The platform's own words about an answer, on one line."""
    try:
        words = _words(msgspec.json.decode(response.content), 0)
    except (msgspec.DecodeError, UnicodeError):
        words = html.unescape(re.sub(r"<[^>]*>", " ", response.text[:20_000]))
    return _printable(words)


def _words(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and depth < 4:
        return _words(value[0], depth + 1)
    if isinstance(value, dict) and depth < 4:
        found = (_words(value[name], depth + 1) for name in _WORDS if name in value)
        return next((words for words in found if words), "")
    return ""


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
