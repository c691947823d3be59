"""What `run` serves: health, one-click unsubscribe, tracked links, the platforms' webhooks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from channels.base import Channel, Clock, HeardRequest, Hears, Unauthorized
from orchestrator.store.contacts import unsubscribe
from orchestrator.store.heard import keep
from orchestrator.store.measures import NewEvent, link_of, millis
from orchestrator.web.appender import Appender

if TYPE_CHECKING:
    from orchestrator.store import Store

#: Programs that open links before a person does: previews, scanners, crawlers.
ROBOTS = re.compile(
    r"bot|crawl|spider|slurp|preview|fetch|scan|monitor|curl|wget|python|java/|go-http|headless"
    r"|facebookexternalhit|whatsapp|telegram|mastodon|pleroma|outlook-safelinks|proofpoint|barracuda",
    re.IGNORECASE,
)
MOST_BODY = 1 << 20  #: bytes of a webhook
MEDIA = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,5}")

Health = Callable[[], Awaitable[Mapping[str, Any]]]
AdapterFor = Callable[[str], Channel]


@dataclass(frozen=True, slots=True)
class Served:
    """What the routes need of the engine."""

    store: Store
    clock: Clock
    shop: str
    shop_url: str
    health: Health
    adapter_for: AdapterFor
    media: Path  #: the folder of approved files


def app(served: Served) -> Starlette:
    """The application; its routes answer after the commit, never before."""
    appender = Appender(served.store)
    pages = Environment(loader=PackageLoader("orchestrator.web", "pages"), autoescape=True)

    def page(status: int, name: str, **values: object) -> HTMLResponse:
        text = pages.get_template(name).render(shop=served.shop, shop_url=served.shop_url, **values)
        return HTMLResponse(text, status, {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"})

    async def health(request: Request) -> Response:
        told = await served.health()
        return JSONResponse(told, 200 if told.get("ok") else 503)

    async def ask(request: Request) -> Response:
        """A person's click shows a button: a scanner that opens every link must not unsubscribe anybody."""
        token = request.path_params["token"]
        if served.store.vault.numbers("unsubscribe", token) is None:
            return page(404, "unknown.html")
        return page(200, "unsubscribe.html", action=request.url.path)

    async def one_click(request: Request) -> Response:
        """RFC 8058: the POST alone is enough. Twice is as good as once."""
        numbers = served.store.vault.numbers("unsubscribe", request.path_params["token"])
        if numbers is None:
            return page(404, "unknown.html")
        now = served.clock.now()
        contact, delivery = numbers[0], numbers[1] if len(numbers) > 1 else 0
        await served.store.run(unsubscribe, contact, delivery, now)
        return page(200, "unsubscribed.html")

    async def follow(request: Request) -> Response:
        code = request.path_params["code"]
        found = await served.store.fetch(link_of, code)
        if found is None:
            return page(404, "unknown.html")
        placement, url = found
        robot = bool(ROBOTS.search(request.headers.get("user-agent", "bot")))
        if request.method == "GET":
            event = NewEvent(
                "links", secrets.token_hex(8), "click", millis(served.clock.now()), placement, bot=robot
            )
            await appender.append(event)
        return RedirectResponse(url, 302, {"Cache-Control": "no-store"})

    async def hook(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        account = request.path_params["account"]
        try:
            adapter = served.adapter_for(account)
        except LookupError:
            return Response(status_code=404)
        if not isinstance(adapter, Hears):
            return Response(status_code=404)
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = HeardRequest(request.method, str(request.url), headers, dict(request.query_params), body)
        try:
            heard = adapter.hear(told)
        except Unauthorized:
            return Response(status_code=401)
        now = served.clock.now()
        await served.store.run(keep, served.store.vault, account, adapter.medium, heard.events, now)
        return Response(heard.reply, heard.status, media_type=heard.content_type)

    async def media(request: Request) -> Response:
        """A file as it was approved; its name is its hash, so it never changes."""
        name = request.path_params["name"]
        if not MEDIA.fullmatch(name) or not (path := served.media / name).is_file():
            return Response(status_code=404)
        return FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})

    return Starlette(
        routes=[
            Route("/media/{name}", media, methods=["GET", "HEAD"]),
            Route("/health", health),
            Route("/u/{token}", ask, methods=["GET"]),
            Route("/u/{token}", one_click, methods=["POST"]),
            Route("/l/{code}", follow, methods=["GET", "HEAD"]),
            Route("/hooks/{account}", hook, methods=["GET", "POST"]),
        ]
    )


async def _body(request: Request) -> bytes | None:
    """The raw body, or None when it is larger than any platform sends."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MOST_BODY:
                return None
            parts.append(part)
    except ClientDisconnect:
        return None
    return b"".join(parts)
