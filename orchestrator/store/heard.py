"""What a platform told us, kept: events by placement, and a person's wish never to be written to again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from channels.base import HeardEvent
from orchestrator.store.contacts import UNFOLLOWED, find, followed, unfollowed, unsubscribe_address
from orchestrator.store.measures import KINDS, NewEvent, append_events, millis, target_of_remote
from orchestrator.store.vault import Vault

#: What ends writing to an address for good, whoever says so.
FINAL = frozenset({"unsubscribe", "complained", "bounced"})
#: What only says whether an account reaches an address: the later one holds.
REACH = frozenset({UNFOLLOWED, "followed"})


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
    for event in sorted(events, key=lambda event: event.occurred_at):
        target = target_of_remote(connection, event.remote_id) if event.remote_id else None
        kind = KINDS.get(event.kind, event.kind)
        contact = 0
        if kind in FINAL and event.address:
            unsubscribe_address(connection, vault, event.address, kind, now, medium)
        elif kind in REACH and event.address:
            contact = _reach(connection, vault, event, medium)
        rows.append(
            NewEvent(
                account,
                event.external_id,
                event.kind,
                millis(event.occurred_at),
                target.placement_id if target else 0,
                contact,
                n=event.value,
            )
        )
    return append_events(connection, rows)


def _reach(connection: Connection, vault: Vault, event: HeardEvent, medium: str) -> int:
    """Keep whether an account reaches this address; the contact there, 0 where nobody we know has it.

    An account that posts to everybody names no medium: then it is the contact's own.
    """
    found = find(connection, vault, event.address)
    contact, theirs = next(((id_, one) for id_, one in found.items() if medium in ("", one)), (0, medium))
    if theirs and event.kind == UNFOLLOWED:
        unfollowed(connection, vault, event.address, theirs, contact, event.occurred_at)
    elif theirs:
        followed(connection, vault, event.address, theirs, event.occurred_at)
    return contact
