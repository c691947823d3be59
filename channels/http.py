"""The one HTTP client, and the one table from what went wrong on the wire to the fact it means.

Every exception that may follow a request that left is `Interrupted`; tests/test_transport.py proves the
table over real sockets, for the very transport that publishes.
"""

from __future__ import annotations

import asyncio
import html
import re
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import anyio
import httpx
import msgspec

from channels.base import ChannelError, Interrupted, QuotaSpent, Rejected, Retryable, Unauthorized

#: An idle connection is let go before the shortest server default we know closes it: 5 s
#: (server.keepAliveTimeout of nodejs.org/api/http.html, uvicorn's --timeout-keep-alive; read 2026-11-22).
IDLE = 4.0
#: A wait for a free connection is short: a fence was entered, and its lease is running.
QUEUE = 10.0
#: From here on a 429 is a spent quota, not a pause.
FAR = timedelta(hours=1)
_FARTHEST = timedelta(days=31)
_SHOWN = 200

#: Raised by anyio and ssl below httpx's own mapping, for example by garbage after a TLS handshake.
_BROKEN = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
#: What httpx raises before a byte of the request is written.
_NOTHING_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


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
    made = httpx.AsyncClient(
        transport=Connections(in_flight=in_flight, proxy=proxy, tls=tls),
        timeout=httpx.Timeout(connect=connect, read=read, write=read, pool=QUEUE),
        headers={"User-Agent": "silkpost/0.1.0"},
        trust_env=False,
    )
    made.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return made


class Connections(httpx.AsyncBaseTransport):
    """Single-connection transports, the last one used taken first: O(1), where a pool rescans for each."""

    def __init__(self, *, in_flight: int, proxy: str = "", tls: ssl.SSLContext | None = None) -> None:
        self._in_flight = in_flight
        self._proxy = proxy or None
        self._tls = tls  #: made when first needed: reading the authorities takes a while
        self._plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  #: trusts nobody; for http alone
        self._hosts: dict[tuple[str, str, int | None], _Host] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        place = (url.scheme, url.host, url.port)
        if (host := self._hosts.get(place)) is None:
            host = self._hosts[place] = _Host(self._in_flight)
        await host.slot(request)
        line: httpx.AsyncHTTPTransport | None = None
        try:
            line = host.free.pop()[1] if host.free else self._line(url.scheme)
            response = await line.handle_async_request(request)
        except BaseException as error:
            await host.drop(line)
            if isinstance(error, _BROKEN):
                raise httpx.ReadError(str(error), request=request) from error
            raise
        response.stream = _Body(response, host, line)
        return response

    def _line(self, scheme: str) -> httpx.AsyncHTTPTransport:
        if self._tls is None and (scheme == "https" or self._proxy):
            self._tls = httpx.create_ssl_context()
        return httpx.AsyncHTTPTransport(
            verify=self._tls or self._plain,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE),
            proxy=self._proxy,
        )

    async def aclose(self) -> None:
        for host in self._hosts.values():
            while host.free:
                await host.free.pop()[1].aclose()


class _Host:
    """The free connections to one host, oldest first, and a place for each request in flight."""

    __slots__ = ("_slots", "free")

    def __init__(self, in_flight: int) -> None:
        self.free: deque[tuple[float, httpx.AsyncHTTPTransport]] = deque()
        self._slots = asyncio.Semaphore(in_flight)

    async def slot(self, request: httpx.Request) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        wait = request.extensions.get("timeout", {}).get("pool")
        try:
            async with asyncio.timeout(wait):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout(f"no free connection within {wait:g} s", request=request) from None

    async def keep(self, line: httpx.AsyncHTTPTransport) -> None:
        now = time.monotonic()
        self.free.append((now, line))
        self._slots.release()
        while self.free[0][0] < now - IDLE:
            await self.free.popleft()[1].aclose()

    async def drop(self, line: httpx.AsyncHTTPTransport | None) -> None:
        self._slots.release()
        if line is not None:
            await line.aclose()


class _Body(httpx.AsyncByteStream):
    """A response's body; where it ends well, its connection is free again."""

    def __init__(self, response: httpx.Response, host: _Host, line: httpx.AsyncHTTPTransport) -> None:
        self._stream: Any = response.stream
        self._wire = response.extensions.get("network_stream")
        self._host, self._line = host, line
        self._whole = self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except _BROKEN as error:
            raise httpx.ReadError(str(error)) from error
        self._whole = True

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        leave: Callable[[httpx.AsyncHTTPTransport], Awaitable[None]]
        leave = self._host.keep if self._whole and not _hung_up(self._wire) else self._host.drop
        try:
            await self._stream.aclose()
        finally:
            await leave(self._line)


def _hung_up(wire: Any) -> bool:
    """Whether the end of a TLS connection came along with the answer: it lies in a buffer no socket shows."""
    if wire is None or (tls := wire.get_extra_info("ssl_object")) is None:
        return False
    try:
        tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except (ssl.SSLError, ValueError):
        return True
    return True  # nobody asked for more


Judge = Callable[[httpx.Response, str], ChannelError | None]


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
    body = {"content": content, "data": data, "files": files}
    named = dict(headers or {})
    if json is not None:
        body = {"content": msgspec.json.encode(json)}
        named = {"Content-Type": "application/json", **named}
    covers = _covers((*hide, *_credentials(named)))
    try:
        request = http.build_request(method, url, params=params, headers=named, **body)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Rejected(f"{method}: the request cannot be written: {_covered(str(error), covers)}") from None
    where = _covered(_printable(f"{method} {request.url.path}"), covers)
    try:
        async with asyncio.timeout(within):
            response = await http.send(request)
    except httpx.UnsupportedProtocol as error:
        raise Rejected(f"{where}: {error}") from error
    except _NOTHING_LEFT as error:
        raise Retryable(f"{where}: {_broke(error, covers)}; nothing left") from error
    except (httpx.RequestError, httpx.StreamError, TimeoutError) as error:
        raise Interrupted(f"{where}: {_broke(error, covers)}; the request may have left") from error
    text = f"{where}: HTTP {response.status_code}"
    response.extensions["where"] = text
    if not response.is_success or judge:
        said = _covered(_said(response), covers)[:_SHOWN]
        text = f"{text}: {said}" if said else text
    if fact := (judge and judge(response, text)) or _fact(response, text, now, refuse or {}):
        raise fact
    return response


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


def _broke(error: Exception, covers: Sequence[str]) -> str:
    said = _covered(_printable(str(error)), covers)[:_SHOWN]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """What a platform must not be quoted with, even where it echoes our request."""
    sent = [value for name, value in headers.items() if name.lower() == "authorization"]
    return [value.split(" ", 1)[-1] for value in sent]


def _covers(secrets: Sequence[str]) -> list[str]:
    forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""), quote(secret))}
    return sorted(forms, key=len, reverse=True)


def _covered(text: str, covers: Sequence[str]) -> str:
    for secret in covers:
        text = text.replace(secret, "***")
    return text


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
