"""The transport that publishes: single connections, so that a free one is found in no time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeAlias, cast

import anyio
import httpcore
import httpx

#: An idle connection is let go before the shortest server default we know closes it: 5 s
#: (server.keepAliveTimeout of nodejs.org/api/http.html, uvicorn's --timeout-keep-alive; read 2026-11-22).
IDLE = 4.0
#: Raised by anyio and ssl below httpx's own mapping, for example by garbage after a TLS handshake.
_BROKEN = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
#: Both libraries have one name for one error.
_AS_HTTPX: Mapping[type[BaseException], type[httpx.RequestError]] = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        "ConnectError", "ConnectTimeout", "LocalProtocolError", "NetworkError", "PoolTimeout",
        "ProtocolError", "ProxyError", "ReadError", "ReadTimeout", "RemoteProtocolError", "TimeoutException",
        "UnsupportedProtocol", "WriteError", "WriteTimeout",
    )
}  # fmt: skip
#: What httpx raises before a byte of the request is written.
NOTHING_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Client(httpx.AsyncClient):
    """httpx's client without what no adapter asks of it: redirects, authentication, hooks and cookies.

    It keeps no cookie because accounts share it.
    """

    def __init__(self, connections: Connections, timeout: httpx.Timeout, headers: Mapping[str, str]) -> None:
        super().__init__(transport=connections, timeout=timeout, headers=headers, trust_env=False)
        self.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._connections = connections

    async def send(self, request: httpx.Request, *, stream: bool = False, **asked: Any) -> httpx.Response:
        if stream or asked:
            return await super().send(request, stream=stream, **asked)
        response = await self._connections.handle_async_request(request)
        response.request = request
        try:
            await response.aread()
        finally:
            await response.aclose()
        return response


class Connections(httpx.AsyncBaseTransport):
    """Single-connection transports, the last one used taken first: O(1), where a pool rescans for each."""

    def __init__(self, *, in_flight: int, proxy: str = "", tls: ssl.SSLContext | None = None) -> None:
        self._in_flight = in_flight
        self._proxy = proxy or None
        self._tls = tls  #: made when first needed: reading the authorities takes a while
        self._hosts: dict[tuple[str, str, int | None], _Host] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        place = (url.scheme, url.host, url.port)
        if (host := self._hosts.get(place)) is None:
            host = self._hosts[place] = _Host(self._in_flight)
        await host.slot(request)
        line: _Line | None = None
        try:
            line = host.free.pop()[1] if host.free else self._line(url)
            response = await line.handle_async_request(request)
        except BaseException as error:
            await host.drop(line)
            if told := _told(error):
                raise told(str(error), request=request) from error
            raise
        response.stream = _Body(response, host, line)
        return response

    def _line(self, url: httpx.URL) -> _Line:
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.UnsupportedProtocol(f"{url} is no http:// or https:// address")
        if self._tls is None and (url.scheme == "https" or self._proxy):
            self._tls = httpx.create_ssl_context()
        if not self._proxy:
            return _Straight(url, self._tls)
        one = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE)
        return httpx.AsyncHTTPTransport(verify=self._tls or True, limits=one, proxy=self._proxy)

    async def aclose(self) -> None:
        for host in self._hosts.values():
            while host.free:
                await host.free.pop()[1].aclose()


class _Straight:
    """One connection to one host with no pool around it: a pool of one costs as much as the request."""

    def __init__(self, url: httpx.URL, tls: ssl.SSLContext | None) -> None:
        self._origin = _asked(url).origin
        self._tls = tls
        self._connection = self._fresh()

    def _fresh(self) -> httpcore.AsyncHTTPConnection:
        return httpcore.AsyncHTTPConnection(self._origin, ssl_context=self._tls, keepalive_expiry=IDLE)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._connection.has_expired() or self._connection.is_closed():
            await self._connection.aclose()
            self._connection = self._fresh()
        asked = httpcore.Request(
            request.method,
            _asked(request.url),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = await self._connection.handle_async_request(asked)
        stream = cast("httpx.AsyncByteStream", answer.stream)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._connection.aclose()


_Line: TypeAlias = _Straight | httpx.AsyncHTTPTransport


def _asked(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _told(error: BaseException) -> type[httpx.RequestError] | None:
    """httpx's word for an error from below it; None where it is httpx's own, or nobody's."""
    if isinstance(error, _BROKEN):
        return httpx.ReadError
    return _AS_HTTPX.get(type(error))


class _Host:
    """The free connections to one host, oldest first, and a place for each request in flight."""

    __slots__ = ("_slots", "free")

    def __init__(self, in_flight: int) -> None:
        self.free: deque[tuple[float, _Line]] = deque()
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

    async def keep(self, line: _Line) -> None:
        now = time.monotonic()
        self.free.append((now, line))
        self._slots.release()
        while self.free[0][0] < now - IDLE:
            await self.free.popleft()[1].aclose()

    async def drop(self, line: _Line | None) -> None:
        self._slots.release()
        if line is not None:
            await line.aclose()


class _Body(httpx.AsyncByteStream):
    """A response's body; where it ends well, its connection is free again."""

    def __init__(self, response: httpx.Response, host: _Host, line: _Line) -> None:
        self._stream: Any = response.stream
        self._wire = response.extensions.get("network_stream")
        self._host, self._line = host, line
        self._whole = self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except Exception as error:
            if told := _told(error):
                raise told(str(error)) from error
            raise
        self._whole = True

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        leave: Callable[[_Line], Awaitable[None]]
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
