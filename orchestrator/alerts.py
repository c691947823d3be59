"""Tells a team's robots, once, what needs a person; one that cannot be reached hears of it a tick later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from channels.base import Attempt, ChannelError, OutcomeUnknown, Rejected
from content.message import Message, problems
from orchestrator.store import alerts

if TYPE_CHECKING:
    from channels.base import Channel
    from orchestrator.store import Store
    from orchestrator.store.alerts import Alert

log = structlog.get_logger()

_MOST = 20  #: alerts in one message
_LONGEST = 300  #: characters of one alert

#: The text about some alerts, in the team's language.
Words = Callable[[Sequence["Alert"]], str]


async def alert(store: Store, account: str, channel: Channel, words: Words, now: datetime) -> int:
    """Tell one robot what it has not heard of yet, as much as fits one message; how many that were."""
    standing = await store.fetch(alerts.standing, now)
    ours = await store.run(alerts.claim, account, standing, now, _MOST)
    news = ours
    while len(news) > 1 and problems(Message(words(news)), channel.limits, channel.carries):
        news = news[: len(news) // 2]
    key = hashlib.sha256("\n".join([account, *(each.key for each in news)]).encode()).hexdigest()[:32]
    if not news or not await say(channel, account, words(news), key, now):
        news = []
    await store.run(alerts.tell, account, news)
    await store.run(alerts.release, account, ours[len(news) :])
    return len(news)


async def say(channel: Channel, account: str, text: str, key: str, now: datetime) -> bool:
    """Post one text to a team; whether it is over: out, perhaps out, or refused for good."""
    try:
        await channel.send(Attempt(Message(text), key, since=now))
    except (OutcomeUnknown, Rejected) as error:
        log.warning("alert", account=account, why=str(error))
    except ChannelError as error:
        log.warning("alert", account=account, why=str(error))
        return False
    return True


def shortened(line: str) -> str:
    """One line of an alert; a reason that quotes a whole answer is cut, and shows that it is."""
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
