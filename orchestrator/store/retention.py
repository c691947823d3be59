"""What is not kept for ever: personal values of deliveries that ended, and the record of old attempts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, update

from orchestrator.store.tables import attempts, counted, deliveries

ENDED = ("sent", "failed", "skipped")


def forget(connection: Connection, personal_before: datetime, attempts_before: datetime) -> int:
    """Take away the sealed values of deliveries that ended before a moment; how many."""
    ended = func.coalesce(deliveries.c.sent_at, deliveries.c.due_at)
    gone = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.personal.is_not(None),
            deliveries.c.state.in_(ENDED),
            ended < personal_before,
        )
        .values(personal=None)
    ).rowcount
    connection.execute(delete(attempts).where(attempts.c.ended_at < attempts_before))
    connection.execute(delete(counted).where(counted.c.at < attempts_before))
    return gone
