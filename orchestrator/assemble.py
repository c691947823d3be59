"""Puts the engine of a workspace together: its adapters, the rules of its markets, and what its ticks do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import structlog

from channels import load
from channels.base import Channel, ChannelError, Credentials, Renews, Unauthorized
from orchestrator.adapters import Adapters
from orchestrator.alerts import alert, say
from orchestrator.collect import collect, import_file
from orchestrator.dispatch import Dispatcher
from orchestrator.gather import blackouts, holidays_of
from orchestrator.propose import CREATOR, fixed_prices
from orchestrator.quiet import quiet_of
from orchestrator.schedule import Engine
from orchestrator.store import (
    Connection,
    accounts,
    alerts,
    backup,
    lapses,
    prices,
    retention,
    standing,
    stock,
    tokens,
)
from orchestrator.store.contacts import unsubscribe_token
from orchestrator.store.ledger import Claimed, Rules, Slot

if TYPE_CHECKING:
    from channels.base import Clock
    from locales.market import Market
    from orchestrator.alerts import Words
    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

log = structlog.get_logger()

BACKUPS_KEPT = 7
#: A renewal that failed is tried again after this part of the time the token still has.
_PART_OF_THE_REST = 20
#: Personal values are forgotten this long after their delivery ended, attempts after that.
PERSONAL_KEPT, ATTEMPTS_KEPT = timedelta(days=30), timedelta(days=400)


class Shop:
    """A workspace at work: what its engine asks of it, and what its ticks do."""

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        clock: Clock,
        *,
        outbox: bool = False,
        rates: Callable[[], Awaitable[object]] | None = None,
        texts: tuple[Words, Callable[[Mapping[str, int]], str]] | None = None,
    ) -> None:
        self.workspace, self.store, self.clock = workspace, store, clock
        self._rates = rates  #: asks for those of the day, and keeps them
        self._texts = texts  #: of alerts and of the digest; without them, robots are told nothing
        self.adapters = Adapters(workspace, clock, store=store, outbox=outbox)
        self.dispatcher = Dispatcher(store, clock, self.adapters.get, rules=self.rules, links=self.links)
        self._sold_out: frozenset[str] = frozenset()
        self._asked: dict[str, datetime] = {}  #: when an account's tokens were last to be renewed
        self._refused: set[str] = set()  #: accounts whose settings hold nothing to renew from
        self._unkept: dict[str, Credentials] = {}  #: renewed, and not yet in the store
        self._told: set[str] = set()  #: what a feed was found wrong in, said once
        self._kept: dict[str, Credentials] = {}  #: as the store had them when we last looked
        self._market_rules = cache(self._rules_of)

    def engine(self, serve: Callable[[asyncio.Event], Awaitable[None]] | None = None) -> Engine:
        jobs: Mapping[str, Callable[[], Awaitable[object]]] = {
            "renew": self.renew,
            "collect": self.collect,
            "rates": self.keep_rates,
            "backup": self.backup,
            "alerts": self.alert,
            "digest": self.digest,
            "retention": self.retain,
        }
        return Engine(self.store, self.clock, self.dispatcher, jobs, serve)

    # What dispatch asks; called in the store's thread

    def rules(self, slot: Slot) -> Rules:
        """What the market and the workspace say of one placement."""
        channel, year = slot.channel if slot.kind == "direct" else "", self.clock.now().year
        rules = self._market_rules(slot.market, channel, slot.audience, year)
        if slot.campaign in self._sold_out:
            return Rules(rules.quiet, rules.blackouts, rules.consents, sold_out=True)
        return rules

    def _rules_of(self, code: str, channel: str, audience: str, year: int) -> Rules:
        """As they are about this year: a daemon may run for many."""
        market: Market = self.workspace.market(code)
        years = (year - 1, year, year + 1)
        days = blackouts(market, years, self.workspace)
        if not channel:
            return Rules(blackouts=days)
        quiet = quiet_of(market.hours(load(channel).medium), holidays_of(market, years))
        if audience.startswith(CREATOR):
            return Rules(quiet, days, ("business",))
        known = self.workspace.audiences.get(audience)
        return Rules(quiet, days, tuple(known.consent)) if known else Rules(quiet, days)

    def links(self, delivery: Claimed) -> Mapping[str, str]:
        """The addresses that belong to one recipient alone."""
        token = unsubscribe_token(self.store.vault, delivery.contact_id, delivery.id)
        return {"unsubscribe": f"{self.workspace.settings.public_url.rstrip('/')}/u/{token}"}

    # What the ticks do

    async def collect(self) -> None:
        """Read the platforms, follow the feeds, and let what waits for an empty shelf go."""
        now = self.clock.now()
        done = await collect(self.store, self.adapters.get, now)
        for account, why in done.failures.items():
            log.warning("collect", account=account, why=why)
        for feed in self.workspace.settings.feeds:
            path = self.workspace.path(feed)
            if path.is_file():
                for problem in import_file(self.store, path, until=now).problems:
                    if problem not in self._told:
                        self._told.add(problem)
                        log.warning("feed", why=problem)
        self._sold_out = await self.store.run(self._shelves, now)

    def _shelves(self, connection: Connection, now: datetime) -> frozenset[str]:
        """The campaigns that have sold what they had; what waited for that is due now."""
        gone = stock.sold_out(connection)
        for campaign, markets in gone.items():
            for market in markets:
                for moved in lapses.fire(connection, campaign, market, "sold_out", now):
                    log.info("delivery", key=moved.key, state=moved.state, why=moved.why)
        return frozenset(gone)

    async def renew(self) -> None:
        """Renew the tokens that end soon, one account after the other: a rotated one is used only once.

        A platform that cannot be reached is asked again later; the old token stands meanwhile.
        """
        for name in self.workspace.accounts:
            if not self.adapters.live(name):
                continue
            adapter = self.adapters.get(name)
            if isinstance(adapter, Renews):
                await self._renew(name, adapter)

    async def _renew(self, name: str, adapter: Channel) -> None:
        kept = await self.store.fetch(tokens.credentials, self.store.vault, name)
        if kept != self._kept.setdefault(name, kept):
            self._adopt(name, adapter, kept)
        if name not in self._unkept and not self._is_due(name, adapter, self.clock.now()):
            return
        now, worker = self.clock.now(), self.dispatcher.worker
        held = await self.store.run(tokens.claim, self.store.vault, name, worker, now)
        if held is None:
            return  # another process is at it, and we read what it got at the next tick
        try:
            if held != self._kept[name]:
                self._adopt(name, adapter, held)
            else:
                await self._rotate(name, adapter, held)
        finally:
            await self.store.run(tokens.give_back, name, worker)

    def _adopt(self, name: str, adapter: Channel, kept: Credentials) -> None:
        """A person has logged in, or another process has renewed, meanwhile."""
        adapter.credentials = self._kept[name] = kept
        self._unkept.pop(name, None)

    async def _rotate(self, name: str, adapter: Channel, before: Credentials) -> None:
        """Ask for new tokens and keep them; what the store did not take is kept later, not asked anew."""
        assert isinstance(adapter, Renews)  # noqa: S101  `renew` looks at no other
        if name not in self._unkept:
            now = self._asked[name] = self.clock.now()
            try:
                self._unkept[name] = await adapter.renew()
            except ChannelError as error:
                log.warning("renew", account=name, why=str(error))
                if isinstance(error, Unauthorized):
                    await self._ended(name, adapter.credentials, str(error), now)
                return
        adapter.credentials = renewed = self._unkept[name]
        kept = await self.store.run(tokens.rotate, self.store.vault, name, before, renewed)
        self._adopt(name, adapter, kept)
        log.info("renew", account=name)

    async def _ended(self, name: str, held: Credentials, why: str, now: datetime) -> None:
        """There is nothing to renew from: once the token has ended, a person has to log in."""
        if not held.values:
            self._refused.add(name)
        elif held.expires_at and held.expires_at <= now:
            await self.store.run(accounts.stop, name, why, now)

    def _is_due(self, name: str, adapter: Channel, now: datetime) -> bool:
        """Tokens from the settings are renewed once, to learn when they end; others when they end soon."""
        held = adapter.credentials
        if not held.values:
            return name not in self._refused
        if held.expires_at is None or (left := held.expires_at - now) >= adapter.renew_before:
            return False
        asked = self._asked.get(name)
        return asked is None or now - asked >= left / _PART_OF_THE_REST

    async def keep_rates(self) -> None:
        """Ask for the day's rates, so that no plan waits for them; put on record what products cost now."""
        if self._rates:
            await self._rates()
        await self.keep_prices()

    async def keep_prices(self) -> None:
        """A "was" price is held against them later."""
        await self.store.run(prices.keep_usual, fixed_prices(self.workspace.products), self.clock.now())

    async def backup(self) -> None:
        """A copy a day beside the store; the oldest go."""
        if self.store.path is None:
            return
        folder = self.store.path.parent / "backups"
        folder.mkdir(exist_ok=True)
        file = folder / f"{self.clock.now():%Y-%m-%d}.db"
        if not file.exists():
            backup.backup(self.store, file)
        for old in sorted(folder.glob("????-??-??.db"))[:-BACKUPS_KEPT]:
            old.unlink()

    async def digest(self) -> None:
        """One line a day, to the log and to the team: how many are where, and what needs a person."""
        now = self.clock.now()
        if not await self.store.run(alerts.digest_is_due, now):
            return
        states = await self.store.fetch(standing.counts)
        log.info("digest", **states)
        if self._texts is None:
            return
        text = self._texts[1](states)
        for name in self.workspace.settings.alerts:
            await say(self.adapters.get(name), name, text, f"digest-{now:%Y-%m-%d}-{name}", now)

    async def alert(self) -> None:
        """Tell the team's robots what needs a person, each thing once; one robot never waits for another."""
        if self._texts is None or not self.workspace.settings.alerts:
            return
        words, now = self._texts[0], self.clock.now()
        robots = [(name, self.adapters.get(name)) for name in self.workspace.settings.alerts]
        telling = (alert(self.store, name, robot, words, now) for name, robot in robots)
        for answer in await asyncio.gather(*telling, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    async def retain(self) -> None:
        now = self.clock.now()
        forgotten = await self.store.run(retention.forget, now - PERSONAL_KEPT, now - ATTEMPTS_KEPT)
        log.info("retention", forgotten=forgotten)

    async def close(self) -> None:
        await self.dispatcher.close()
        await self.adapters.__aexit__()
