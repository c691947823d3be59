"""Due deliveries become receipts: an account's worker each, and what is in doubt settled by asking."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from channels.base import (
    Absent,
    Attempt,
    CannotTell,
    Channel,
    ChannelError,
    Clock,
    Finds,
    Follows,
    Found,
    Receipt,
    Rejected,
    State,
)
from content.personal import OWN_CODE, Skeleton
from content.render import Edition
from orchestrator import outcome
from orchestrator.store import (
    Connection,
    Store,
    StoreError,
    accounts,
    contacts,
    doubts,
    lapses,
    ledger,
    queue,
)
from orchestrator.store.doubts import Answer, Pending
from orchestrator.store.ledger import NEVER, Ability, Claimed, Moved, Rules, Slot
from orchestrator.store.queue import Claimant
from orchestrator.worker import Pace, Shared, Worker

log = structlog.get_logger()

#: How long a person who is asked nothing else may be kept waiting by a platform that cannot be asked now.
_ASK_AGAIN = timedelta(minutes=5)
_FOLLOW_AGAIN = timedelta(seconds=30)
#: How far `dispatch` looks for something due before it says that it is done.
PATIENCE = timedelta(seconds=2)


def worker_name() -> str:
    """Who we are in the ledger: another name for every process, for a lease must not outlive its holder."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def settle_in() -> None:
    """What a process that sends for long does once, with all it needs imported and opened.

    A full garbage collection walks everything alive, a few hundred thousand objects of libraries that stay.
    Frozen, they are left alone, and it walks the messages in hand.
    """
    importlib.import_module("channels._wire")
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


_NO_RULES = Rules()


def no_rules(slot: Slot) -> Rules:
    return _NO_RULES


def no_links(delivery: Claimed) -> Mapping[str, str]:
    return {}


class Dispatcher:
    """The dispatch of one process. Channels come from `adapter_for`, so that it does not know a workspace.

    `rules` and `links` are called inside transactions, in the store's thread: they must be quick and pure.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        adapter_for: Callable[[str], Channel],
        *,
        rules: Callable[[Slot], Rules] = no_rules,
        links: Callable[[Claimed], Mapping[str, str]] = no_links,
        pace: Pace | None = None,
        worker: str = "",
    ) -> None:
        self.store = store
        self.clock = clock
        self.worker = worker or worker_name()
        self.rules = rules
        self._links = links
        self._adapter_for = adapter_for
        self._channels: dict[str, Channel] = {}
        self._shared = Shared(store, clock, pace or Pace())
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[datetime | None]] = {}
        self._renewal: asyncio.Task[None] | None = None

    # The verb

    async def drain(self, account: str) -> datetime | None:
        """Send all that may leave through one account now; when something may next, if time brings it."""
        try:
            channel = self.channel(account)
        except Exception as error:
            why = f"its channel cannot be opened: {type(error).__name__}: {error}"
            await self.store.run(accounts.stop, account, why, self.clock.now())
            log.error("account", account=account, why=why)
            return None
        who = Claimant(
            self.worker,
            self._shared.pace.lease,
            self.ability(account),
            self.rules,
            self._personal,
            self.store.vault,
        )
        worker = self._workers[account] = Worker(self._shared, account, channel, who)
        self._keep_leases()
        try:
            return await worker.run()
        finally:
            del self._workers[account]
            if not self._workers and self._renewal is not None:
                self._renewal.cancel()
                self._renewal = None

    async def once(self, patience: timedelta = PATIENCE) -> datetime | None:
        """Drain every account until nothing is due within `patience`; gives when something is.

        None means that nothing is planned, or that only an event or a person can bring it on.
        """
        names = await self.store.fetch(queue.accounts_with_work, self.clock.now())
        drained = (self._patiently(name, patience) for name in names)
        again = await asyncio.gather(*drained, return_exceptions=True)
        for error in again:
            if isinstance(error, BaseException):
                raise error
        later = await self.store.fetch(queue.next_due, self.clock.now())
        told = later | dict(zip(names, again, strict=True))  # who was drained knows of its breaker
        moments = (moment for moment in told.values() if isinstance(moment, datetime))
        return min((moment for moment in moments if moment < NEVER), default=None)

    async def _patiently(self, account: str, patience: timedelta) -> datetime | None:
        while True:
            again_at = await self.drain(account)
            if again_at is None or self._shared.stopping:
                return again_at
            wait = again_at - self.clock.now()
            if wait > patience:
                return again_at
            await self.clock.sleep(max(wait.total_seconds(), 0.001))

    async def tick(self) -> None:
        """Wake a worker for every account that has something due, and return."""
        if self._shared.stopping:
            return
        for name in await self.store.fetch(queue.accounts_with_work, self.clock.now()):
            if name in self._workers:
                self._workers[name].poke()
            elif name not in self._tasks:
                task = asyncio.ensure_future(self._patiently(name, PATIENCE))
                self._tasks[name] = task
                task.add_done_callback(lambda done, name=name: self._ended(name, done))  # type: ignore[misc]

    def _ended(self, account: str, task: asyncio.Task[datetime | None]) -> None:
        del self._tasks[account]
        if not task.cancelled() and (error := task.exception()):
            log.error("account", account=account, why=outcome.where(error), error=str(error))

    async def stop(self, within: float = 8.0) -> None:
        """Claim nothing new, let what is in flight finish, give back the rest; at most `within` seconds."""
        self._shared.stopping = True
        for worker in self._workers.values():
            worker.poke()
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def close(self) -> None:
        """Let go of every channel."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    # Channels

    def channel(self, account: str) -> Channel:
        """The account's channel, made once; raises what the factory raises."""
        if account not in self._channels:
            self._channels[account] = self._adapter_for(account)
        return self._channels[account]

    def ability(self, account: str) -> Ability:
        """How this account's doubts are settled; a channel that cannot be opened can do nothing."""
        try:
            channel = self.channel(account)
        except Exception:
            return Ability()
        finds = isinstance(channel, Finds) and channel.can_be_asked
        return Ability(channel.idempotent_for, finds, channel.quota)

    # Leases

    def _keep_leases(self) -> None:
        if self._renewal is None:
            self._renewal = asyncio.ensure_future(self._renew())

    async def _renew(self) -> None:
        shared = self._shared
        while True:
            await self.clock.sleep(shared.pace.lease.total_seconds() / 4)
            before = dict(shared.held)
            until = self.clock.now() + shared.pace.lease
            try:
                ours = await self.store.run(ledger.renew, self.worker, until)
            except StoreError as error:
                log.error("store", why=str(error))
                continue
            for delivery in before.values():
                if (delivery.id, delivery.number) in ours:
                    delivery.lease_until = until

    async def sweep(self) -> None:
        """Settle expired leases, skip what can no longer leave."""
        now, delay = self.clock.now(), self._shared.pace.ask_after
        names = await self.store.fetch(doubts.expired_accounts, now)
        abilities = {name: self.ability(name) for name in names}
        self._tell(await self.store.run(doubts.sweep, abilities, now, delay=delay))
        self._tell(await self.store.run(lapses.lapse, now, self.rules))

    def _tell(self, moved: Sequence[Moved]) -> None:
        for each in moved:
            log.info("delivery", key=each.key, state=each.state, why=each.why)

    # What outlives its attempt

    async def follow(self) -> None:
        """Ask what became of what is unknown and of what a platform publishes later, account by account."""
        for state, ask in (("unknown", self._find), ("processing", self._follow)):
            pending = await self.store.fetch(doubts.due, state, self.clock.now())
            by_account: dict[str, list[Pending]] = {}
            for each in pending:
                by_account.setdefault(each.account, []).append(each)
            await asyncio.gather(*(self._in_turn(ask, theirs) for theirs in by_account.values()))

    async def _in_turn(self, ask: Callable[[Pending], Awaitable[None]], pending: list[Pending]) -> None:
        for each in pending:
            if self._shared.stopping:
                return
            try:
                await ask(each)
            except ChannelError as error:
                await self._later(each, self.clock.now() + _ASK_AGAIN, str(error))
            except Exception as error:
                await self._later(each, NEVER, outcome.where(error))

    async def _find(self, pending: Pending) -> None:
        channel = self.channel(pending.account)
        if not isinstance(channel, Finds):
            await self._later(pending, NEVER, "it cannot be asked of this channel; a person must look")
            return
        now = self.clock.now()
        match await channel.find(await self._attempt(pending)):
            case Found(receipt):
                await self._answer(Answer(pending, "sent", "found", receipt=receipt))
            case Absent():
                why = "the platform does not have it"
                await self._answer(Answer(pending, "planned", "absent", why, next_at=now))
            case CannotTell(why):
                await self._later(pending, NEVER, why)

    async def _follow(self, pending: Pending) -> None:
        channel = self.channel(pending.account)
        if not isinstance(channel, Follows):
            await self._later(pending, NEVER, "it cannot be followed on this channel; a person must look")
            return
        known = Receipt(pending.remote_id, pending.url, State.PROCESSING, saved=pending.resume)
        try:
            receipt = await channel.follow(known)
        except Rejected as error:
            await self._answer(Answer(pending, "failed", "rejected", str(error)))
            return
        if receipt.state is State.SENT:
            await self._answer(Answer(pending, "sent", "", receipt=receipt))
        else:
            await self._later(pending, self.clock.now() + _FOLLOW_AGAIN, "the platform is still at it")

    async def _attempt(self, pending: Pending) -> Attempt:
        """The attempt as it was made, for a channel to look for."""
        body = (await self.store.fetch(queue.bodies, [pending.edition_id]))[pending.edition_id]
        edition = Edition.from_json(body)
        message = edition.message
        if pending.personal is not None:
            plain = self.store.vault.unseal(pending.personal, queue.sealed_for(pending.id))
            message = Skeleton(edition).fill(json.loads(plain))
        key = self.store.vault.key_for(pending.id, pending.generation)
        return Attempt(message, key, since=pending.since, number=pending.number, resume=pending.resume)

    async def _answer(self, answer: Answer) -> None:
        if await self.store.run(doubts.answer, answer, self.worker, self.clock.now()):
            self._tell([Moved(doubts.key_of(answer.pending), answer.state, answer.why)])

    async def _later(self, pending: Pending, at: datetime, why: str) -> None:
        await self.store.run(doubts.later, pending, at, why)

    # Personal values

    def _personal(self, connection: Connection, taken: Sequence[Claimed]) -> dict[int, dict[str, str]]:
        """What each recipient's message is filled with; frozen with the first intent."""
        people = contacts.load(connection, self.store.vault, {delivery.contact_id for delivery in taken})
        values = {}
        for delivery in taken:
            person = people[delivery.contact_id]
            values[delivery.id] = {
                **{name: str(value) for name, value in person.segment.items()},
                **person.fields,
                "name": person.name,
                "to": person.address,
                **({OWN_CODE: delivery.code} if delivery.code else {}),
                **self._links(delivery),
            }
        return values
