"""What an operator should hear of without asking, and what each team's robot was told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, text

from orchestrator.store import accounts, approvals, measures, tokens
from orchestrator.store.ledger import NEVER
from orchestrator.store.tables import millis

SOON = timedelta(days=3)  #: a token that ends within this is told of
LEASE = timedelta(minutes=5)  #: how long a daemon that was killed is believed to be telling
TOLD = "told"
FRESH = timedelta(days=1)  #: a refused post is told of for so long after it was due

Kind = Literal["stopped", "unknown", "task", "failed", "approve", "expires"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that needs a person: told once for as long as it is so."""

    kind: Kind
    name: str  #: an account, a placement's key, or a campaign
    why: str = ""
    count: int = 1  #: deliveries, or placements of a plan
    mark: str = ""  #: what makes it another one: a plan's hash, the moment an account stopped
    at: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.name}/{self.mark}"


def standing(connection: Connection, now: datetime) -> list[Alert]:
    """All that needs a person now, the most urgent kind first."""
    found = [
        Alert("stopped", name, why, mark=str(millis(accounts.load(connection, name).stopped_at)))
        for name, why in accounts.stopped(connection).items()
    ]
    found += [
        Alert("task" if state == "awaiting_person" else "unknown", key, why, count)
        for key, state, why, count in connection.execute(_ASKING, {"never": millis(NEVER)})
    ]
    lost = {"since": millis(now - FRESH), "now": millis(now)}
    found += [Alert("failed", key, why, count) for key, why, count in connection.execute(_FAILED, lost)]
    found += [
        Alert("approve", plan.campaign, count=plan.placements, mark=plan.plan_hash, at=plan.first_due_at)
        for plan in approvals.waiting(connection)
    ]
    found += [
        Alert("expires", name, mark=at.isoformat(), at=at)
        for name, at in tokens.expiring(connection, now + SOON).items()
    ]
    return found


#: The first condition is that of the index ix_deliveries_open.
_ASKING = text(
    "SELECT p.key, d.state, MIN(d.why), COUNT(*) FROM deliveries d JOIN placements p ON p.id = d.placement_id"
    " WHERE d.state IN ('sending', 'processing', 'awaiting_person', 'unknown')"
    " AND (d.state = 'awaiting_person' OR d.state = 'unknown' AND d.next_at >= :never)"
    " GROUP BY p.key, d.state ORDER BY d.state DESC, p.key"
)
#: Of posts alone: a message that did not reach one person is nothing to be woken for.
_FAILED = text(
    "SELECT p.key, MIN(d.why), COUNT(*) FROM placements p"
    " JOIN deliveries d ON d.placement_id = p.id AND d.contact_id = 0 AND d.state = 'failed'"
    " WHERE p.kind = 'broadcast' AND p.due_at BETWEEN :since AND :now GROUP BY p.key ORDER BY p.key"
)


def claim(
    connection: Connection, account: str, alerts: Sequence[Alert], now: datetime, most: int
) -> list[Alert]:
    """Those that this robot was not told of and no other daemon is telling it; `tell` or `release` follows.

    What has ended is forgotten, so that it is told again when it is back.
    """
    known = measures.remembered_under(connection, _place(account))
    current = {alert.key for alert in alerts}
    for key in known.keys() - current:
        measures.remember(connection, _place(account, key), None)
    bound = {"now": _stamp(now), "until": _stamp(now + LEASE)}
    ours: list[Alert] = []
    for alert in alerts:
        if len(ours) < most and known.get(alert.key) != TOLD:
            taken = connection.execute(_CLAIM, {**bound, "name": _place(account, alert.key)})
            ours += [alert] * taken.rowcount
    return ours


def tell(connection: Connection, account: str, alerts: Sequence[Alert]) -> None:
    """This robot has been told of them."""
    for alert in alerts:
        measures.remember(connection, _place(account, alert.key), TOLD)


def release(connection: Connection, account: str, alerts: Sequence[Alert]) -> None:
    """It has not: the next tick may."""
    for alert in alerts:
        measures.remember(connection, _place(account, alert.key), None)


#: A moment in digits stands before the word in every order of texts.
_CLAIM = text(
    "INSERT INTO settings (name, value) VALUES (:name, :until)"
    " ON CONFLICT (name) DO UPDATE SET value = :until WHERE settings.value < :now"
)


def digest_is_due(connection: Connection, now: datetime) -> bool:
    """Whether nobody has had today's digest yet; it counts as given from here on."""
    today = f"{now:%Y-%m-%d}"
    if measures.remembered(connection, "digest") == today:
        return False
    measures.remember(connection, "digest", today)
    return True


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _place(account: str, key: str = "") -> str:
    return f"alert:{account}:{key}"
