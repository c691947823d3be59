"""Something to send and places to send it: a store with approved deliveries, and channels of a test's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from channels.base import AccountFacts, Attempt, Channel, Clock, Credentials, Kind, Receipt
from content.message import Counting, Limits, Message
from content.render import Edition
from orchestrator.store import Connection, Store
from orchestrator.store.ledger import NEVER
from orchestrator.store.tables import (
    EPOCH,
    Approval,
    Approved,
    Delivery,
    EditionRow,
    PlacementRow,
    Plan,
    Table,
)

START = datetime(2026, 11, 11, 9, 0, tzinfo=UTC)


class Recorder(Channel):
    """A channel that does what its test says, and keeps every attempt that passed the fence."""

    kind = Kind.BROADCAST
    limits = Limits(
        text=None, counting=Counting.CODE_POINTS, source="a test's own platform", read=date(2026, 11, 22)
    )

    def __init__(self, clock: Clock, act: Callable[[Attempt], Awaitable[Receipt]] | None = None) -> None:
        super().__init__(None, Credentials(), httpx.AsyncClient(), clock)
        self.act = act or self.publish
        self.out: list[str] = []

    async def check(self) -> AccountFacts:
        return AccountFacts("a test's own")

    async def send(self, attempt: Attempt) -> Receipt:
        return await self.act(attempt)

    async def publish(self, attempt: Attempt) -> Receipt:
        """Publish, as a platform does on a good day."""
        async with attempt.publishing():
            self.out.append(attempt.key)
        return Receipt(f"post-{len(self.out)}", f"https://example.test/{len(self.out)}")


def plant(
    store: Store,
    count: int,
    *,
    account: str = "mastodon-eu",
    due_at: datetime = START,
    late: timedelta = timedelta(hours=6),
    market: str = "DE",
    trigger: str = "",
    approved: bool = True,
    approvals: int = 1,
    first: int = 0,
    edition: Edition | None = None,
    contacts: Sequence[int] = (),
    **differs: Any,
) -> list[str]:
    """Store `count` approved posts of one account, as `apply` and `approve` do; gives their keys.

    With `contacts` each is a message to every one of them; `differs` are columns of the placement.
    """
    placement = {
        "campaign": "lantern-days",
        "campaign_kind": "flash",
        "wave": "launch",
        "market": market,
        "locale": "de_DE",
        "account": account,
        "channel": "test",
        "kind": "direct" if contacts else "broadcast",
        "due_at": None if trigger else due_at,
        "trigger": trigger,
        "zone": "Europe/Berlin",
        "late_s": int(late.total_seconds()),
        **differs,
    }
    key = f"lantern-days/launch/{market}/de_DE/{account}/{{}}/-"
    keys = [key.format(number) for number in range(first, first + count)]
    with store.begin() as connection:
        plan, approval = _plan(connection, f"{account}-{first}", placement["campaign"], approvals, due_at)
        for number, key in enumerate(keys, first):
            shown = edition or Edition(key, Message(f"Lanterns, number {number}"))
            id_ = _add(connection, PlacementRow, key=key, plan_id=plan, item=str(number), **placement)
            _edition(connection, id_, shown, due_at)
            if approved:
                when = EPOCH if trigger else due_at
                triple = {"placement_id": id_, "edition_hash": shown.hash, "due_at": when}
                _add(connection, Approved, approval_id=approval, **triple)
            moment = NEVER if trigger else due_at
            for contact in contacts or (0,):
                _add(
                    connection, Delivery, placement_id=id_, contact_id=contact, due_at=moment, next_at=moment
                )
    return keys


def _plan(connection: Connection, name: str, campaign: str, approvals: int, now: datetime) -> tuple[int, int]:
    """A plan that is ready, and one person's approval of it."""
    more = {"spec": "", "facts": {}, "approvals": approvals, "ready": True, "created_at": now}
    plan = _add(connection, Plan, campaign=campaign, hash=name, **more)
    word = {"campaign": campaign, "plan_hash": name, "by": "ana", "approved_at": now}
    return plan, _add(connection, Approval, **word)


def _edition(connection: Connection, placement: int, edition: Edition, now: datetime) -> None:
    row = {"placement_id": placement, "hash": edition.hash, "body": edition.to_json(), "created_at": now}
    edition_id = _add(connection, EditionRow, **row)
    table = Table.metadata.tables["placements"]
    connection.execute(table.update().where(table.c.id == placement).values(edition_id=edition_id))


def _add(connection: Connection, kind: type[Table], /, **values: Any) -> int:
    row = kind(**values).model_dump()
    columns = {name: value for name, value in row.items() if name != "id" or value is not None}
    table = Table.metadata.tables[str(kind.__tablename__)]
    key = connection.execute(table.insert(), columns).inserted_primary_key
    assert key is not None  # noqa: S101  every table here numbers its rows
    return int(key[0])
