"""LINE: one message of an official account to all of its friends."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from channels._line import LineChannel, repeated, request_id
from channels.base import Attempt, Kind, Metric, Quota, Reading, Receipt, Rejected
from channels.http import answer


class Adapter(LineChannel):
    kind = Kind.BROADCAST
    #: Fewer than 20 people are told as null (specs/line/insight.yml), and null is left out.
    metrics = frozenset({Metric.DELIVERED, Metric.REACH, Metric.CLICKS})
    #: 60 requests an hour: developers.line.biz/en/reference/messaging-api/#rate-limits, read 2026-11-22;
    #: a full bucket and its refill together stay below it.
    quota = Quota(50, timedelta(hours=1), "developers.line.biz: 60/h less the burst, read 2026-11-22", 10)

    async def send(self, attempt: Attempt) -> Receipt:
        async with attempt.publishing():
            made = await self._publish(attempt, "/v2/bot/message/broadcast", {})
            return Receipt(request_id(made), repeated=repeated(made))

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        """One call for each broadcast, for LINE has none for several; one it does not know is left out."""
        found = []
        for remote_id in remote_ids:
            with suppress(Rejected):
                query = {"requestId": remote_id}
                told = answer(await self._call("GET", "/v2/bot/insight/message/event", params=query))
                now = self.clock.now()
                found += [Reading(remote_id, metric, value, now) for metric, value in _totals(told).items()]
        return found


def _totals(told: Any) -> dict[Metric, int]:
    """People who got it, people who saw it, and how often its links were opened."""
    overview = told.get("overview") or {}
    clicks = [link.get("click") for link in told.get("clicks") or []]
    counted = {
        Metric.DELIVERED: overview.get("delivered"),
        Metric.REACH: overview.get("uniqueImpression"),
        Metric.CLICKS: sum(clicks) if clicks and None not in clicks else None,
    }
    return {metric: value for metric, value in counted.items() if isinstance(value, int)}
