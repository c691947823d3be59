"""Stock, retention, tokens and creators: small modules, each with what a shop would miss."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from channels.base import AccountFacts, Credentials, Quota
from content.message import Counting, Limits
from orchestrator.store import Keys, Store, contacts, creators, retention, stock, tokens
from orchestrator.store.measures import NewEvent, append_events, millis
from orchestrator.store.tables import PlacementRow, deliveries, placements, plans
from orchestrator.workspace import Creator

NOW = datetime(2026, 11, 27, 20, tzinfo=UTC)
SOON = NOW + timedelta(days=3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/silkpost.db", Keys.new(), create=True) as opened:
        yield opened


def planned(store: Store, stock_of: int | None) -> None:
    """One placement, number 7, of a flash with so much to sell."""
    with store.begin() as connection:
        plan = {
            "id": 1,
            "campaign": "friday-flash",
            "hash": "aaaaaa",
            "spec": "",
            "facts": {},
            "summary": {"stock": stock_of, "markets": ["US", "GB"]},
            "ready": True,
            "created_at": NOW,
            "approvals": 1,
            "by": "",
        }
        connection.execute(plans.insert().values(**plan))
        placement = PlacementRow(
            id=7,
            key="friday-flash/go/US/en_US/a/-/-",
            plan_id=1,
            campaign="friday-flash",
            campaign_kind="flash",
            wave="go",
            market="US",
            locale="en_US",
            account="a",
            channel="mastodon",
            kind="broadcast",
            due_at=NOW,
        )
        connection.execute(placements.insert().values(**placement.model_dump()))


def sold(store: Store, orders: int, refunds: int = 0) -> None:
    with store.begin() as connection:
        rows = [NewEvent("shop", f"o{n}", "order", millis(NOW), 7) for n in range(orders)]
        rows += [NewEvent("shop", f"r{n}", "refund", millis(NOW), 7) for n in range(refunds)]
        append_events(connection, rows)


@pytest.mark.parametrize(
    ("offered", "orders", "refunds", "gone"),
    [
        (60, 59, 0, {}),
        (60, 60, 0, {"friday-flash": ["US", "GB"]}),
        (60, 61, 2, {}),  # what came back may be sold again
        (None, 500, 0, {}),  # no stock was named: it never runs out
    ],
)
def test_a_shelf_is_empty_when_its_orders_say_so(
    store: Store, offered: int | None, orders: int, refunds: int, gone: dict[str, list[str]]
) -> None:
    planned(store, offered)
    sold(store, orders, refunds)
    with store.read() as connection:
        assert stock.sold_out(connection) == gone


def test_personal_values_are_forgotten_when_their_time_is_over(store: Store) -> None:
    planned(store, None)
    old, recent = NOW - timedelta(days=40), NOW - timedelta(days=2)
    with store.begin() as connection:
        for contact, state, at in ((1, "sent", old), (2, "sent", recent), (3, "unknown", old)):
            delivery = {"placement_id": 7, "contact_id": contact, "due_at": at, "next_at": at, "state": state}
            connection.execute(deliveries.insert().values(**delivery, sent_at=at, personal=b"0"))
        assert retention.forget(connection, NOW - timedelta(days=30), NOW - timedelta(days=400)) == 1
        kept = connection.execute(
            text("SELECT contact_id FROM deliveries WHERE personal IS NOT NULL")
        ).scalars()
        assert sorted(kept) == [2, 3]  # a doubt keeps its values: the same message must be found


def test_what_a_platform_told_comes_back_as_it_was(store: Store) -> None:
    limits = Limits(text=1000, counting=Counting.GRAPHEMES, source="the server", read=date(2026, 11, 22))
    facts = AccountFacts(
        "@lanterns", limits, Quota(300, timedelta(minutes=5), "docs"), SOON, "https://a.example"
    )
    with store.begin() as connection:
        tokens.learn(connection, "fediverse-west", facts, NOW)
    with store.read() as connection:
        assert tokens.learnt(connection) == {"fediverse-west": facts}
        assert tokens.expiring(connection, NOW + timedelta(days=7)) == {"fediverse-west": SOON}
        assert tokens.expiring(connection, NOW) == {}


def test_renewed_tokens_are_sealed_and_come_back(store: Store) -> None:
    renewed = Credentials({"access": SecretStr("tok-123"), "refresh": SecretStr("ref-456")}, SOON)
    with store.begin() as connection:
        tokens.keep(connection, store.vault, "shop", renewed)
        raw = connection.execute(text("SELECT credentials FROM accounts")).scalar_one()
    assert b"tok-123" not in raw
    with store.read() as connection:
        found = tokens.credentials(connection, store.vault, "shop")
        assert found.values["refresh"].get_secret_value() == "ref-456"
        assert found.expires_at == SOON
        assert tokens.credentials(connection, store.vault, "nobody").values == {}


def creator(email: str | None) -> Creator:
    told = {"name": "Aoi no Niwa", "market": "JP", "locale": "ja_JP"}
    return Creator.model_validate({**told, "email": email} if email else told)


def test_a_creator_is_a_contact_by_business(store: Store) -> None:
    assert creators.keep(store, {"aoi": creator("aoi@creators.example"), "mo": creator(None)}, NOW) == 1
    (person,) = contacts.people(store)
    assert (person.address, dict(person.segment)) == ("aoi@creators.example", {"creator": "aoi"})
    with store.read() as connection:
        kinds = connection.execute(text("SELECT kind, source FROM consents")).all()
    assert [tuple(row) for row in kinds] == [("business", "creators.yaml")]


def test_a_customer_who_is_a_creator_keeps_what_is_known_of_them(store: Store, tmp_path: Path) -> None:
    """One address is one contact: a collab must not wipe out how often they bought."""
    file = tmp_path / "people.csv"
    file.write_text("email,market,segment.orders\naoi@creators.example,JP,5\n", "utf-8")
    contacts.import_file(store, file, now=NOW)
    creators.keep(store, {"aoi": creator("aoi@creators.example")}, NOW)
    (person,) = contacts.people(store)
    assert dict(person.segment) == {"orders": 5, "creator": "aoi"}
