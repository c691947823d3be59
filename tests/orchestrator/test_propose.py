"""From a campaign to the store and back: what changes, what is locked, what stays approved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from content.personal import OWN_CODE
from content.render import Renderer
from locales.rates import Rates, bundled, from_file
from orchestrator.diff import Sign
from orchestrator.propose import Proposal, apply, propose
from orchestrator.store import Keys, Store, approvals, codes, contacts, plans
from orchestrator.workspace import Workspace, load_all

SAMPLE = Path(__file__).parents[2] / "examples/lantern-house"
NOW = datetime(2026, 11, 7, tzinfo=UTC)
OWN = from_file(SAMPLE / "rates.yaml")
RATES = Rates("EUR", bundled().on, "ECB, bundled", {**bundled().table, **OWN.table})
NAME = "double-eleven-2026"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "shop"))


@pytest.fixture
def store(shop: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{shop}/silkpost.db", Keys.new(), create=True) as opened:
        contacts.import_file(opened, shop / "contacts/contacts.csv", now=NOW)
        yield opened


def proposed(
    shop: Path, store: Store | None, name: str = NAME, *, now: datetime = NOW, refresh: bool = False
) -> Proposal:
    workspace, campaigns = load_all(shop)
    (campaign,) = (each for each in campaigns if each.spec.campaign == name)
    return propose(workspace, campaign, renderer(workspace), RATES, now, store, refresh=refresh)


def renderer(workspace: Workspace) -> Renderer:
    settings = workspace.settings
    return Renderer(
        workspace.templates,
        workspace.translations,
        shop=settings.shop,
        shop_url=settings.url,
        strings=workspace.strings,
    )


def signs(proposal: Proposal) -> set[Sign]:
    return {change.sign for change in proposal.changes}


def edit(shop: Path, old: str, new: str, name: str = NAME) -> None:
    file = shop / f"campaigns/{name}.yaml"
    written = file.read_text("utf-8")
    assert old in written
    file.write_text(written.replace(old, new), "utf-8")


def released(store: Store, proposal: Proposal) -> None:
    apply(store, proposal, "ana", NOW)
    with store.begin() as connection:
        approvals.approve(connection, proposal.campaign.spec.campaign, proposal.hash, "ben", NOW)


def test_an_applied_plan_has_nothing_left_to_change(shop: Path, store: Store) -> None:
    first = proposed(shop, store)
    assert signs(first) == {Sign.ADD}
    apply(store, first, "ana", NOW)
    again = proposed(shop, store)
    assert signs(again) == {Sign.SAME}
    assert again.hash == first.hash
    assert not again.changed


def test_what_an_edit_does_not_touch_stays_approved(shop: Path, store: Store) -> None:
    """A new time for the last call does not stop the launch: it alone waits for approval again."""
    released(store, proposed(shop, store))
    edit(shop, "ends -3h, late: 20m", "ends -2h, late: 20m")
    changed = proposed(shop, store)
    moved = {change.key.split("/")[1] for change in changed.changes if change.sign is not Sign.SAME}
    assert moved == {"last_call"}
    saved = apply(store, changed, "ana", NOW)
    calls = [row for row in changed.preparation.prepared if row.placement.wave == "last_call"]
    assert saved.unapproved == len(calls)


DIRECT = """\
campaign: welcome-2026
kind: flash
markets: [DE]
products: [lantern-red]
offer:
  discount: 10%
  starts: 2026-11-09 09:00
  ends: starts +4d
  code_pool: welcome
  new_customers: true
channels: [email]
waves: {go: {at: starts}, again: {at: starts +1d}}
audience: {email: readers}
"""


@pytest.fixture
def welcome(shop: Path) -> Path:
    """A shop with one small campaign of direct messages alone."""
    shutil.rmtree(shop / "campaigns")
    (shop / "campaigns").mkdir()
    (shop / "campaigns/welcome.yaml").write_text(DIRECT)
    return shop


@pytest.mark.parametrize(
    ("rule", "same"),
    [
        ("consent: [double_opt_in, opt_in]", True),  # the order of a list is nothing
        ("consent: [opt_in]", False),
        ("where: {orders: '< 9'}\nconsent: [opt_in, double_opt_in]", False),
        ("consent: [opt_in, double_opt_in]\ncap: 3\ncap_window: 7d", False),
    ],
)
def test_a_plan_is_named_and_approved_with_whom_it_addresses(
    welcome: Path, store: Store, rule: str, same: bool
) -> None:
    (welcome / "audiences/readers.yaml").write_text("consent: [opt_in, double_opt_in]")
    before = proposed(welcome, store, "welcome-2026")
    apply(store, before, "mei", NOW)
    with store.begin() as connection:
        approvals.approve(connection, "welcome-2026", before.hash, "ana", NOW)
    (welcome / "audiences/readers.yaml").write_text(rule)
    after = proposed(welcome, store, "welcome-2026")
    assert (after.hash == before.hash) is same
    assert signs(after) == {Sign.SAME if same else Sign.CHANGE}
    saved = apply(store, after, "mei", NOW)
    assert (saved.unapproved == 0) is same


def test_a_pool_too_small_for_a_plan_is_said_and_so_is_one_that_is_not_there(
    welcome: Path, store: Store
) -> None:
    def asked() -> list[str]:
        return [ask for ask in proposed(welcome, store, "welcome-2026").preparation.asks if "pool" in ask]

    fill = "fill it with `silkpost codes import welcome FILE`"
    assert asked() == [f"there is no pool welcome of codes; {fill}"]
    (welcome / "codes.txt").write_text("WELCOME-1\nWELCOME-2\n")
    codes.import_file(store, "welcom", welcome / "codes.txt")
    assert asked() == ["there is no pool welcome of codes; did you mean welcom?"]
    (welcome / "codes.txt").write_text("WELCOME-3\n")
    codes.import_file(store, "welcome", welcome / "codes.txt")
    proposal = proposed(welcome, store, "welcome-2026")
    people = sum(reach.addressed for reach in proposal.reach.values())
    assert asked() == [f"pool welcome has 1 free code, this plan addresses {people}; {fill}"]
    (welcome / "codes.txt").write_text("".join(f"MANY-{number}\n" for number in range(people)))
    codes.import_file(store, "welcome", welcome / "codes.txt")
    assert asked() == []


def test_each_message_of_a_pool_has_the_place_of_a_code_and_no_other_code(
    welcome: Path, store: Store
) -> None:
    found = proposed(welcome, store, "welcome-2026").preparation
    assert found.problems == []
    assert {OWN_CODE in row.edition.fields for row in found.prepared} == {True}
    (welcome / "translations/de_DE.yaml").write_text("code: Mit dem Code LIGHT11 sparen\n")
    folder = welcome / "templates/welcome"
    folder.mkdir()
    (folder / "go.email.j2").write_text(
        "{% block title %}Hallo{% endblock %}{% block text %}{{ t.code }} {{ unsubscribe }}"
        "{{ sender }}{% endblock %}"
    )
    with (welcome / "campaigns/welcome.yaml").open("a") as file:
        file.write("content: {template: welcome}\n")
    wrong = [str(problem) for problem in proposed(welcome, store, "welcome-2026").preparation.problems]
    assert any(
        "the text says LIGHT11, the offer gives each reader a code of the pool welcome" in each
        for each in wrong
    )


def test_who_has_bought_is_counted_as_left_out_and_a_crowded_cap_is_said(welcome: Path, store: Store) -> None:
    (welcome / "audiences/readers.yaml").write_text("cap: 1\ncap_window: 7d\n")
    proposal = proposed(welcome, store, "welcome-2026")
    for reach in proposal.reach.values():
        assert reach.bought > 0
        assert reach.addressed + reach.left_out == reach.found
    (crowded,) = (ask for ask in proposal.preparation.asks if "its cap" in ask)
    assert crowded.startswith("DE: readers is written to 2 times within 7 d, and its cap is 1;")


def test_what_has_left_is_locked_and_shown_so(shop: Path, store: Store) -> None:
    released(store, proposed(shop, store))
    with store.begin() as connection:
        connection.execute(
            text(
                "UPDATE deliveries SET state = 'sent', remote_id = '1' WHERE placement_id IN"
                " (SELECT id FROM placements WHERE wave = 'teaser' AND kind = 'broadcast')"
            )
        )
    edit(shop, "discount: 25%", "discount: 20%")
    changed = proposed(shop, store)
    locked = [change for change in changed.changes if change.sign is Sign.LOCKED]
    assert {change.key.split("/")[1] for change in locked} == {"teaser"}
    launches = [change for change in changed.changes if "/launch/" in change.key]
    assert {change.sign for change in launches} == {Sign.CHANGE}
    assert all("since approval" in change.why for change in launches)


def test_a_wave_that_is_taken_out_is_removed(shop: Path, store: Store) -> None:
    apply(store, proposed(shop, store), "ana", NOW)
    edit(shop, "  reminder:  {at: day 12:30, channels: [email]}\n", "")
    changed = proposed(shop, store)
    gone = {change.key.split("/")[1] for change in changed.changes if change.sign is Sign.REMOVE}
    assert gone == {"reminder"}
    apply(store, changed, "ana", NOW)
    assert Sign.REMOVE not in signs(proposed(shop, store))


def test_rates_are_pinned_when_the_plan_is_applied(shop: Path, store: Store) -> None:
    """A new day's rates move no price that was approved, until somebody asks for it."""
    first = proposed(shop, store)
    apply(store, first, "ana", NOW)
    workspace, campaigns = load_all(shop)
    campaign = next(each for each in campaigns if each.spec.campaign == NAME)
    dearer = {code: units * 2 for code, units in RATES.table.items()}
    newer = Rates("EUR", NOW.date(), "ECB", dearer)
    kept = propose(workspace, campaign, renderer(workspace), newer, NOW, store)
    assert kept.hash == first.hash
    assert kept.facts.rates.on == RATES.on
    anew = propose(workspace, campaign, renderer(workspace), newer, NOW, store, refresh=True)
    assert anew.hash != first.hash


def test_messages_are_counted_with_what_is_held_out(shop: Path, store: Store) -> None:
    found = proposed(shop, store)
    reach = [reach for key, reach in found.reach.items() if "/reminder/" in key]
    assert sum(one.held_out for one in reach) > 0
    assert all(one.addressed + one.left_out == one.found for one in reach)
    apply(store, found, "ana", NOW)
    with store.read() as connection:
        planned = connection.execute(
            text(
                "SELECT COUNT(*) FROM deliveries d JOIN placements p ON p.id = d.placement_id"
                " WHERE p.kind = 'direct' AND p.campaign = :name"
            ),
            {"name": NAME},
        ).scalar_one()
    assert planned == sum(one.addressed for one in found.reach.values())


def test_a_blackout_day_is_foreseen_with_its_name(shop: Path, store: Store) -> None:
    found = proposed(shop, store)
    told = {found.outlook[key].why for key in found.outlook if "/launch/FR/" in key}
    assert told == {"Wed 11 Nov is armistice-1111 in FR"}
    assert any("blackout.armistice-1111 in markets/FR.yaml" in ask for ask in found.preparation.asks)


def test_a_plan_of_the_past_says_that_it_is_late(shop: Path, store: Store) -> None:
    found = proposed(shop, store, now=NOW + timedelta(days=3))
    late = [key for key, decided in found.outlook.items() if decided.why.startswith("late")]
    assert {key.split("/")[1] for key in late} == {"teaser"}


def test_the_invited_creator_is_a_contact_of_one(shop: Path, store: Store) -> None:
    released(store, proposed(shop, store, "lotus-lantern-collab"))
    with store.read() as connection:
        rows = connection.execute(
            text(
                "SELECT p.wave, p.item, COUNT(*) FROM deliveries d JOIN placements p ON p.id = d.placement_id"
                " WHERE p.kind = 'direct' GROUP BY p.wave, p.item"
            )
        ).all()
        invited = {item for wave, item, _ in rows if wave == "invite"}
        assert "minseo" in invited
        waves = ("invite", "follow-up-1", "follow-up-2")
        assert sorted(map(tuple, rows)) == sorted((wave, item, 1) for wave in waves for item in invited)
        assert plans.half_applied(connection) == []
