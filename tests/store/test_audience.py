"""An audience is a rule in SQL: the same people on both databases, each once, some held out by a draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from orchestrator.store import Store, audience
from orchestrator.store.audience import Reach, Selection
from orchestrator.store.measures import NewEvent, append_events
from orchestrator.store.tables import (
    PlacementRow,
    Plan,
    consents,
    contacts,
    counted,
    deliveries,
    placements,
    plans,
    suppressions,
)
from orchestrator.workspace import Audience

DUE = datetime(2026, 12, 1, 19, tzinfo=UTC)


def add(connection: Connection, *rows: dict[str, Any], consent: str = "opt_in") -> list[int]:
    """Contacts as an import leaves them, each with one consent."""
    first = connection.execute(select(func.coalesce(func.max(contacts.c.id), 0))).scalar_one()
    plain = {
        "medium": "email",
        "market": "DE",
        "locale": "de_DE",
        "zone": "",
        "segment": {},
        "sealed": b"x",
        "created_at": DUE,
    }
    written = []
    for number, row in enumerate(rows, first + 1):
        digest = b"%032d" % number
        written.append({"address_hash": digest, "bucket": (number * 7) % 10_000, **plain, **row})
    connection.execute(contacts.insert(), written)
    ids = list(connection.execute(select(contacts.c.id).where(contacts.c.id > first)).scalars())
    if consent:
        given = {"kind": consent, "given_on": date(2026, 1, 1), "source": "checkout"}
        connection.execute(consents.insert(), [{"contact_id": id_, **given} for id_ in ids])
    return ids


def select_all(**changes: Any) -> Selection:
    values: dict[str, Any] = {"rule": Audience(), "medium": "email", "market": "DE", "salt": "double-eleven"}
    return Selection(**(values | changes))


@pytest.fixture
def placement(store: Store) -> int:
    plan = Plan(id=1, campaign="c", hash="h", spec="", facts={}, created_at=DUE)
    slot = PlacementRow(
        id=1,
        key="k",
        plan_id=1,
        campaign="c",
        campaign_kind="flash",
        wave="w",
        market="DE",
        locale="de_DE",
        account="a",
        channel="email_smtp",
        kind="direct",
        due_at=DUE,
    )
    with store.begin() as connection:
        connection.execute(plans.insert(), plan.model_dump())
        connection.execute(placements.insert(), slot.model_dump())
    return 1


def planned(store: Store) -> dict[int, datetime]:
    with store.read() as connection:
        rows = connection.execute(select(deliveries.c.contact_id, deliveries.c.due_at))
        return {contact: due for contact, due in rows}


def fill(store: Store, selection: Selection, due: datetime | None = DUE, **more: Any) -> dict[int, datetime]:
    with store.begin() as connection:
        for between in list(audience.ranges(connection, 3)):
            audience.fill(connection, 1, selection, due, between, **more)
    return planned(store)


@pytest.mark.parametrize(
    ("where", "who"),
    [
        ({}, "abcde"),
        ({"tier": "gold"}, "ab"),
        ({"tier": ["gold", "silver"]}, "abc"),
        ({"tier": "!= gold"}, "cde"),  # a missing field differs too
        ({"orders": ">= 3"}, "ac"),
        ({"orders": "3"}, "a"),
        ({"orders": ["3", "12"]}, "ac"),
        ({"orders": "< 3"}, "b"),  # text and nothing are not less than a number
        ({"since": ">= 2026-02-01"}, "bc"),  # ISO dates order as text
        ({"postcode": "01067"}, "d"),  # no number: its zero counts
        ({"locale": "en_GB"}, "e"),
        ({"tier": "it's"}, "e"),  # a quote is a letter like any other
        ({"tier": "gold", "orders": "> 3"}, ""),
    ],
)
def test_a_rule_selects_the_same_people_on_both_databases(
    store: Store, placement: int, where: dict[str, Any], who: str
) -> None:
    people = {
        "a": {"segment": {"tier": "gold", "orders": 3, "since": "2026-01-05"}},
        "b": {"segment": {"tier": "gold", "orders": 2.5, "since": "2026-03-01"}},
        "c": {"segment": {"tier": "silver", "orders": 12, "since": "2026-02-01"}},
        "d": {"segment": {"orders": "many", "postcode": "01067"}},
        "e": {"segment": {"tier": "it's"}, "locale": "en_GB"},
    }
    with store.begin() as connection:
        ids = dict(zip(people, add(connection, *people.values()), strict=True))
    found = fill(store, select_all(rule=Audience(where=where)))
    assert set(found) == {ids[one] for one in who}
    with store.read() as connection:
        assert audience.count(connection, select_all(rule=Audience(where=where))).addressed == len(who)


def test_a_field_that_is_no_field_never_reaches_the_database(store: Store) -> None:
    rule = Audience.model_construct(where={"tier' OR '1'='1": "x"}, consent=["opt_in"])
    with store.read() as connection, pytest.raises(ValueError, match="is not a field"):
        audience.count(connection, select_all(rule=rule))


def test_whom_it_leaves_out_is_counted_once_each_and_matches_what_is_planned(
    store: Store, placement: int
) -> None:
    with store.begin() as connection:
        good = add(connection, *[{} for _ in range(400)])
        add(connection, *[{} for _ in range(7)], consent="business")
        add(connection, {"market": "JP"}, {"medium": "phone"}, {"sealed": None})
        no = connection.execute(select(contacts.c.address_hash).where(contacts.c.id.in_(good[:5]))).scalars()
        told = [
            {"medium": "email", "address_hash": one, "why": "unsubscribed", "since_at": DUE} for one in no
        ]
        connection.execute(suppressions.insert(), told)
        withdrawn = consents.update().where(consents.c.contact_id.in_(good[5:8])).values(withdrawn_at=DUE)
        connection.execute(withdrawn)
    selection = select_all(held_out=1000)
    with store.read() as connection:
        reach = audience.count(connection, selection)
    assert (reach.found, reach.no_consent, reach.suppressed) == (407, 10, 5)
    assert reach.addressed + reach.left_out == reach.found
    assert reach.held_out > 0
    assert len(fill(store, selection)) == reach.addressed


def test_who_has_ordered_is_left_out_of_an_offer_for_a_first_order(store: Store, placement: int) -> None:
    """By the orders that came in, or by what the shop counts; a click or a follow is no order."""
    with store.begin() as connection:
        counts = ({}, {}, {"orders": 2}, {"orders": 0}, {"orders": "many"}, {})
        ids = add(connection, *({"segment": segment} for segment in counts))
        told = [("order", ids[0]), ("click", ids[1]), ("followed", ids[1]), ("order_held_out", ids[5])]
        happened = [NewEvent("shop", f"{kind}-{id_}", kind, 0, 0, id_) for kind, id_ in told]
        append_events(connection, happened)
    selection = select_all(new_only=True)
    assert set(fill(store, selection)) == {ids[1], ids[3], ids[4]}
    with store.read() as connection:
        assert audience.count(connection, selection) == Reach(6, 3, 0, 0, 0, bought=3)
        assert audience.count(connection, select_all()).addressed == 6
        assert audience.have_bought(connection, ids[:4]) == {ids[0], ids[2]}


def test_an_order_is_looked_up_in_the_index_of_few_events(sqlite_url: str) -> None:
    """A shop has millions of events; whether a contact ordered must not read them."""
    with Store.open(sqlite_url) as store, store.read() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN SELECT id FROM contacts WHERE {audience._ORDERED}"
        )
        assert any("ix_events_contact" in row[-1] for row in plan)


def test_whom_the_cap_holds_back_is_counted_as_of_the_due_time(store: Store, placement: int) -> None:
    rule = Audience(cap=1, cap_window=timedelta(days=7))
    with store.begin() as connection:
        ids = add(connection, *[{} for _ in range(4)])
        for days, id_, state in ((3, ids[0], "sent"), (8, ids[1], "sent"), (3, ids[2], "failed")):
            at = DUE - timedelta(days=days)
            row = {"placement_id": 1, "contact_id": id_, "generation": 9, "due_at": at, "next_at": at}
            made = connection.execute(deliveries.insert(), {**row, "state": state}).inserted_primary_key
            connection.execute(counted.insert(), {"contact_id": id_, "delivery_id": made[0], "at": at})
    with store.read() as connection:
        reach = audience.count(connection, select_all(rule=rule, due_at=DUE))
        assert (reach.addressed, reach.capped) == (4, 1)
        assert audience.count(connection, select_all(due_at=DUE)).capped == 0


def buckets(connection: Connection, selection: Selection) -> set[int]:
    rows = select(contacts.c.bucket).where(*audience._addressed(selection))
    return set(connection.execute(rows).scalars())


@pytest.fixture
def all_buckets(sqlite_url: str) -> Iterable[Connection]:
    with Store.open(sqlite_url) as store, store.begin() as connection:
        add(connection, *[{"bucket": bucket} for bucket in range(10_000)])
        yield connection


def test_holdouts_have_their_size_and_campaigns_share_them_by_chance_alone(
    all_buckets: Connection,
) -> None:
    everybody = set(range(10_000))
    held = [
        everybody - buckets(all_buckets, select_all(salt=salt, held_out=1000))
        for salt in ("a", "b", "c", "d")
    ]
    for one in held:
        assert len(one) == pytest.approx(1000, abs=150)
    for one, other in pairwise(held):
        assert len(one & other) == pytest.approx(100, abs=50)
    assert everybody - buckets(all_buckets, select_all(salt="a", held_out=1000)) == held[0]


def test_variants_share_out_everybody_who_is_not_held_out(all_buckets: Connection) -> None:
    edges = [0, 3333, 6666, 10_000]
    shares = [buckets(all_buckets, select_all(held_out=500, share=share)) for share in pairwise(edges)]
    assert set.union(*shares) == buckets(all_buckets, select_all(held_out=500))
    assert sum(map(len, shares)) == len(set.union(*shares))
    assert min(map(len, shares)) > 2500


def test_both_databases_draw_alike(store: Store) -> None:
    with store.begin() as connection:
        add(connection, *[{"bucket": bucket} for bucket in range(0, 10_000, 97)])
        held = set(range(0, 10_000, 97)) - buckets(connection, select_all(held_out=2000))
    expected = {b for b in range(0, 10_000, 97) if _drawn("holdout:double-eleven", b) < 2000}
    assert held == expected


def _drawn(salt: str, bucket: int) -> int:
    import hashlib

    digest = hashlib.sha256(salt.encode()).digest()
    prime = 2**31 - 1
    a, b = 1 + int.from_bytes(digest[:8], "big") % (prime - 1), int.from_bytes(digest[8:16], "big") % prime
    return (bucket * a + b) % prime % 10_000


def test_planning_again_adds_who_is_new_and_touches_nobody_else(store: Store, placement: int) -> None:
    with store.begin() as connection:
        add(connection, {}, {})
    first = fill(store, select_all())
    with store.begin() as connection:
        connection.execute(deliveries.update().values(state="sent"))
        new = add(connection, {})
    again = fill(store, select_all(), DUE + timedelta(days=1))
    assert again == {**first, new[0]: DUE + timedelta(days=1)}
    with store.read() as connection:
        assert sorted(connection.execute(select(deliveries.c.state)).scalars()) == ["planned", "sent", "sent"]


def test_a_move_reaches_only_what_was_never_tried(store: Store, placement: int) -> None:
    with store.begin() as connection:
        sent, tried, waits, late = add(connection, {}, {}, {}, {})
    fill(store, select_all())
    with store.begin() as connection:
        for contact, values in (
            (sent, {"state": "sent"}),
            (tried, {"attempts": 1}),
            (late, {"state": "skipped"}),
        ):
            connection.execute(deliveries.update().where(deliveries.c.contact_id == contact).values(**values))
    moved = fill(store, select_all(), DUE + timedelta(days=1), move=True)
    assert {contact for contact, due in moved.items() if due > DUE} == {waits, late}


def test_each_recipient_is_due_by_the_clock_of_their_own_zone(store: Store, placement: int) -> None:
    with store.begin() as connection:
        here, tokyo, lost = add(connection, {}, {"zone": "Asia/Tokyo"}, {"zone": "Asia/Seoul"})
    by_zone = {"Asia/Tokyo": DUE - timedelta(hours=8), "Europe/Paris": DUE}
    assert fill(store, select_all(), by_zone=by_zone) == {
        here: DUE,
        tokyo: DUE - timedelta(hours=8),
        lost: DUE,
    }


def test_recipients_are_counted_by_their_zones_as_they_are_addressed(store: Store, placement: int) -> None:
    with store.begin() as connection:
        add(connection, {}, {"zone": "Asia/Tokyo"}, {"zone": "Asia/Tokyo"})
        add(connection, {"zone": "Asia/Seoul"}, consent="")
        add(connection, {"zone": "Asia/Edo", "market": "JP"})
    with store.read() as connection:
        assert audience.zones(connection, "email", "DE") == ["Asia/Seoul", "Asia/Tokyo"]
        assert audience.by_zone(connection, select_all()) == {"": 1, "Asia/Tokyo": 2}


def test_who_left_the_audience_is_taken_out_unless_something_was_tried(store: Store, placement: int) -> None:
    with store.begin() as connection:
        stays, goes, tried = add(connection, {"segment": {"tier": "gold"}}, {"segment": {}}, {"segment": {}})
    fill(store, select_all())
    gold = select_all(rule=Audience(where={"tier": "gold"}))
    with store.begin() as connection:
        connection.execute(deliveries.update().where(deliveries.c.contact_id == tried).values(attempts=1))
        for between in list(audience.ranges(connection, 2)):
            audience.trim(connection, 1, gold, between)
    assert set(planned(store)) == {stays, tried}
    assert goes not in planned(store)


@pytest.mark.parametrize("offered", [["zh_Hant_TW", "en_US"], ["en_US", "zh_Hant_TW"], ["en_US"]])
def test_every_contact_reads_exactly_one_locale(store: Store, offered: list[str]) -> None:
    """Its own, else the first declared fallback that is offered, else the market's first; never a guess."""
    fallbacks: Callable[[str], tuple[str, ...]] = {"zh_Hant_HK": ("zh_Hant_TW",)}.get  # type: ignore[assignment]
    spoken = ["zh_Hant_HK", "zh_Hant_TW", "zh_Hans_CN", "en_US", ""]
    with store.begin() as connection:
        add(connection, *[{"locale": locale} for locale in spoken])
        served = audience.shared_out(connection, "email", "DE", offered, lambda one: fallbacks(one) or ())
        reach = [audience.count(connection, select_all(locales=theirs)) for theirs in served.values()]
    assert sum(one.found for one in reach) == len(spoken)
    if len(offered) == 2:
        assert set(served["zh_Hant_TW"] or ()) >= {"zh_Hant_HK", "zh_Hant_TW"}
        assert {"zh_Hans_CN", ""} <= set(served[offered[0]] or ())


def test_nobody_there_is_nobody_planned(store: Store, placement: int) -> None:
    assert fill(store, select_all()) == {}
    with store.read() as connection:
        assert audience.count(connection, select_all()) == Reach(0, 0, 0, 0, 0)
