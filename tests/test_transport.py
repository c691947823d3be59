"""Real sockets fail in every way they can; what is called "nothing left" is proven by what the server read.

The table is DESIGN section 4's, for the transport that publishes: `channels.http.client`.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import trustme

from channels.base import Attempt, ChannelError, Interrupted, OutcomeUnknown, Retryable
from channels.http import call, client
from channels.testing import NOW
from content.message import Message

pytestmark = pytest.mark.anyio

BODY = b'{"text": "25 % until midnight"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Line:
    """One accepted connection, and all that was read from it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    read: bytearray = field(default_factory=bytearray)

    async def request(self) -> bytes:
        """One whole request, or what came before the end."""
        one = bytearray()
        while not (b"\r\n\r\n" in one and len(one.partition(b"\r\n\r\n")[2]) >= _length(one)):
            if not (part := await self.reader.read(65536)):
                break
            one += part
        self.read += one
        return bytes(one)

    async def some(self, size: int) -> None:
        self.read += await self.reader.readexactly(size)

    async def say(self, what: bytes) -> None:
        self.writer.write(what)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def _length(request: bytes | bytearray) -> int:
    for header in request.lower().split(b"\r\n"):
        if header.startswith(b"content-length:"):
            return int(header.split(b":")[1])
    return 0


Behaviour = Callable[[Line], Awaitable[None]]


@dataclass
class Server:
    url: str
    lines: list[Line] = field(default_factory=list)

    @property
    def read(self) -> bytes:
        return b"".join(bytes(line.read) for line in self.lines)


@asynccontextmanager
async def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    scheme = "https" if tls else "http"
    server = Server("")
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        line = Line(reader, writer)
        server.lines.append(line)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await behave(line)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    server.url = f"{scheme}://localhost:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in server.lines:
            line.writer.transport.abort()
        await asyncio.sleep(0)


async def post(http: httpx.AsyncClient, url: str, body: bytes = BODY, **more: Any) -> httpx.Response:
    return await call(http, "POST", f"{url}/posts", now=NOW, content=body, **more)


async def arrived(server: Server, requests: int) -> None:
    async with asyncio.timeout(5):
        while server.read.count(b"POST") < requests:  # noqa: ASYNC110  the server is a mere record
            await asyncio.sleep(0)


async def fact(http: httpx.AsyncClient, url: str, *, inside: bool, **more: Any) -> ChannelError | None:
    """What one POST means, inside the fence or outside."""
    attempt = Attempt(Message(text=""), "k", since=NOW)
    try:
        if not inside:
            await post(http, url, **more)
        else:
            async with attempt.publishing():
                await post(http, url, **more)
    except ChannelError as error:
        return error
    return None


async def proven(server: Server, http: httpx.AsyncClient, *, left: bool, **more: Any) -> None:
    """Both facts are the table's; and where "nothing left" is claimed, nothing of the request was read."""
    outside = await fact(http, server.url, inside=False, **more)
    inside = await fact(http, server.url, inside=True, **more)
    if left:
        assert type(outside) is Interrupted, repr(outside)
        assert type(inside) is OutcomeUnknown, repr(inside)
        assert not inside.bug
        assert "may have left" in str(outside)
    else:
        assert type(outside) is Retryable, repr(outside)
        assert type(inside) is Retryable, repr(inside)
        assert b"POST" not in server.read
        assert "nothing left" in str(inside)
    assert str(outside).startswith("POST /posts: "), "the text names method and path"


# --- before a connection stands: nothing can have left


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_refused_port(closed_port: int) -> None:
    async with client() as http:
        await proven(Server(f"http://127.0.0.1:{closed_port}"), http, left=False)


async def test_unknown_host() -> None:
    async with client() as http:
        await proven(Server("http://nowhere.invalid"), http, left=False)


async def test_connect_that_nobody_answers() -> None:
    """A full backlog drops the SYN: the connection never stands."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            async with client(connect=0.2) as http:
                await proven(Server(f"http://127.0.0.1:{full.getsockname()[1]}"), http, left=False)
        finally:
            for filler in fillers:
                filler.close()


async def test_no_free_connection() -> None:
    """A request that never got its turn has not left."""

    async def silent(line: Line) -> None:
        await line.request()
        await asyncio.Event().wait()

    async with serving(silent) as server, client(in_flight=1) as http:
        http.timeout = httpx.Timeout(5, pool=0.05)
        holder = asyncio.ensure_future(post(http, server.url))
        await arrived(server, 1)
        before = server.read
        for inside in (False, True):
            error = await fact(http, server.url, inside=inside)
            assert type(error) is Retryable
            assert "no free connection" in str(error)
        assert server.read == before
        holder.cancel()


# --- TLS that does not come about: the request is never written


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def certified(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def _garbage(line: Line) -> None:
    await line.some(5)
    await line.say(b"220 mail.lantern-house.example ESMTP\r\n")


async def _hang_up(line: Line) -> None:
    await line.some(5)
    line.close()


async def _reset_in_handshake(line: Line) -> None:
    await line.some(5)
    line.reset()


async def _say_nothing(line: Line) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("behave", [_garbage, _hang_up, _reset_in_handshake, _say_nothing])
async def test_a_handshake_that_fails(behave: Behaviour, authority: trustme.CA) -> None:
    async with serving(behave) as server, client(tls=trusting(authority), connect=0.3) as http:
        server.url = server.url.replace("http:", "https:")
        await proven(server, http, left=False)


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_certificate_that_is_not_theirs(wrong: str, authority: trustme.CA) -> None:
    presented = certified(trustme.CA()) if wrong == "authority" else certified(authority, "other.example")
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's own complaint
    async with serving(_answer_ok, presented) as server, client(tls=trusting(authority)) as http:
        await proven(server, http, left=False)


async def test_a_proxy_that_refuses() -> None:
    """The tunnel was never built: the platform has not seen us."""

    async def refuse(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    async with serving(refuse) as server, client(proxy=server.url.replace("localhost", "127.0.0.1")) as http:
        for inside in (False, True):
            error = await fact(http, "https://localhost:9", inside=inside)
            assert type(error) is Retryable, repr(error)
        assert b"CONNECT" in server.read
        assert b"POST" not in server.read


# --- after a connection stands: the request may have left


async def _answer_ok(line: Line) -> None:
    while await line.request():
        await line.say(OK)


async def _close_after_accept(line: Line) -> None:
    line.close()


async def _reset_after_accept(line: Line) -> None:
    line.reset()


async def _close_mid_request(line: Line) -> None:
    await line.some(40)
    line.close()


async def _reset_mid_request(line: Line) -> None:
    await line.some(40)
    line.reset()


async def _close_after_request(line: Line) -> None:
    await line.request()
    line.close()


async def _reset_after_request(line: Line) -> None:
    await line.request()
    line.reset()


async def _silent_after_request(line: Line) -> None:
    await line.request()
    await asyncio.Event().wait()


async def _close_mid_headers(line: Line) -> None:
    await line.request()
    await line.say(OK[:20])
    line.close()


async def _close_mid_body(line: Line) -> None:
    await line.request()
    await line.say(OK[:-1])
    line.close()


async def _reset_mid_body(line: Line) -> None:
    await line.request()
    await line.say(OK[:-1])
    line.reset()


async def _close_mid_chunk(line: Line) -> None:
    await line.request()
    await line.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{")
    line.close()


async def _silent_mid_body(line: Line) -> None:
    await line.request()
    await line.say(OK[:-1])
    await asyncio.Event().wait()


async def _speak_another_protocol(line: Line) -> None:
    await line.request()
    await line.say(b"220 mail.lantern-house.example ESMTP\r\n")


async def _broken_gzip(line: Line) -> None:
    await line.request()
    body = gzip.compress(b"{}")[:-4] + b"????"
    await line.say(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )


async def _answer_500(line: Line) -> None:
    await line.request()
    await line.say(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")


BREAKS = [
    _close_after_accept,
    _reset_after_accept,
    _close_mid_request,
    _reset_mid_request,
    _close_after_request,
    _reset_after_request,
    _silent_after_request,
    _close_mid_headers,
    _close_mid_body,
    _reset_mid_body,
    _close_mid_chunk,
    _silent_mid_body,
    _speak_another_protocol,
    _broken_gzip,
]


@pytest.mark.parametrize("behave", BREAKS)
async def test_whatever_breaks_once_connected_may_have_left(behave: Behaviour) -> None:
    async with serving(behave) as server, client(read=0.2) as http:
        await proven(server, http, left=True)


@pytest.mark.parametrize("behave", BREAKS)
async def test_the_same_over_tls(behave: Behaviour, authority: trustme.CA) -> None:
    tls = certified(authority)
    async with serving(behave, tls) as server, client(read=0.2, tls=trusting(authority)) as http:
        await proven(server, http, left=True)


@pytest.mark.parametrize("behave", [_close_mid_request, _reset_mid_request])
async def test_a_body_larger_than_the_socket_holds(behave: Behaviour) -> None:
    """The write itself fails; what was read before shows that something had left."""
    async with serving(behave) as server, client() as http:
        await proven(server, http, left=True, body=b"x" * 8_000_000)
        assert server.read


async def test_closed_before_accept() -> None:
    """The kernel accepted for a listener that died: from here it cannot be told from a lost request."""
    for inside, expected in ((False, Interrupted), (True, OutcomeUnknown)):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(5)
            async with client(read=1) as http:
                sending = asyncio.ensure_future(
                    fact(http, f"http://127.0.0.1:{listener.getsockname()[1]}", inside=inside)
                )
                await asyncio.sleep(0.05)
                listener.close()
                assert type(await sending) is expected


async def test_garbage_inside_an_established_tls_connection(authority: trustme.CA) -> None:
    """Below httpx's mapping this is a bare SSLError; it must not pass for a bug of ours."""

    async def relay(line: Line) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", inner_port)
        for _ in range(2):  # hello and finished pass; so does the request
            for source, target in ((line.reader, writer), (reader, line.writer)):
                target.write(await source.read(65536))
                await target.drain()
        line.writer.write(b"\x17\x03\x03\x00\x20" + b"?" * 32)
        await line.writer.drain()
        writer.close()

    async with serving(_silent_after_request, certified(authority)) as inner, serving(relay) as outer:
        inner_port = int(inner.url.rsplit(":", 1)[1])
        outer.url = outer.url.replace("http:", "https:")
        async with client(tls=trusting(authority), read=1) as http:
            error = await fact(http, outer.url, inside=True)
    assert type(error) is OutcomeUnknown
    assert not error.bug


async def test_an_answer_that_drips_is_not_waited_for_without_end() -> None:
    """Each read is in time; the whole is not."""

    async def drip(line: Line) -> None:
        await line.request()
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 10_000:
            await line.say(bytes([byte]))
            await asyncio.sleep(0.02)

    async with serving(drip) as server, client() as http:
        await proven(server, http, left=True, within=0.15)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_server_that_failed_may_have_published(status: int) -> None:
    async def fail(line: Line) -> None:
        while await line.request():
            await line.say(b"HTTP/1.1 %d Oops\r\nContent-Length: 0\r\n\r\n" % status)

    async with serving(fail) as server, client() as http:
        assert type(await fact(http, server.url, inside=False)) is Interrupted
        assert type(await fact(http, server.url, inside=True)) is OutcomeUnknown


# --- connections that are used again


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("ending", [Line.close, Line.reset])
async def test_a_connection_closed_while_idle_is_not_posted_into(
    ending: Callable[[Line], None], over_tls: bool, authority: trustme.CA
) -> None:
    """The usual end of keep-alive costs no post: it is seen before the next request is written."""
    ended = asyncio.Event()

    async def answer_and_end(line: Line) -> None:
        await line.request()
        await line.say(OK)
        ending(line)
        await asyncio.sleep(0.01)  # the loop closes sockets in a later turn
        ended.set()

    tls = certified(authority) if over_tls else None
    async with serving(answer_and_end, tls) as server, client(tls=trusting(authority)) as http:
        for _ in range(5):
            ended.clear()
            assert (await post(http, server.url)).status_code == 200
            await ended.wait()
        assert len(server.lines) == 5
        assert all(line.read.count(b"POST") == 1 for line in server.lines)


async def test_a_connection_closed_by_the_very_request_is_not_posted_into_again() -> None:
    """The race that cannot be seen: it is told, not repeated."""

    async def once(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.request()
        line.close()

    async with serving(once) as server, client() as http:
        await post(http, server.url)
        assert type(await fact(http, server.url, inside=True)) is OutcomeUnknown
        assert server.read.count(b"POST") == 2, "one request for each call, none repeated"


async def test_a_broken_connection_takes_no_place_from_the_next() -> None:
    """Every kind of failure gives its slot back; so does a cancelled request."""
    behaviours = iter(
        [_close_after_request, _reset_mid_body, _close_mid_headers, _broken_gzip, _silent_after_request]
    )

    async def vary(line: Line) -> None:
        await next(behaviours, _answer_ok)(line)

    async with serving(vary) as server, client(in_flight=1) as http:
        for _ in range(4):
            assert type(await fact(http, server.url, inside=False)) is Interrupted
        cancelled = asyncio.ensure_future(post(http, server.url))
        await arrived(server, 5)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert (await post(http, server.url)).status_code == 200


async def test_connections_are_used_again_and_bounded() -> None:
    """50 at once over 8 places: 8 connections, each answer its own."""
    busiest = now = 0

    async def echo(line: Line) -> None:
        nonlocal busiest, now
        while request := await line.request():
            now += 1
            busiest = max(busiest, now)
            await asyncio.sleep(0.001)
            now -= 1
            body = request.partition(b"\r\n\r\n")[2]
            await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(echo) as server, client(in_flight=8) as http:
        answers = await asyncio.gather(*(post(http, server.url, b"%d" % n) for n in range(50)))
        assert [answer.content for answer in answers] == [b"%d" % n for n in range(50)]
        assert busiest == len(server.lines) == 8
        for _ in range(10):
            await post(http, server.url)
        assert len(server.lines) == 8, "the one used last is used next"
