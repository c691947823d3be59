"""The services of the apprise library, more than a hundred: a text goes out, and nothing can be read back."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import quote

from pydantic import Field, SecretStr

from channels._media import piece
from channels._post import with_link
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    Clock,
    Credentials,
    Interrupted,
    Kind,
    OutcomeUnknown,
    Receipt,
    Rejected,
    Settings,
    Unauthorized,
)
from content.message import Counting, Feature, Limits, Media, Message, problems

if TYPE_CHECKING:
    import httpx
    from apprise import AppriseResult, NotifyBase

Answer = TypeVar("Answer")

_MEDIA = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.VIDEO})


class AppriseSettings(Settings):
    url: SecretStr  #: the service in apprise's own words, such as `ntfy://topic`; all of it is a secret
    media: bool = False  #: whether the service takes pictures and films; `check` says where it does not
    within: float = Field(default=30.0, gt=0, le=300)  #: seconds for the service to answer


class Adapter(Channel):
    settings_type: ClassVar[type[Settings]] = AppriseSettings
    settings: AppriseSettings
    for_teams = True
    kind = Kind.BROADCAST
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="apprise 2.2 names a limit for each service; how many media is ours, against accidents",
        read=date(2026, 11, 22),
        images=10,
        videos=1,
        after_check=True,
    )
    carries = frozenset({Feature.LINK, Feature.TITLE, *_MEDIA})

    def __init__(
        self, settings: AppriseSettings, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        super().__init__(settings, credentials, http, clock)
        if not settings.media:
            self.limits = replace(self.limits, images=0, videos=0)
            self.carries = self.carries - _MEDIA

    async def check(self) -> AccountFacts:
        """Whether apprise understands the address; whether the service does shows when it is used."""
        service = await _in_thread(self._service)
        return AccountFacts(str(service.service_name), limits=_limits(self.limits, service))

    async def send(self, attempt: Attempt) -> Receipt:
        """apprise says yes or no, and no also where the wire broke: then nobody knows."""
        service, message = await _in_thread(self._service), attempt.message
        whole = replace(message, text=with_link(message))
        if wrong := problems(whole, _limits(self.limits, service), self.carries):
            raise Rejected(f"{service.service_name}: {'; '.join(wrong)}")
        for media in message.media:
            await piece(media, 0, 1)
        async with attempt.publishing():
            result = await self._asked(partial(_notify, service, message))
            if not len(result):
                raise Rejected(self._covered(f"{service.service_name} was not tried: {_why(result)}"))
            if not result:
                raise OutcomeUnknown(self._covered(f"{service.service_name}: {_why(result)}"))
            return Receipt(attempt.key)

    def _service(self) -> NotifyBase:
        """A new one each time: it keeps the time of its last message, and sleeps before the next."""
        try:
            from apprise import Apprise, AppriseAsset, PersistentStoreMode
            from apprise.common import OverflowMode
        except ImportError:
            raise Unauthorized("apprise is not installed; may be `pip install silkpost[apprise]`") from None
        asset = AppriseAsset(app_id="Silkpost", async_mode=False, storage_mode=PersistentStoreMode.MEMORY)
        service = Apprise.instantiate(self.settings.url.get_secret_value(), asset=asset)
        if service is None:
            raise Unauthorized(
                "url: apprise understands no such service; may be one of github.com/caronc/apprise/wiki"
            )
        if self.settings.media and not service.attachment_support:
            raise Unauthorized(f"media: {service.service_name} takes none; may be false")
        service.retry = 0  # whether to try again is the dispatcher's to decide
        service.overflow_mode = OverflowMode.UPSTREAM  # nothing is cut
        return service

    async def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            async with asyncio.timeout(self.settings.within):
                return await _in_thread(ask)
        except TimeoutError:
            raise Interrupted(f"apprise: no answer within {self.settings.within:g} s") from None

    def _covered(self, text: str) -> str:
        """What a service's own words may hold of the address."""
        parts = re.split(r"[:/@?&=]+", self.settings.url.get_secret_value())
        for part in sorted((part for part in parts if len(part) >= 8), key=len, reverse=True):
            text = text.replace(part, "***")
        return text


def _limits(limits: Limits, service: NotifyBase) -> Limits:
    from apprise import __version__

    return replace(
        limits,
        text=int(service.body_maxlen),
        title=int(service.title_maxlen) or None,  # without a title of its own, it becomes a line of the text
        after_check=False,
        source=f"apprise {__version__}: {service.service_name}",
    )


def _notify(service: NotifyBase, message: Message) -> AppriseResult:
    from apprise import Apprise

    sender = Apprise(asset=service.asset)
    sender.add(service)
    told: Mapping[str, Any] = {"attach": [_file(media) for media in message.media]} if message.media else {}
    return sender.notify(body=with_link(message), title=message.title, body_format="text", **told)


def _file(media: Media) -> str:
    return f"file://{quote(media.path)}?name={quote(media.name)}"


def _why(result: AppriseResult) -> str:
    said = "; ".join(entry.message for entry in result.logs())
    return " ".join(said.split())[:300] or str(result.status.name)


async def _in_thread(ask: Callable[[], Answer]) -> Answer:
    """Run a call that may hang in a daemon thread, so that the end of the process does not wait for it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer] = loop.create_future()

    def deliver(give: Callable[[], None]) -> None:
        if not answer.done():
            give()

    def run() -> None:
        try:
            give = partial(answer.set_result, ask())
        except Exception as error:
            give = partial(answer.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, give)

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return await answer
