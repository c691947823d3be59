"""Logging in to an account: a person agrees on the vendor's page, and the code comes back to this machine.

The redirect is to the loopback interface, for as long as the log-in takes (RFC 8252 section 7.3); the state
keeps others' answers out, the proof makes the code useless to whoever reads it on its way.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from channels._oauth import asked_for, exchanged

if TYPE_CHECKING:
    import httpx

    from channels.base import Clock, Credentials, OAuth, Settings

PORT = 8085
_LINE = 8192  #: bytes of a request's first line
_PATIENCE = 5.0  #: seconds for a browser to say what it wants


class NotAgreed(Exception):
    """The person, or the vendor's page, did not agree; the text is the vendor's own."""


async def log_in(
    oauth: OAuth,
    settings: Settings,
    http: httpx.AsyncClient,
    clock: Clock,
    *,
    show: Callable[[str], None],
    done: str,
    port: int = PORT,
    within: float = 600.0,
) -> Credentials:
    """The account's tokens; `show` is given the address to open, `done` is what the browser reads then.

    TimeoutError when nobody came back `within` so many seconds, OSError where the port is taken, NotAgreed,
    and the facts of the vendor's token endpoint.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    redirect = oauth.redirect.format(port=port)
    wanted = _Redirect(urlsplit(redirect).path, state, done, answer)
    async with await asyncio.start_server(wanted.serve, "127.0.0.1", port, limit=_LINE):
        show(asked_for(oauth, settings, redirect, state, verifier))
        async with asyncio.timeout(within):
            code = await answer
    return await exchanged(http, oauth, settings, code, redirect, verifier, now=clock.now())


class _Redirect:
    """The one page that is served: where the vendor sends the browser back to."""

    def __init__(self, path: str, state: str, done: str, answer: asyncio.Future[str]) -> None:
        self._path, self._state, self._done, self._answer = path, state, done, answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_PATIENCE):
                line = (await reader.readline()).decode("latin-1").split(" ")
                while (await reader.readline()).strip():
                    pass  # headers say nothing that matters here
                status, text = self._heard(line[0], line[1] if len(line) == 3 else "")
                writer.write(_page(status, text.encode()))
                await writer.drain()
        writer.close()

    def _heard(self, method: str, target: str) -> tuple[str, str]:
        """Status and text for the browser; what is not the answer we wait for changes nothing."""
        place = urlsplit(target)
        if method != "GET" or place.path.rstrip("/") != self._path.rstrip("/"):
            return "404 Not Found", ""
        told = dict(parse_qsl(place.query))
        if not hmac.compare_digest(told.get("state", "").encode(), self._state.encode()):
            return "400 Bad Request", ""
        if not self._answer.done():
            if code := told.get("code"):
                self._answer.set_result(code)
            else:
                said = told.get("error_description") or told.get("error") or "?"
                self._answer.set_exception(NotAgreed("".join(c for c in said if c.isprintable())[:200]))
        return "200 OK", self._done


def _page(status: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body
