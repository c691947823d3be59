"""A workspace at work: the outbox stands in where secrets are missing, and markets' rules reach dispatch."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr

from channels import load
from channels.base import AccountFacts, Credentials, Quota, Retryable, Unauthorized
from orchestrator.adapters import Adapters
from orchestrator.assemble import Shop
from orchestrator.clock import VirtualClock
from orchestrator.doctor import examine, examine_store
from orchestrator.store import Keys, Store, StoreError, accounts, tokens
from orchestrator.store.ledger import Slot
from orchestrator.testing import Recorder
from orchestrator.workspace import Workspace, load_all

SAMPLE = Path(__file__).parents[2] / "examples/lantern-house"
NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
SECRETS = {"LANTERN_EAST_TOKEN": "seed-of-east", "LANTERN_WEST_TOKEN": "seed-of-west"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return load_all(Path(shutil.copytree(SAMPLE, tmp_path / "shop")))[0]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/silkpost.db", Keys.new(), create=True) as opened:
        yield opened


@pytest.mark.anyio
async def test_an_account_without_its_secret_writes_to_the_outbox(workspace: Workspace) -> None:
    async with Adapters(workspace, VirtualClock(NOW), environ={}) as adapters:
        stand_in = adapters.get("fediverse-west")
        assert type(stand_in).__module__ == "channels.outbox"
        assert not adapters.live("fediverse-west")
        assert stand_in.limits.text == 500  # what Mastodon takes: the plan is the real channel's


@pytest.mark.anyio
async def test_an_account_with_its_secret_is_real_and_never_shows_it(workspace: Workspace) -> None:
    async with Adapters(workspace, VirtualClock(NOW), environ=SECRETS) as adapters:
        real = adapters.get("fediverse-west")
        assert type(real).__module__ == "channels.mastodon"
        assert adapters.live("fediverse-west")
        assert "seed-of-west" not in f"{real!r} {real.settings!r}"


@pytest.mark.anyio
async def test_an_account_goes_as_slowly_as_it_is_told(workspace: Workspace, store: Store) -> None:
    """The operator's word wins over the platform's, and the platform's over what the channel knows."""
    told = Quota(7, timedelta(minutes=1), "the platform")
    with store.begin() as connection:
        tokens.learn(connection, "fediverse-west", AccountFacts("@house", quota=told), NOW)
    async with Adapters(workspace, VirtualClock(NOW), store=store, environ=SECRETS) as adapters:
        assert adapters.get("fediverse-west").quota == told
        assert adapters.get("fediverse-east").quota == load("mastodon").quota
    slow = workspace.accounts["fediverse-west"].model_copy(update={"quota": "3 per 10m"})
    accounts_of = {**workspace.accounts, "fediverse-west": slow}
    slower = replace(workspace, accounts=accounts_of)
    async with Adapters(slower, VirtualClock(NOW), store=store, environ=SECRETS) as adapters:
        quota = adapters.get("fediverse-west").quota
        assert quota is not None
        assert (quota.count, quota.window) == (3, timedelta(minutes=10))


@pytest.mark.anyio
async def test_a_rehearsal_publishes_nothing_whatever_secrets_are_there(workspace: Workspace) -> None:
    async with Adapters(workspace, VirtualClock(NOW), environ=SECRETS, outbox=True) as adapters:
        assert type(adapters.get("fediverse-west")).__module__ == "channels.outbox"


@pytest.mark.anyio
async def test_an_account_that_is_not_there_is_named(workspace: Workspace) -> None:
    async with Adapters(workspace, VirtualClock(NOW)) as adapters:
        with pytest.raises(LookupError, match="nobody"):
            adapters.get("nobody")


def slot(market: str, channel: str, kind: str, audience: str = "") -> Slot:
    return Slot(
        id=1,
        key="k",
        kind=kind,
        campaign="double-eleven-2026",
        wave="launch",
        market=market,
        locale="",
        account="a",
        channel=channel,
        audience=audience,
        item="-",
        edition_id=1,
        zone="UTC",
        late=timedelta(hours=1),
        ends_at=None,
        trigger="",
    )


def test_a_market_s_rules_reach_each_message(workspace: Workspace, store: Store) -> None:
    shop = Shop(workspace, store, VirtualClock(NOW))
    post = shop.rules(slot("FR", "mastodon", "broadcast"))
    assert post.blackouts[date(2026, 11, 11)] == "armistice-1111"
    assert post.quiet == ()  # hours are for messages to people
    letter = shop.rules(slot("DE", "email_smtp", "direct", "readers"))
    assert letter.consents == ("opt_in", "double_opt_in")
    invitation = shop.rules(slot("KR", "email_smtp", "direct", "creator:minseo"))
    assert invitation.consents == ("business",)


def test_a_daemon_that_runs_for_years_still_knows_the_days(workspace: Workspace, store: Store) -> None:
    shop = Shop(workspace, store, clock := VirtualClock(NOW))
    assert date(2029, 11, 11) not in shop.rules(slot("FR", "mastodon", "broadcast")).blackouts
    clock.advance(timedelta(days=3 * 365))
    assert date(2029, 11, 11) in shop.rules(slot("FR", "mastodon", "broadcast")).blackouts


@pytest.mark.anyio
async def test_the_backup_of_a_day_is_made_once_and_seven_are_kept(
    workspace: Workspace, tmp_path: Path
) -> None:
    clock = VirtualClock(NOW)
    with Store.open(f"sqlite:///{tmp_path}/silkpost.db", Keys.new(), create=True) as store:
        shop = Shop(workspace, store, clock)
        for _ in range(10):
            await shop.backup()
            await shop.backup()
            clock.advance(timedelta(days=1))
        await shop.close()
    assert sorted(file.stem for file in (tmp_path / "backups").glob("*.db")) == [
        f"2026-11-{day}" for day in range(14, 21)
    ]


def test_the_doctor_names_what_will_hurt(workspace: Workspace, store: Store) -> None:
    _, campaigns = load_all(workspace.root)
    live = dict.fromkeys(workspace.accounts, False)
    told = list(examine(workspace, campaigns, NOW, live))
    assert any("letters: no credentials here" in line for line in told)
    assert any(line.startswith("markets SA:") and "unverified" in line for line in told)
    later = list(examine(workspace, campaigns, NOW + timedelta(days=800), live))
    assert any("due to be read again" in line for line in later)
    with store.begin() as connection:
        accounts.stop(connection, "letters", "the password was refused", NOW)
    assert "letters: stopped: the password was refused; mend it, then silkpost resume --account letters" in (
        examine_store(store, NOW)
    )


class Renewing(Recorder):
    """A platform whose tokens live for two hours, and which gives a new one for each old one, once."""

    async def renew(self) -> Credentials:
        used = self.credentials.values.get("refresh", SecretStr("seed")).get_secret_value()
        if used in self.spent:
            raise Unauthorized("this refresh token was used before")
        if self.down:
            raise Retryable("POST /token: HTTP 503")
        self.spent.append(used)
        fresh = SecretStr(f"refresh-{len(self.spent)}")
        return Credentials({"refresh": fresh}, self.clock.now() + timedelta(hours=2))

    spent: ClassVar[list[str]] = []
    down = False


@pytest.mark.anyio
async def test_tokens_are_renewed_before_they_end_and_never_twice(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a day each rotated token is used once; an hour's outage of the platform loses none."""
    clock = VirtualClock(NOW)
    shop = Shop(workspace, store, clock)
    renewing = Renewing(clock)
    monkeypatch.setattr(shop.adapters, "live", lambda name: name == "letters")
    monkeypatch.setattr(shop.adapters, "get", lambda name: renewing)
    for minute in range(24 * 60):
        renewing.down = 600 <= minute < 605
        await shop.renew()
        clock.advance(timedelta(minutes=1))
        held = renewing.credentials.expires_at
        assert held is not None
        assert held > clock.now()
    assert len(renewing.spent) == len(set(renewing.spent))
    with store.read() as connection:
        kept = tokens.credentials(connection, store.vault, "letters")
    assert kept.values["refresh"].get_secret_value() == f"refresh-{len(renewing.spent)}"
    await shop.close()


class Slow(Renewing):
    """Takes a while, so that whoever else renews comes in between."""

    async def renew(self) -> Credentials:
        renewed = await super().renew()
        for _ in range(50):
            await asyncio.sleep(0.001)
        return renewed


def shop_of(workspace: Workspace, store: Store, renewing: Renewing, monkeypatch: pytest.MonkeyPatch) -> Shop:
    renewing.spent = []  # type: ignore[misc]  # each test's own
    shop = Shop(workspace, store, renewing.clock)
    monkeypatch.setattr(shop.adapters, "live", lambda name: name == "letters")
    monkeypatch.setattr(shop.adapters, "get", lambda name: renewing)
    return shop


@pytest.mark.anyio
async def test_two_processes_on_one_store_renew_once_and_both_go_on_with_the_new_token(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(NOW)
    adapters = Slow(clock), Slow(clock)
    shops = [shop_of(workspace, store, each, monkeypatch) for each in adapters]
    adapters[1].spent = adapters[0].spent  # type: ignore[misc]  # one platform
    for _ in range(200):
        await asyncio.gather(*(shop.renew() for shop in shops))
        clock.advance(timedelta(minutes=1))
    assert 2 <= len(adapters[0].spent) == len(set(adapters[0].spent)) <= 3
    await asyncio.gather(*(shop.renew() for shop in shops))
    assert adapters[0].credentials == adapters[1].credentials
    for shop in shops:
        await shop.close()


@pytest.mark.anyio
async def test_a_process_that_dies_while_it_renews_holds_the_others_up_for_minutes(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(NOW)
    await store.run(tokens.claim, store.vault, "letters", "one that was killed", NOW)
    renewing = Renewing(clock)
    shop = shop_of(workspace, store, renewing, monkeypatch)
    await shop.renew()
    assert not renewing.spent
    clock.advance(timedelta(minutes=5))
    await shop.renew()
    assert renewing.spent == ["seed"]
    await shop.close()


@pytest.mark.anyio
async def test_a_platform_that_is_down_when_we_start_is_asked_again(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(NOW)
    renewing = Renewing(clock)
    shop = shop_of(workspace, store, renewing, monkeypatch)
    renewing.down = True
    await shop.renew()
    renewing.down = False
    clock.advance(timedelta(minutes=1))
    await shop.renew()
    assert renewing.credentials.values["refresh"].get_secret_value() == "refresh-1"
    await shop.close()


@pytest.mark.anyio
async def test_what_the_store_did_not_take_is_kept_later_and_not_asked_for_anew(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewing = Renewing(VirtualClock(NOW))
    shop = shop_of(workspace, store, renewing, monkeypatch)

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(tokens, "keep", full)
        with pytest.raises(StoreError, match="the disk is full"):
            await shop.renew()
    await shop.renew()
    assert renewing.spent == ["seed"]
    with store.read() as connection:
        kept = tokens.credentials(connection, store.vault, "letters")
    assert kept.values["refresh"].get_secret_value() == "refresh-1"
    await shop.close()


@pytest.mark.anyio
async def test_a_person_who_logs_in_while_we_renew_is_not_overruled(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = Credentials({"refresh": SecretStr("by-hand")}, NOW + timedelta(hours=3))

    class Meanwhile(Renewing):
        async def renew(self) -> Credentials:
            await store.run(tokens.keep, store.vault, "letters", by_hand)
            return await super().renew()

    renewing = Meanwhile(VirtualClock(NOW))
    shop = shop_of(workspace, store, renewing, monkeypatch)
    await shop.renew()
    assert renewing.credentials == by_hand
    await shop.close()


@pytest.mark.anyio
@pytest.mark.parametrize("ended", [False, True])
async def test_a_grant_that_is_no_more_stops_the_account_once_its_token_has_ended(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    clock = VirtualClock(NOW)
    renewing = Renewing(clock)
    shop = shop_of(workspace, store, renewing, monkeypatch)
    held = Credentials({"refresh": SecretStr("used")}, NOW + timedelta(minutes=-1 if ended else 5))
    renewing.spent.append("used")
    await store.run(tokens.keep, store.vault, "letters", held)
    renewing.credentials = held
    await shop.renew()
    with store.read() as connection:
        assert ("letters" in accounts.stopped(connection)) is ended
    await shop.close()


@pytest.mark.anyio
async def test_the_daemon_asks_for_rates_before_a_plan_does_and_a_rehearsal_asks_nobody(
    workspace: Workspace, store: Store
) -> None:
    asked: list[str] = []

    async def ask() -> None:
        asked.append("ECB")

    for rates in (None, ask):
        shop = Shop(workspace, store, VirtualClock(NOW), rates=rates)
        await shop.engine().jobs["rates"]()
        await shop.close()
    assert asked == ["ECB"]


@pytest.mark.anyio
async def test_a_log_in_beside_the_daemon_is_taken_up_and_what_an_adapter_renewed_itself_stays(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(NOW)
    shop = Shop(workspace, store, clock)
    renewing = Renewing(clock)
    monkeypatch.setattr(shop.adapters, "live", lambda name: name == "letters")
    monkeypatch.setattr(shop.adapters, "get", lambda name: renewing)
    await shop.renew()
    own = renewing.credentials = Credentials({"refresh": SecretStr("own")}, NOW + timedelta(hours=2))
    await shop.renew()
    assert renewing.credentials is own
    by_hand = Credentials({"refresh": SecretStr("by-hand")}, NOW + timedelta(hours=3))
    await store.run(tokens.keep, store.vault, "letters", by_hand)
    await shop.renew()
    assert renewing.credentials == by_hand
    await shop.close()
