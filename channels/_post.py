"""What posts on networks share: a text that holds its link, parts in a row, a wait told by a header."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from channels.base import Attempt, ChannelError, OutcomeUnknown, Receipt
from channels.http import slow_down
from content.message import Message

if TYPE_CHECKING:
    import httpx

#: Our clock and the platform's may differ by this much where a post is looked for by its time.
CLOCKS_DIFFER = timedelta(minutes=5)

Posted = dict[str, str]  #: of one part that is out: its `id`, its `url`, and what the platform needs besides


def with_link(message: Message) -> str:
    """The text, and the link below it where the text does not hold it."""
    return message.text if message.link in message.text else f"{message.text}\n\n{message.link}"


def ids(remote_id: str) -> list[str]:
    """The remote id of a thread is its posts' ids in order, joined by commas."""
    return remote_id.split(",")


def receipt(posted: Sequence[Posted]) -> Receipt:
    return Receipt(",".join(post["id"] for post in posted), posted[0]["url"])


async def in_turn(
    attempt: Attempt,
    texts: Sequence[str],
    publish: Callable[[Attempt, int, str, list[Posted]], Awaitable[Posted]],
) -> list[Posted]:
    """Publish a post and what follows it; each part is kept once it is out: a resumed attempt doubles none.

    A refusal after the first part is OutcomeUnknown: the others would say that nothing is out.
    """
    posted: list[Posted] = list(attempt.resume.get("posted", []))
    try:
        for index in range(len(posted), len(texts)):
            posted.append(await publish(attempt, index, texts[index], posted))
            if len(texts) > 1:
                await attempt.checkpoint({"posted": list(posted)})
    except OutcomeUnknown:
        raise
    except ChannelError as error:
        if not posted:
            raise
        raise OutcomeUnknown(f"{len(posted)} of {len(texts)} parts are out; then {error}") from error
    return posted


def throttled(response: httpx.Response, text: str, now: datetime, reset: str) -> ChannelError | None:
    """A 429 whose header `reset` names the second of the epoch at which the window opens; else None."""
    written = response.headers.get(reset, "")
    if response.status_code != 429 or "retry-after" in response.headers or not written.isdigit():
        return None
    try:
        opens = datetime.fromtimestamp(int(written), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return slow_down(text, max(opens - now, timedelta(0)), now)
