"""Fake platforms of the conformance suite: what is public on them, and what befalls which exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import msgspec


class Death(StrEnum):
    """When a platform goes away, seen from one request."""

    BEFORE = "before it handled the request"
    AFTER = "after it handled the request, before its answer"
    MIDWAY = "in the middle of its answer"
    ANSWERED = "after its answer"


class Kill(NamedTuple):
    """Our own process ends at that moment: `act` ends it."""

    when: Death  #: BEFORE or AFTER
    act: Callable[[], object]


@dataclass(frozen=True)
class Reply:
    """What a fake platform answers."""

    status: int = 200
    json: Any = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Post:
    """What a reader sees on a fake platform."""

    content: Any
    key: str = ""


Fault = Death | Kill | Reply


class Platform:
    """A fake platform of any transport: what is public on it, and what befalls which exchange."""

    drops_repeats: ClassVar[bool] = False  #: only where the vendor documents it, by the key alone
    url: str = ""

    def __init__(self) -> None:
        self._posts: dict[str, Post] = {}
        self.repeats = 0  #: how often a key came again
        self.steps = 0  #: exchanges so far
        self.down = False
        self._faults: dict[int, Fault] = {}
        self._published = 0

    @property
    def posts(self) -> dict[str, Post]:
        """What readers see, by remote id."""
        return self._posts

    def publish(self, content: Any, key: str = "") -> str:
        """Make a post public and give its id; the id of the first where the platform drops repeats."""
        if self.drops_repeats and key:
            for remote_id, post in self._posts.items():
                if post.key == key:
                    self.repeats += 1
                    return remote_id
        self._published += 1
        remote_id = str(1000 + self._published)
        self._posts[remote_id] = Post(content, key)
        return remote_id

    def interfere(self, step: int, fault: Fault) -> None:
        """Let `fault` befall the exchange `step` from now, counted from 0."""
        self._faults[self.steps + step] = fault

    def revive(self) -> None:
        """The platform is back, and nothing more goes wrong."""
        self.down = False
        self._faults.clear()

    def begin(self) -> Fault | None:
        """Count an exchange; what is to go wrong with it."""
        fault = self._faults.pop(self.steps, None)
        self.steps += 1
        return Death.BEFORE if self.down else fault

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, Any]  #: a repeated name is a list
    headers: Mapping[str, str]  #: names in lower case
    body: bytes
    target: str = ""  #: path and query as they were sent

    @cached_property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @cached_property
    def fields(self) -> dict[str, Any]:
        """A form's fields, urlencoded or multipart; a file is its bytes, a repeated name a list."""
        kind = self.headers.get("content-type", "")
        pairs: list[tuple[str, Any]]
        if kind.startswith("multipart/"):
            head = f"Content-Type: {kind}\r\n\r\n".encode()
            parts = BytesParser(policy=HTTP).parsebytes(head + self.body).iter_parts()
            pairs = [_part(part) for part in parts]
        else:
            pairs = list(parse_qsl(self.body.decode(), keep_blank_values=True))
        return _gathered(pairs)


def _gathered(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            before = found[name]
            value = [*before, value] if isinstance(before, list) else [before, value]
        found[name] = value
    return found


def _part(part: Any) -> tuple[str, Any]:
    raw = part.get_payload(decode=True)
    name = part.get_param("name", header="content-disposition")
    return str(name), raw if part.get_filename() else raw.decode()


class FakePlatform(Platform):
    """A real HTTP server on loopback; a subclass says what the vendor answers."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Seen] = []
        self.script: Callable[[Seen], Reply | None] | None = None  #: answers before the vendor does
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def answer(self, seen: Seen) -> Reply:
        """What the vendor does with one request; `publish` makes a post public."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
            for writer in tuple(self._open):
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        wire = h11.Connection(h11.SERVER)
        try:
            while seen := await _read(wire, reader):
                if not await self._respond(wire, writer, seen):
                    break
                wire.start_next_cycle()
        except (ConnectionError, h11.ProtocolError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _respond(self, wire: h11.Connection, writer: asyncio.StreamWriter, seen: Seen) -> bool:
        """Whether the connection lives on."""
        self.requests.append(seen)
        fault = self.begin()
        if fault is Death.BEFORE:
            return False
        if isinstance(fault, Kill) and fault.when is Death.BEFORE:
            fault.act()
            return False
        said = self.script(seen) if self.script else None
        reply = fault if isinstance(fault, Reply) else said or self.answer(seen)
        if fault is Death.AFTER:
            return False
        if isinstance(fault, Kill):
            fault.act()
            return False
        written = _write(wire, reply)
        writer.write(written[:-1] if fault is Death.MIDWAY else written)
        await writer.drain()
        if fault is Death.ANSWERED:
            self.down = True
        return fault not in (Death.MIDWAY, Death.ANSWERED) and wire.our_state is h11.DONE


async def _read(wire: h11.Connection, reader: asyncio.StreamReader) -> Seen | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head:
            url = urlsplit(head.target.decode())
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            query = _gathered(parse_qsl(url.query, keep_blank_values=True))
            method, target = head.method.decode(), head.target.decode()
            return Seen(method, unquote(url.path), query, headers, body, target)
        else:
            return None


def _write(wire: h11.Connection, reply: Reply) -> bytes:
    body = reply.body if reply.json is None else msgspec.json.encode(reply.json)
    kind = {} if reply.json is None else {"Content-Type": "application/json"}
    headers = {**kind, "Content-Length": str(len(body)), **reply.headers}
    events = (
        h11.Response(status_code=reply.status, headers=list(headers.items())),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    return b"".join(wire.send(event) or b"" for event in events)
