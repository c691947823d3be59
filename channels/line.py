"""LINE: messages of an official account to one friend each."""

from __future__ import annotations

from datetime import timedelta

from channels._line import LineChannel, repeated, request_id
from channels.base import Attempt, Kind, Quota, Receipt
from channels.http import answer


class Adapter(LineChannel):
    """Push, not multicast: its answer and its retry key are of one person, so one person is retried.

    A multicast of 500 tells neither who got it nor may it be repeated for a part of them.
    """

    kind = Kind.DIRECT
    medium = "line"
    #: 2,000 requests a second: developers.line.biz/en/reference/messaging-api/#rate-limits, read 2026-11-22;
    #: a full bucket and its refill together stay below it.
    quota = Quota(1000, timedelta(seconds=1), "developers.line.biz: half of 2,000/s, read 2026-11-22", 1000)

    async def send(self, attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            made = await self._publish(attempt, "/v2/bot/message/push", {"to": attempt.message.to})
            sent = str(answer(made, "sentMessages", 0, "id"))
            return Receipt(sent, saved={"request": request_id(made)}, repeated=repeated(made))
