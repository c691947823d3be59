"""`zone: recipient`: each person's own evening, as the plan shows it, the store keeps it and it happens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from content.render import Renderer
from locales.rates import bundled
from orchestrator.assemble import Shop
from orchestrator.clock import VirtualClock
from orchestrator.diff import Sign
from orchestrator.measure import DAY_S, slots
from orchestrator.policy import Skip, Wait
from orchestrator.propose import Proposal, apply, propose
from orchestrator.schedule import simulate
from orchestrator.score import Measured
from orchestrator.store import Keys, Store, approvals, contacts, figures
from orchestrator.workspace import load_all

NOW = datetime(2026, 11, 30, tzinfo=UTC)
RENDERER = Renderer(shop="Lantern House")
FILES = {
    "silkpost.yaml": "shop: Lantern House\nurl: https://lantern-house.example\npublic_url: https://go.lantern-house.example\n"
    "rates: {most_days: 366}\n",
    "accounts.yaml": "posts: {channel: mastodon}\n"
    "letters:\n  channel: email_smtp\n  locales: [en_US]\n"
    "  sender: {US: {name: Lantern House, address: 1 Example Street}}\n",
    "products.yaml": "lantern-red: {name: Red lantern, prices: {US: 39.00 USD}}\n",
    "audiences/all.yaml": "where: {}\n",
    "campaigns/evening.yaml": """\
campaign: evening
kind: holiday
markets: [US]
products: [lantern-red]
zone: recipient
offer: {price: {US: 29.00 USD}, starts: 2026-12-11 00:00, ends: 2026-12-11 23:59}
channels: [email, mastodon]
waves:
  teaser: {at: 2026-12-10 19:30}
  noon: {at: 2026-12-11 12:30}
  last: {at: 2026-12-11 21:00}
audience: {email: all}
""",
}
HOME = "email,market,locale,zone,consent,consent_on,consent_source\n"
ZONES = {"ana": "", "bo": "America/Chicago", "cleo": "Pacific/Honolulu", "dai": "Asia/Tokyo"}


def people(zones: dict[str, str]) -> str:
    rows = (f"{name}@post.example,US,en_US,{zone},opt_in,2026-01-25,shop" for name, zone in zones.items())
    return HOME + "\n".join(rows) + "\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, written in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(written, "utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Keys]:
    """A store that knows these people, made once."""
    folder, keys = tmp_path_factory.mktemp("filled"), Keys.new()
    with Store.open(f"sqlite:///{folder}/silkpost.db", keys, create=True) as opened:
        bring(opened, folder, ZONES)
    return folder / "silkpost.db", keys


@pytest.fixture
def store(shop: Path, filled: tuple[Path, Keys]) -> Iterator[Store]:
    file, keys = filled
    with Store.open(f"sqlite:///{shutil.copy(file, shop)}", keys) as opened:
        yield opened


def bring(store: Store, shop: Path, zones: dict[str, str]) -> None:
    (shop / "people.csv").write_text(people(zones), "utf-8")
    assert not contacts.import_file(store, shop / "people.csv", now=NOW).problems


def edit(shop: Path, old: str, new: str) -> None:
    file = shop / "campaigns/evening.yaml"
    assert old in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def proposed(shop: Path, store: Store | None) -> Proposal:
    workspace, (campaign,) = load_all(shop)
    found = propose(workspace, campaign, RENDERER, bundled(), NOW, store)
    assert found.preparation.problems == []
    return found


def key(wave: str) -> str:
    return f"evening/{wave}/US/en_US/letters/-/-"


def due(store: Store, wave: str) -> dict[str, str]:
    """When each person is due, by first name, in UTC."""
    with store.read() as connection:
        rows = connection.execute(
            text(
                "SELECT c.zone, d.due_at FROM deliveries d JOIN placements p ON p.id = d.placement_id"
                " JOIN contacts c ON c.id = d.contact_id WHERE p.wave = :wave"
            ),
            {"wave": wave},
        ).all()
    names = {zone: name for name, zone in ZONES.items()}
    at = {zone: datetime.fromtimestamp(ms / 1000, UTC) for zone, ms in rows}
    return {names[zone]: f"{moment:%d %H:%M}" for zone, moment in sorted(at.items())}


TEASER = {"ana": "11 00:30", "bo": "11 01:30", "cleo": "11 05:30", "dai": "10 10:30"}
BY_MARKET = dict.fromkeys(ZONES, "11 00:30")


def test_each_person_is_due_by_their_own_clock_and_the_plan_says_so(shop: Path, store: Store) -> None:
    found = proposed(shop, store)
    assert [(each.zone, each.contacts) for each in found.zones[key("teaser")]] == [
        ("Asia/Tokyo", 1),
        ("America/New_York", 1),
        ("America/Chicago", 1),
        ("Pacific/Honolulu", 1),
    ]
    apply(store, found, "mei", NOW)
    assert due(store, "teaser") == TEASER
    posts = {change.key for change in found.changes if "/posts/" in change.key}
    assert posts
    assert not posts & found.zones.keys(), "a post is for everybody at once"


def test_nobody_hears_of_the_offer_before_it_starts_or_after_it_ended(shop: Path, store: Store) -> None:
    """Half past noon in Tokyo is the evening before in New York; nine in Honolulu the night after."""
    found = proposed(shop, store)
    noon = {each.zone: each for each in found.zones[key("noon")]}
    assert noon["Asia/Tokyo"].due_at == datetime(2026, 12, 11, 5, tzinfo=UTC)
    assert noon["Asia/Tokyo"].moved == "waits for the offer, from Fri 11 Dec 00:00 on"
    last = {each.zone: each.decided for each in found.zones[key("last")]}
    assert last["Pacific/Honolulu"] == Skip("the offer ended Fri 11 Dec 23:59")
    assert {last[zone] for zone in ("America/New_York", "America/Chicago", "Asia/Tokyo")} == {None}
    assert key("last") not in found.outlook, "most of them get it as planned"


def test_the_zone_may_be_changed_until_it_has_left(shop: Path, store: Store) -> None:
    """From the recipient's clock to the market's and back; each time somebody has to agree anew."""
    first = proposed(shop, store)
    apply(store, first, "mei", NOW)
    for zone, whose, expected in (
        ("market", "the market's", BY_MARKET),
        ("recipient", "each recipient's", TEASER),
    ):
        before = "recipient" if zone == "market" else "market"
        edit(shop, f"zone: {before}", f"zone: {zone}")
        changed = proposed(shop, store)
        moved = {change.why for change in changed.changes if change.sign is Sign.MOVE}
        assert moved == {f"the time is now read in {whose} zone"}
        released(store, changed)
        assert due(store, "teaser") == expected
    with store.begin() as connection:
        connection.execute(
            text("UPDATE deliveries SET state = 'sent' WHERE due_at < :at"),
            {"at": int(datetime(2026, 12, 10, 12, tzinfo=UTC).timestamp() * 1000)},
        )
    edit(shop, "2026-12-10 19:30", "2026-12-10 20:30")
    late = {change.key: change.sign for change in proposed(shop, store).changes}
    assert late[key("teaser")] is Sign.LOCKED, "Tokyo has read it"
    assert late[key("noon")] is Sign.SAME


def released(store: Store, found: Proposal) -> None:
    assert apply(store, found, "mei", NOW).unapproved
    with store.begin() as connection:
        assert approvals.approve(connection, "evening", found.hash, "lin", NOW).complete


def test_a_recipient_who_moves_is_followed_and_what_was_approved_stays_so(shop: Path, store: Store) -> None:
    """What was approved is "19:30 for each of them": where they live is no change of the plan."""
    first = proposed(shop, store)
    released(store, first)
    bring(store, shop, ZONES | {"bo": "America/Los_Angeles"})
    again = proposed(shop, store)
    assert again.hash == first.hash
    assert apply(store, again, "mei", NOW).unapproved == 0
    with store.read() as connection:
        late = connection.execute(
            text("SELECT MAX(due_at) FROM deliveries WHERE contact_id = 2")
        ).scalar_one()
    assert datetime.fromtimestamp(late / 1000, UTC) == datetime(2026, 12, 12, 5, tzinfo=UTC)


@pytest.mark.anyio
async def test_what_the_plan_foresaw_is_what_happens(shop: Path, store: Store) -> None:
    found = proposed(shop, store)
    released(store, found)
    workspace, _ = load_all(shop)
    start = datetime(2026, 12, 10, 10, tzinfo=UTC)
    running = Shop(workspace, store, VirtualClock(start), outbox=True)
    await simulate(running.engine(), start + timedelta(hours=44))
    await running.close()
    with store.read() as connection:
        rows = connection.execute(
            text(
                "SELECT p.wave, c.zone, d.state, d.sent_at, d.why FROM deliveries d"
                " JOIN placements p ON p.id = d.placement_id JOIN contacts c ON c.id = d.contact_id"
            )
        ).all()
    assert len(rows) == 3 * len(ZONES)
    for wave, zone, state, sent_at, why in rows:
        foreseen: Any = {each.zone: each for each in found.zones[key(wave)]}[zone or "America/New_York"]
        if foreseen.decided is None:
            assert datetime.fromtimestamp(sent_at / 1000, UTC) - foreseen.due_at < timedelta(minutes=1)
        else:
            assert (state, why) == ("skipped", foreseen.decided.why)
    assert learned_from(store, key("noon")) == 12, "the hour they all read it at, wherever that was"
    assert learned_from(store, key("noon").replace("letters", "posts")) == 12
    assert learned_from(store, key("teaser")) == 19, "and not the hour at which Tokyo began"


def learned_from(store: Store, name: str) -> int:
    """The hour that a placement speaks for when hours are compared."""
    with store.read() as connection:
        (placed,) = (each for each in figures.placed(connection) if each.key == name)
    counted = Measured(
        placement=name,
        campaign="evening",
        wave=placed.wave,
        market="US",
        channel=placed.channel,
        variant="-",
        age_s=DAY_S,
        basis="sent",
        exposed=placed.sent,
        counts={"clicks": 1},
    )
    (slot,) = slots([counted], [placed], "clicks")
    return slot.hour


def by_text_message(shop: Path, store: Store) -> None:
    """The noon wave alone, as text messages to New York and Honolulu."""
    (shop / "accounts.yaml").write_text("letters: {channel: sms_twilio, locales: [en_US]}\n", "utf-8")
    edit(shop, "[email, mastodon]", "[letters]")
    edit(shop, "{email: all}", "{letters: all}")
    edit(shop, "  teaser: {at: 2026-12-10 19:30}\n", "")
    edit(shop, "  last: {at: 2026-12-11 21:00}\n", "")
    written = people({"+12125550100": "America/New_York", "+18085550100": "Pacific/Honolulu"})
    written = written.replace("email,", "phone,").replace("@post.example", "")
    (shop / "people.csv").write_text(written, "utf-8")
    assert not contacts.import_file(store, shop / "people.csv", now=NOW).problems


def test_the_same_moment_for_all_is_held_back_where_it_is_night(shop: Path, store: Store) -> None:
    """Without `zone: recipient` too the plan knows who sleeps: 12:30 in New York is 7:30 in Honolulu."""
    by_text_message(shop, store)
    edit(shop, "zone: recipient\n", "")
    found = {each.zone: each.decided for each in proposed(shop, store).zones[key("noon")]}
    assert found == {
        "America/New_York": None,
        "Pacific/Honolulu": Wait(
            datetime(2026, 12, 11, 19, tzinfo=UTC),
            "moves to Fri 11 Dec 14:00: quiet hours from 20:00 in Pacific/Honolulu",
        ),
    }


def test_no_text_counts_the_hours_that_are_left_where_each_reader_has_others(
    shop: Path, store: Store
) -> None:
    def words() -> str:
        rows = proposed(shop, store).preparation.prepared
        return next(row.edition.message.text for row in rows if row.placement.key == key("noon"))

    by_text_message(shop, store)
    assert "left" not in words()
    edit(shop, "zone: recipient\n", "")
    assert "11 hours left" in words()
