"""What a platform told us, kept: events by placement, and a person's wish never to be written to again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from channels.base import HeardEvent
from orchestrator.store.contacts import unsubscribe_address
from orchestrator.store.measures import KINDS, NewEvent, append_events, millis, target_of_remote
from orchestrator.store.vault import Vault

#: What ends writing to an address for good, whoever says so.
FINAL = frozenset({"unsubscribe", "complained", "bounced"})


def keep(
    connection: Connection,
    vault: Vault,
    account: str,
    medium: str,
    events: Sequence[HeardEvent],
    now: datetime,
) -> int:
    """Append what is new, in one transaction; how many were new."""
    rows = []
    for event in events:
        target = target_of_remote(connection, event.remote_id) if event.remote_id else None
        rows.append(
            NewEvent(
                account,
                event.external_id,
                event.kind,
                millis(event.occurred_at),
                target.placement_id if target else 0,
                n=event.value,
            )
        )
        kind = KINDS.get(event.kind, event.kind)
        if kind in FINAL and event.address:
            unsubscribe_address(connection, vault, event.address, kind, now, medium)
    return append_events(connection, rows)
