"""Readings on a cadence, files of events: nothing counted twice, nothing pretended, no spreading."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from channels.base import Metric, QuotaSpent, Reading, Retryable, Unauthorized
from orchestrator.collect import CADENCE, collect, import_file, next_read, slot
from orchestrator.store import codes, figures
from orchestrator.store.measures import UNREAD, remembered_under

HOUR = timedelta(hours=1)


class Platform:
    """A platform that answers with what it is told, and remembers every call."""

    def __init__(self, totals: dict[str, int] | None = None, error: Exception | None = None) -> None:
        self.totals, self.error, self.calls = totals or {}, error, []
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        self.calls.append(list(remote_ids))
        if self.error:
            raise self.error
        return [
            Reading(one, Metric.LIKES, self.totals[one], self.now) for one in remote_ids if one in self.totals
        ]


class Mute:
    """A channel that reports nothing."""


def read(shop: Any) -> list[tuple[str, int, int]]:
    with shop.store.read() as connection:
        return [(one.metric, one.age_s, one.value) for one in figures.readings(connection)]


def next_reads(shop: Any) -> list[int | None]:
    with shop.store.read() as connection:
        return list(connection.execute(text("SELECT next_read_at FROM deliveries ORDER BY id")).scalars())


@pytest.mark.anyio
async def test_a_post_is_read_at_each_age_and_no_oftener(shop: Any, start: datetime) -> None:
    """Ticking every five minutes for a month asks the platform seven times."""
    key = shop.place()
    platform = Platform({shop.remote(key): 5})
    now = start
    while now <= start + timedelta(days=31):
        platform.now = now
        await collect(shop.store, lambda _: platform, now)
        now += timedelta(minutes=5) if now < start + timedelta(hours=2) else 6 * HOUR
    assert len(platform.calls) == len(CADENCE)
    assert [age for _, age, _ in read(shop)][:2] == [900, 3600]
    assert next_reads(shop) == [None]


@pytest.mark.anyio
async def test_after_days_of_silence_one_reading_is_taken_not_five(shop: Any, start: datetime) -> None:
    """A reading taken at two days stands for two days: it does not pose as the one missed at 24 hours."""
    platform = Platform({shop.remote(shop.place()): 9})
    platform.now = start + timedelta(days=2)
    assert (await collect(shop.store, lambda _: platform, platform.now)).readings == 1
    assert read(shop) == [("likes", 2 * 86400, 9)]
    assert (await collect(shop.store, lambda _: platform, platform.now)).posts == 0


@pytest.mark.anyio
async def test_one_call_for_many_posts_and_a_missing_metric_stays_missing(shop: Any, start: datetime) -> None:
    keys = [shop.place(market) for market in ("JP", "DE", "US")]
    platform = Platform({shop.remote(keys[0]): 0, shop.remote(keys[1]): 4})
    platform.now = start + HOUR
    done = await collect(shop.store, lambda _: platform, platform.now)
    assert (done.posts, done.readings, len(platform.calls)) == (3, 2, 1)
    assert sorted(value for _, _, value in read(shop)) == [0, 4]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Retryable("mastodon: HTTP 503"), timedelta(minutes=5)),  # may work: soon again
        (Retryable("HTTP 429", timedelta(minutes=40)), timedelta(minutes=40)),  # when the platform says
        (QuotaSpent("daily quota", datetime(2026, 11, 12, tzinfo=UTC)), timedelta(hours=22)),
        (Unauthorized("the account's scope lacks read:statuses"), 5 * HOUR),  # at its next age, 6 h
        (ZeroDivisionError("a bug of the adapter"), 5 * HOUR),
    ],
)
async def test_a_failing_account_stops_no_other(
    shop: Any, start: datetime, error: Exception, wait: timedelta
) -> None:
    broken = Platform(error=error)
    shop.place("JP", "telegram")
    working = Platform({shop.remote(shop.place("DE")): 3})
    working.now = now = start + HOUR
    channels = {"lantern-telegram": broken, "lantern-mastodon": working}
    done = await collect(shop.store, channels.__getitem__, now)
    assert done.readings == 1
    assert str(error) in done.failures["lantern-telegram"]
    assert next_reads(shop)[0] == (now + wait).timestamp() * 1000
    with shop.store.read() as connection:
        assert str(error) in remembered_under(connection, UNREAD)["lantern-telegram"]
    broken.error = None
    await collect(shop.store, channels.__getitem__, now + timedelta(days=1))
    with shop.store.read() as connection:
        assert remembered_under(connection, UNREAD) == {}


@pytest.mark.anyio
async def test_a_channel_that_cannot_be_opened_is_its_own_failure(shop: Any, start: datetime) -> None:
    shop.place("JP", "telegram")
    shop.place("DE")

    def channel_of(account: str) -> Any:
        if account == "lantern-telegram":
            raise LookupError("lantern-telegram: TELEGRAM_TOKEN is not set")
        return Mute()

    done = await collect(shop.store, channel_of, start + HOUR)
    assert "TELEGRAM_TOKEN" in done.failures["lantern-telegram"]
    assert list(done.failures) == ["lantern-telegram"]


@given(minutes=st.integers(0, 60 * 24 * 40))
def test_an_age_is_a_slot_or_itself(minutes: int) -> None:
    age = timedelta(minutes=minutes)
    standing = slot(age)
    if standing != age.total_seconds():
        assert timedelta(seconds=standing) in CADENCE
        assert 0.95 * standing <= age.total_seconds() <= 1.25 * standing
    sent = datetime(2026, 11, 11, tzinfo=UTC)
    ahead = next_read(sent, sent + age)
    assert ahead is None or sent + age < ahead <= sent + CADENCE[-1]


def counted(shop: Any) -> dict[str, int]:
    with shop.store.read() as connection:
        found: dict[str, int] = {}
        for total in figures.totals(connection):
            found[total.kind] = found.get(total.kind, 0) + total.n
        return found


def placement_of(shop: Any, external_id: str) -> str | None:
    with shop.store.read() as connection:
        return connection.execute(
            text(
                "SELECT p.key FROM events e LEFT JOIN placements p ON p.id = e.placement_id"
                " WHERE e.external_id = :id ORDER BY e.id DESC"
            ),
            {"id": external_id},
        ).scalar()


def test_a_second_import_adds_nothing(shop: Any, later: Callable[[float], str]) -> None:
    key = shop.place()
    path = shop.feed(
        {"placement": key, "kind": "click", "id": "1", "at": later(1)},
        {"placement": key, "kind": "click", "id": "1", "at": later(1)},
        {"placement": key, "kind": "clicked", "id": "2", "at": later(2), "bot": True},
        {"placement": key, "kind": "order", "id": "1", "at": later(3), "amount": "29.00 EUR"},
        {"placement": key, "metric": "reach", "value": 900, "at": later(1)},
    )
    first, second = import_file(shop.store, path), import_file(shop.store, path)
    assert (first.events, first.readings, first.known) == (3, 1, 1)
    assert (second.events, second.readings, second.known, second.problems) == (0, 0, 5, [])
    assert counted(shop) == {"click": 1, "click:bot": 1, "order": 1}


def test_what_is_wrong_is_told_by_line_and_the_rest_is_kept(shop: Any, later: Callable[[float], str]) -> None:
    key = shop.place()
    unsent = shop.place("US", sent_at=None)
    good = {"placement": key, "kind": "click", "id": "ok", "at": later(1)}
    path = shop.feed(
        good,
        {**good, "placement": "no/such/placement", "id": "2"},
        {**good, "kind": "clik", "id": "3"},
        {**good, "at": "2026-11-11T10:00:00", "id": "4"},
        {**good, "id": ""},
        {**good, "kind": "order", "amount": "29.005 USD", "id": "6"},
        {"placement": unsent, "metric": "likes", "value": 3, "at": later(1)},
        {"placement": key, "metric": "likes", "value": 3, "at": later(-1)},
        {"placement": key, "metric": "likes", "at": later(1)},
        {**good, "plaecment": "x", "id": "10"},
        {"kind": "click", "id": "11", "at": later(1)},
    )
    with path.open("a") as file:
        file.write("not json\n")
    done = import_file(shop.store, path)
    assert done.events == 1
    told = "\n".join(done.problems)
    for line, words in [
        (2, "no/such/placement"), (3, 'did you mean "click"?'), (4, "timezone"), (5, "has no id"),
        (6, "finer than USD goes"), (7, "was sent"), (8, "before the post was sent"), (9, "has no value"),
        (10, 'did you mean "placement"?'), (11, "belongs to no placement"), (12, "malformed"),
    ]:  # fmt: skip
        assert any(p.startswith(f"feed.jsonl:{line}: ") and words in p for p in done.problems), (line, told)


def test_csv_and_jsonl_say_the_same(shop: Any, later: Callable[[float], str]) -> None:
    """A cell may hold a line break; what follows it is still told by the line a person sees."""
    key = shop.place()
    path = shop.folder / "orders.csv"
    path.write_bytes(
        b"\xef\xbb\xbfplacement,kind,id,at,amount,bot,source\r\n"
        + f"{key},order,1,{later(1)},29.00 EUR,,shop\r\n".encode()
        + f'{key},click,2,{later(2)},,true,"line\nbreak"\r\n'.encode()
        + f"{key},click,3,never,,,\r\n".encode()
        + f"{key},click\r\n".encode()
    )
    done = import_file(shop.store, path)
    assert done.events == 2
    assert [problem.split(": ")[0] for problem in done.problems] == ["orders.csv:5", "orders.csv:6"]
    assert counted(shop) == {"click:bot": 1, "order": 1}


def test_a_feed_gives_up_only_what_has_happened(
    shop: Any, start: datetime, later: Callable[[float], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In virtual time a row of tomorrow is not known today, whatever its place in the file."""
    key = shop.place()
    rows = [{"placement": key, "kind": "click", "id": str(h), "at": later(h)} for h in (1, 9, 3, 5, 7)]
    path = shop.feed(*rows)
    seen = []
    for hour in range(11):
        import_file(shop.store, path, until=start + hour * HOUR)
        seen.append(counted(shop).get("click", 0))
    assert seen == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    with path.open("a") as file:
        file.write(json.dumps({"placement": key, "kind": "click", "id": "late", "at": later(10.5)}) + "\n")
    assert import_file(shop.store, path, until=start + 11 * HOUR).events == 1

    def unread(*_: object) -> Any:
        raise AssertionError("the feed was read though nothing in it is due")

    monkeypatch.setattr("orchestrator.feed.lines", unread)
    assert import_file(shop.store, path, until=start + 12 * HOUR).events == 0


def test_a_feed_written_anew_is_read_anew(shop: Any, start: datetime, later: Callable[[float], str]) -> None:
    key = shop.place()
    row = {"placement": key, "kind": "click", "at": later(1)}
    path = shop.feed({**row, "id": "1"}, {**row, "id": "2"})
    import_file(shop.store, path, until=start + 2 * HOUR)
    shop.feed({**row, "id": "0"}, {**row, "id": "1"}, {**row, "id": "2"})
    assert import_file(shop.store, path, until=start + 2 * HOUR).events == 1
    assert counted(shop) == {"click": 3}


def test_orders_are_credited_and_refunds_follow_them(shop: Any, later: Callable[[float], str]) -> None:
    shop.campaign("double-eleven-2026", code="LIGHT11-{market}")
    post, mail = shop.place("JP"), shop.place("JP", "email", sent=2)
    shop.place("DE")
    shop.contact("a@buyer.example", 1)
    shop.contact("z@buyer.example", 99)
    order = {"kind": "order", "amount": "3000 JPY", "at": later(5)}
    path = shop.feed(
        {**order, "id": "named", "placement": post, "contact": "a@buyer.example"},
        {**order, "id": "coded", "code": "light11-jp"},
        {**order, "id": "coded-contact", "code": "LIGHT11-JP", "contact": "A@buyer.example"},
        {**order, "id": "touched", "contact": "a@buyer.example"},
        {**order, "id": "untouched", "contact": "z@buyer.example"},
        {**order, "id": "late", "contact": "a@buyer.example", "at": later(24 * 8)},
        {**order, "id": "wrong", "code": "LIGHT12"},
        {**order, "kind": "refund", "id": "touched", "amount": "3000 JPY"},
    )
    done = import_file(shop.store, path)
    assert [problem for problem in done.problems if "LIGHT12" not in problem] == []
    assert len(done.problems) == 1
    credited = {name: placement_of(shop, name) for name in ("named", "coded", "coded-contact", "touched")}
    assert credited == {"named": post, "coded": post, "coded-contact": mail, "touched": mail}
    assert {placement_of(shop, name) for name in ("untouched", "late", "wrong")} == {None}
    with shop.store.read() as connection:
        keys = {place.id: place.key for place in figures.placed(connection)}
        assert [keys[t.placement_id] for t in figures.totals(connection) if t.kind == "refund"] == [mail]
        kept = connection.execute(text("SELECT count(*) FROM events WHERE contact_id = 1")).scalar()
    assert kept == 4


def test_an_order_with_a_code_of_a_pool_goes_to_the_message_that_gave_it(
    shop: Any, start: datetime, later: Callable[[float], str]
) -> None:
    """Whoever the shop says bought: the code was in one reader's message and nowhere else."""
    shop.place("JP", "email", sent=2)
    mail = shop.place("DE", "email", sent=2)
    (shop.folder / "codes.txt").write_text("X7Q2-A\nX7Q2-B\n")
    codes.import_file(shop.store, "spring", shop.folder / "codes.txt")
    with shop.store.begin() as connection:
        (placement,) = connection.execute(
            text("SELECT id FROM placements WHERE key = :key"), {"key": mail}
        ).one()
        given = codes.give(connection, shop.store.vault, "spring", placement, [2], start)
    order = {"at": later(200), "kind": "order", "amount": "29.00 EUR"}
    rows = (
        {**order, "id": "own", "code": given[2].lower()},
        {**order, "id": "back", "code": given[2], "kind": "refund"},
    )
    done = import_file(shop.store, shop.feed(*rows, {**order, "id": "free", "code": "X7Q2-B"}))
    assert (done.events, done.problems) == (
        3,
        ['feed.jsonl: order free: code "X7Q2-B" belongs to no placement that was sent'],
    )
    assert placement_of(shop, "own") == placement_of(shop, "back") == mail
    with shop.store.read() as connection:
        kept = connection.execute(text("SELECT contact_id, code FROM events WHERE external_id = 'own'")).one()
        assert tuple(kept) == (2, None)  # the code stays sealed
        assert {row.campaign: row.redeemed for row in codes.standing(connection)}["double-eleven-2026"] == 1


def test_who_unsubscribes_in_a_file_is_never_written_to_again(
    shop: Any, later: Callable[[float], str]
) -> None:
    """Known to us or not, at whatever placement; the address itself is nowhere in the store."""
    key = shop.place("JP", "email")
    shop.contact("a@buyer.example", 1)
    row = {"placement": key, "kind": "unsubscribed", "at": later(1)}
    path = shop.feed(
        {**row, "id": "1", "contact": "a@buyer.example"}, {**row, "id": "2", "contact": "B@buyer.example"}
    )
    assert import_file(shop.store, path).problems == []
    with shop.store.read() as connection:
        hashes = set(connection.execute(text("SELECT address_hash FROM suppressions")).scalars())
    vault = shop.store.vault
    assert hashes == {vault.fingerprint("email", f"{name}@buyer.example") for name in "ab"}
    assert counted(shop)["unsubscribe"] >= 2
    assert b"buyer.example" not in Path(shop.store.path).read_bytes()


def test_real_purchases_sum_to_the_cent(shop: Any, start: datetime) -> None:
    """CDNOW's customers: as many orders, and as much money, as plain arithmetic over the file gives."""
    data = (
        Path(__file__).parents[2].parent / "shared/data/cdnow/cdnow_customers_summary_with_transactions.csv"
    )
    if not data.exists():
        pytest.skip("../shared/data is absent")
    import csv

    key, rows, orders, cents = shop.place("US"), [], 0, 0
    for customer in csv.DictReader(data.read_text().splitlines()):
        for number in range(int(float(customer["x"]))):
            at = (start + timedelta(minutes=orders)).isoformat()
            mark = f"{customer['ID']}-{number}"
            amount = f"{float(customer['zbar']):.2f} USD"
            rows.append({"placement": key, "kind": "order", "id": mark, "at": at, "amount": amount})
            orders, cents = orders + 1, cents + round(float(customer["zbar"]) * 100)
    done = import_file(shop.store, shop.feed(*rows))
    assert (done.events, done.problems) == (orders, [])
    with shop.store.read() as connection:
        (total,) = figures.totals(connection)
    assert (total.n, total.amount, total.currency) == (orders, cents, "USD")
    assert orders > 2000
