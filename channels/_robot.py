"""Robots in a team's group chat: a secret address takes one message, and its 200 may hold a refusal."""

from __future__ import annotations

import hmac
import logging
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from pydantic import Field

from channels._post import Posted, in_turn, receipt
from channels.base import (
    AccountFacts,
    Attempt,
    Channel,
    ChannelError,
    Interrupted,
    Kind,
    Receipt,
    Rejected,
    Retryable,
    Settings,
)
from channels.http import answer, call
from content.message import Media, Message

if TYPE_CHECKING:
    import httpx

Fact = Callable[[str], ChannelError]

#: What the vendors call a minute's worth of messages has to pass.
A_MINUTE: Fact = partial(Retryable, retry_after=timedelta(minutes=1))
#: Slack asks for it ("Verifying requests from Slack", docs.slack.dev); that Discord does is not known.
_REPLAY = timedelta(minutes=5)


class RobotSettings(Settings):
    name: str = ""  #: what the group calls it: such a robot cannot be asked
    server: str = Field(pattern=r"^https?://[^/\s]+$")


class Robot(Channel):
    """A robot that answers with a code and no id: the delivery's key is the id of its message."""

    settings: RobotSettings
    for_teams = True
    kind = Kind.BROADCAST
    code: ClassVar[tuple[str, ...]]  #: the names under which the answer may hold its code; 0 is well
    facts: ClassVar[Mapping[int, Fact]]  #: what its codes mean; any other refuses the message

    async def check(self) -> AccountFacts:
        """There is nothing to ask: a body of no kind is refused, and a wrong address before it."""
        with suppress(_Coded):
            await self._say({})
        return AccountFacts(self.settings.name or f"{type(self).__module__.rpartition('.')[2]} robot")

    async def send(self, attempt: Attempt) -> Receipt:
        self.accept(attempt.message)
        bodies = await self.bodies(attempt.message)

        async def say(attempt: Attempt, index: int, _text: str, _posted: Sequence[Posted]) -> Posted:
            async with attempt.publishing():
                await self._say(bodies[index])
                return {"id": f"{attempt.key}-{index}" if index else attempt.key, "url": ""}

        return receipt(await in_turn(attempt, [""] * len(bodies), say))

    @abstractmethod
    async def bodies(self, message: Message) -> list[dict[str, Any]]:
        """What is posted for a message, one after the other."""

    @abstractmethod
    def address(self, body: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any], tuple[str, ...]]:
        """Path, query and body, signed where a secret is set, and all that must not be shown."""

    async def _say(self, body: dict[str, Any]) -> None:
        path, query, body, hide = self.address(body)
        response = await call(
            self.http,
            "POST",
            f"{self.settings.server}{path}",
            now=self.clock.now(),
            params=query,
            json=body,
            hide=hide,
            judge=self._judge,
        )
        if self._coded(answer(response)) is None:
            raise Interrupted(f"{response.extensions['where']}: the answer has no {self.code[0]}")

    def _judge(self, response: httpx.Response, text: str) -> ChannelError | None:
        try:
            code = self._coded(msgspec.json.decode(response.content))
        except (msgspec.DecodeError, UnicodeError):
            return None
        if code is not None and code in self.facts:
            return self.facts[code](f"{text} ({code})")
        return _Coded(f"{text} ({code})") if code and response.is_success else None

    def _coded(self, said: Any) -> int | None:
        found = [said[name] for name in self.code if name in said] if isinstance(said, dict) else []
        return found[0] if found and type(found[0]) is int else None


class _Coded(Rejected):
    """The robot itself refused, with a code of its own."""


def fetched(media: Media) -> str:
    """The address from which a platform fetches a medium."""
    if not media.url:
        raise Rejected(f"media {media.name}: the platform fetches media by address; set media.base_url")
    return media.url


def fresh(stamp: str, now: datetime) -> bool:
    """Whether a webhook's time, in Unix seconds, is so near that it is no replay."""
    return (
        stamp.isascii() and stamp.isdigit() and abs(int(stamp) - now.timestamp()) <= _REPLAY.total_seconds()
    )


def same(ours: str, given: str) -> bool:
    """Compare two signatures in a time that tells nothing."""
    return hmac.compare_digest(ours.encode(), given.encode())


def _holds_no_address(record: logging.LogRecord) -> bool:
    return not _ADDRESS.search(record.getMessage())


#: httpx logs the URL of every request, and a robot's URL is all that is needed to speak for it.
_ADDRESS = re.compile(r"/webhook/send\?key=|/bot/v2/hook/|/robot/send\?|/webhooks/\d+/")
logging.getLogger("httpx").addFilter(_holds_no_address)
