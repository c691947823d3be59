"""A store with placements that went out, to collect for, score and report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store import Keys, Store
from orchestrator.store.tables import PlacementRow, contacts, deliveries, placements, plans

START = datetime(2026, 11, 11, 1, 0, tzinfo=UTC)
ZONES = {"JP": "Asia/Tokyo", "DE": "Europe/Berlin", "US": "America/New_York", "SA": "Asia/Riyadh"}
SPEC = """\
campaign: {name}
kind: holiday
markets: [{markets}]
products: [lantern-red]
offer: {{discount: 25%, starts: 2026-11-11 00:00, ends: 2026-11-11 23:59, code: "{code}"}}
budget: 5000 EUR
goal: {{orders: 400}}
channels: [mastodon]
waves: {{launch: {{at: starts}}}}
"""


@dataclass
class Shop:
    """Puts placements straight into a store, as if they had been planned, approved and sent."""

    store: Store
    folder: Path
    plans: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def campaign(
        self, name: str, *, code: str = "LIGHT11", facts: dict[str, Any] | None = None, **summary: Any
    ) -> int:
        spec = SPEC.format(name=name, code=code, markets=", ".join(ZONES))
        with self.store.begin() as connection:
            row = plans.insert().values(
                campaign=name,
                hash="7f3a9c",
                spec=spec,
                facts=facts or {},
                summary=summary,
                approvals=1,
                by="",
                ready=True,
                created_at=START,
            )
            self.plans[name] = connection.execute(row).inserted_primary_key[0]
        return self.plans[name]

    def place(
        self,
        market: str = "JP",
        channel: str = "mastodon",
        *,
        wave: str = "launch",
        campaign: str = "double-eleven-2026",
        variant: str = "-",
        item: str = "-",
        sent: int = 1,
        sent_at: datetime | None = START,
        held_out: int = 0,
        states: dict[str, int] | None = None,
    ) -> str:
        """One placement with its deliveries; the key. E-mail is direct, everything else is a post."""
        plan = self.plans.get(campaign) or self.campaign(campaign)
        direct = channel == "email"
        account = f"lantern-{channel}"
        key = "/".join((campaign, wave, market, "en_US", account, item, variant))
        with self.store.begin() as connection:
            row = PlacementRow(
                key=key,
                plan_id=plan,
                campaign=campaign,
                campaign_kind="holiday",
                wave=wave,
                market=market,
                locale="en_US",
                account=account,
                channel=channel,
                kind="direct" if direct else "broadcast",
                item=item,
                variant=variant,
                due_at=sent_at,
                zone=ZONES[market],
                held_out=held_out,
                rules=[],
            )
            planned = placements.insert().values(row.model_dump(exclude={"id"}))
            placement = connection.execute(planned).inserted_primary_key[0]
            wanted = {**({"sent": sent} if sent_at else {}), **(states or {})}
            rows = [
                {
                    "placement_id": placement,
                    "contact_id": index + 1 if direct else 0,
                    "generation": 0 if direct else index,
                    "due_at": sent_at or START,
                    "next_at": sent_at or START,
                    "state": state,
                    "sent_at": sent_at if state == "sent" else None,
                    "remote_id": f"{channel}-{next(self.numbers)}" if state == "sent" else None,
                    "url": f"https://social.example/@lantern/{placement}" if state == "sent" else None,
                }
                for index, state in enumerate(
                    state for state, number in wanted.items() for _ in range(number)
                )
            ]
            if rows:
                connection.execute(deliveries.insert(), rows)
        return key

    def contact(self, address: str, number: int) -> None:
        with self.store.begin() as connection:
            connection.execute(
                contacts.insert().values(
                    id=number,
                    medium="email",
                    address_hash=self.store.vault.fingerprint("email", address),
                    sealed=None,
                    market="JP",
                    locale="",
                    zone="",
                    segment={},
                    bucket=0,
                    created_at=START,
                )
            )

    def remote(self, key: str) -> str:
        with self.store.read() as connection:
            query = deliveries.join(placements, placements.c.id == deliveries.c.placement_id)
            return str(
                connection.execute(
                    query.select().with_only_columns(deliveries.c.remote_id).where(placements.c.key == key)
                ).scalar_one()
            )

    def feed(self, *rows: dict[str, Any], name: str = "feed.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path


def after(hours: float) -> str:
    """An ISO time so long after everything was sent."""
    return (START + timedelta(hours=hours)).isoformat()


@pytest.fixture
def later() -> Any:
    return after


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    url = f"sqlite:///{tmp_path / 'silkpost.db'}"
    store = Store.open(url, Keys.new(), create=True)
    yield Shop(store, tmp_path)
    store.close()
