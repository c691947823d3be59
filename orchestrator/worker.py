"""One account's worker: it claims, sends and settles, and claims the next while these fly.

Where a repeat could double a post, only what is in flight is claimed (strict). Where the platform drops
repeats or can be asked, the next deliveries are claimed while these fly (looking ahead). Results and the next
claim share one transaction, so the ledger costs a commit for a group, not for a message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from channels.base import (
    Attempt,
    Channel,
    Clock,
    Completion,
    LeaseLost,
    Receipt,
    Rejected,
    SendsMany,
)
from content.message import Message
from content.personal import Skeleton
from content.render import Edition
from orchestrator import outcome
from orchestrator.policy import Send, decide
from orchestrator.store import Connection, Store, StoreError, accounts, ledger, queue
from orchestrator.store.accounts import Account
from orchestrator.store.holds import Watch, paused
from orchestrator.store.ledger import Claimed, Moved, Result
from orchestrator.store.queue import Claim, Claimant
from orchestrator.window import Window

log = structlog.get_logger()

_KEPT_EDITIONS = 64
#: A result waits for company at most this part of what a request takes, so that a commit serves several.
_GATHER = 0.04
_LONGEST_GATHER = 0.01
#: Where requests are slow a result is committed after this many seconds, with or without company.
_LONGEST_UNSAID = 0.25
_TRY_AGAIN = 1.0
#: Looking ahead, so much is claimed for each place in flight: enough for a commit to serve a whole group.
_AHEAD = 2.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How many at once, and how long a worker holds on to what it has claimed."""

    in_flight: int = 50
    lease: timedelta = timedelta(minutes=3)
    margin: timedelta = timedelta(seconds=80)  #: of the lease, left at the fence: longer than a request takes
    ask_after: timedelta = timedelta(minutes=2)  #: a doubt is looked at no sooner after its attempt


@dataclass(slots=True)
class Shared:
    """What the workers of one process share: the store, what they hold, what is paused, when to stop."""

    store: Store
    clock: Clock
    pace: Pace
    held: dict[int, Claimed] = field(default_factory=dict)
    stopping: bool = False
    windows: dict[str, Window] = field(default_factory=dict)  #: by account
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.store)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What one transaction gave: the next claim, its editions, the account as it stands, what moved."""

    claim: Claim
    bodies: dict[int, bytes]
    account: Account
    moved: list[Moved]


def exchange(
    connection: Connection,
    who: Claimant,
    name: str,
    results: Sequence[Result],
    released: Sequence[Claimed],
    room: int,
    flying: int,
    known: Collection[int],
    now: datetime,
) -> Exchanged:
    """Settle what is done and claim what is next, in one transaction."""
    before = accounts.load(connection, name)
    account = replace(before)
    for result in results:
        if result.tells:
            result.tells(account)
    moved = ledger.settle(connection, who.worker, results, now)
    ledger.release(connection, who.worker, released)
    account.give_back(who.ability.quota, len(released))
    claim = queue.claim(connection, who, account, room, flying, now)
    accounts.save(connection, account, before)
    wanted = {delivery.edition_id for delivery in claim.taken}.difference(known)
    return Exchanged(claim, queue.bodies(connection, wanted), account, [*moved, *claim.moved])


class Worker:
    """Drains one account. `run` returns when nothing more may leave now, and says when something may."""

    def __init__(self, shared: Shared, name: str, channel: Channel, who: Claimant) -> None:
        self._shared = shared
        self._name = name
        self._channel = channel
        self._who = who
        self._account = Account(name)
        self._many = channel if isinstance(channel, SendsMany) else None
        self._window = shared.windows.setdefault(name, Window(shared.pace.in_flight))
        self._ready: deque[Claimed] = deque()
        self._flying = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._released: list[Claimed] = []
        self._messages: dict[int, Message] = {}
        self._skeletons: dict[int, Skeleton] = {}
        self._news = asyncio.Event()
        self._poked = False
        self._dry = False
        self._takes = 0.0  #: seconds, what a request has taken of late

    def poke(self) -> None:
        """Something may have become due: look again without waiting for an answer."""
        self._poked = True
        self._news.set()

    async def run(self) -> datetime | None:
        try:
            while True:
                claim = await self._commit()
                self._start()
                idle = not (self._flying or self._ready or self._results or self._released)
                now = self._shared.clock.now()
                if idle and (self._shared.stopping or claim.again_at is None or claim.again_at > now):
                    return claim.again_at
                await asyncio.sleep(0) if idle else await self._enough()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            held = self._shared.held
            for delivery in [each for each in held.values() if each.slot.account == self._name]:
                del held[delivery.id]

    # The ledger

    async def _commit(self) -> Claim:
        """One exchange with the store; while it cannot be written nothing leaves, and no result is lost."""
        shared = self._shared
        while True:
            results, self._results = self._results, []
            self._put_back()
            released, self._released = self._released, []
            self._poked = False
            room = 0 if shared.stopping else self._room()
            try:
                done = await shared.store.soon(
                    exchange,
                    self._who,
                    self._name,
                    results,
                    released,
                    room,
                    self._flying,
                    frozenset(self._skeletons),
                    shared.clock.now(),
                )
            except StoreError as error:
                self._results, self._released = results + self._results, released + self._released
                if not self._waits_for_store():
                    raise
                log.error("store", account=self._name, why=str(error))
                self._account.stop("the store cannot be written", shared.clock.now())
                await asyncio.sleep(_TRY_AGAIN)
            else:
                return self._take(done, results, released, room)

    def _waits_for_store(self) -> bool:
        """Whether an answer is in hand or in flight that a later commit can still record."""
        now = self._shared.clock.now()
        hand = [*(result.delivery for result in self._results), *self._released, *self._ready]
        return bool(self._flying) or any(delivery.lease_until > now for delivery in hand)

    def _room(self) -> int:
        ahead = _AHEAD if self._who.ability.looks_ahead else 1
        return int(self._window.size * ahead) - self._flying - len(self._ready)

    def _take(self, done: Exchanged, results: list[Result], released: list[Claimed], room: int) -> Claim:
        held = self._shared.held
        for delivery in (*(result.delivery for result in results), *released):
            if held.get(delivery.id) is delivery:
                del held[delivery.id]
        for delivery in released:
            self._messages.pop(delivery.edition_id, None)
        tell = log.bind(account=self._name)
        for moved in done.moved:
            tell.info("delivery", key=moved.key, state=moved.state, why=moved.why)
        self._account = done.account
        self._compile(done.claim.taken, done.bodies)
        for delivery in done.claim.taken:
            held[delivery.id] = delivery
        self._ready.extend(done.claim.taken)
        self._dry = len(done.claim.taken) < room
        return done.claim

    def _put_back(self) -> None:
        """What was claimed ahead and may not leave after all goes back to the queue."""
        if self._ready and self._closed():
            self._released.extend(self._ready)
            self._ready.clear()

    def _closed(self) -> bool:
        account = self._account
        if self._shared.stopping or account.stopped:
            return True
        return account.closed_until(self._shared.clock.now()) is not None

    async def _enough(self) -> None:
        """Until a commit is worth it: a group of results, room to fill, or nothing left to wait for."""
        while not self._worth_it():
            self._news.clear()
            try:
                async with asyncio.timeout(_LONGEST_UNSAID):
                    await self._news.wait()
            except TimeoutError:
                if self._results or self._released:
                    return
        company = self._shared.pace.in_flight // 4
        if self._flying and len(self._results) < company and not self._who.ability.looks_ahead:
            await asyncio.sleep(min(self._takes * _GATHER, _LONGEST_GATHER))

    def _worth_it(self) -> bool:
        if self._poked or not (self._flying or self._ready) or (self._ready and self._closed()):
            return True
        done = len(self._results) + len(self._released)
        if not self._who.ability.looks_ahead:
            return done > 0
        group = self._shared.pace.in_flight
        return done >= group or (done > 0 and not self._dry and len(self._ready) <= group // 2)

    # Sending

    def _start(self) -> None:
        while batch := self._next():
            task = asyncio.ensure_future(self._fly(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next(self) -> list[Claimed]:
        """What may leave now, counted as flying; nothing where all places are taken."""
        if not self._ready or self._flying >= self._window.size or self._closed():
            return []
        many = len(self._ready) if self._many else 1
        batch = [self._ready.popleft() for _ in range(many)]
        self._flying += many
        return batch

    async def _fly(self, batch: list[Claimed]) -> None:
        """Send, and then whatever is ready next in the same place."""
        clock = asyncio.get_running_loop().time
        while batch:
            began = clock()
            try:
                if self._many:
                    await self._send_many(self._many, batch)
                else:
                    await self._send(batch[0])
            finally:
                self._flying -= len(batch)
                self._takes += (clock() - began - self._takes) / 8
                if self._worth_it():
                    self._news.set()
            batch = self._next()

    async def _send(self, delivery: Claimed) -> None:
        if self._channel.completion is Completion.BY_PERSON:
            self._messages.pop(delivery.edition_id, None)
            self._note(outcome.handed_over(delivery))
            return
        attempt: Attempt | None = None
        try:
            attempt = self._attempt(delivery)
            receipt = await self._channel.send(attempt)
        except Exception as error:
            self._refused(delivery, attempt, error)
        else:
            self._answered(delivery, receipt)

    async def _send_many(self, channel: SendsMany, batch: list[Claimed]) -> None:
        attempts: dict[int, Attempt] = {}
        for delivery in batch:
            try:
                attempts[delivery.id] = self._attempt(delivery)
            except Exception as error:
                self._refused(delivery, None, error)
        flown = [delivery for delivery in batch if delivery.id in attempts]
        answers: Sequence[Receipt | Exception]
        try:
            answers = await channel.send_many([attempts[delivery.id] for delivery in flown])
        except Exception as error:
            answers = [error] * len(flown)
        for delivery, answer in zip(flown, answers, strict=True):
            if isinstance(answer, Receipt):
                self._answered(delivery, answer)
            else:
                self._refused(delivery, attempts[delivery.id], answer)

    def _answered(self, delivery: Claimed, receipt: Receipt) -> None:
        self._window.passed()
        self._note(outcome.answered(delivery, receipt, self._shared.clock.now()))

    def _refused(self, delivery: Claimed, attempt: Attempt | None, error: Exception) -> None:
        now = self._shared.clock.now()
        out = attempt is not None and attempt.passed
        if isinstance(error, LeaseLost) and not out:
            if attempt is not None and (attempt.fenced or attempt.resume):
                self._note(Result(delivery, "planned", "lease_lost", str(error), now))
            else:
                self._released.append(delivery)
            return
        if outcome.asks_to_wait(error) and not self._account.closed_until(now):
            self._window.refused()  # what was in flight beside it says the same once more
        ability, delay = self._who.ability, self._shared.pace.ask_after
        self._note(outcome.refused(delivery, error, ability, now, out=out, delay=delay))

    def _note(self, result: Result) -> None:
        """Keep it for the next commit; what it says of the account holds from now on."""
        self._results.append(result)
        if result.tells:
            result.tells(self._account)

    # One attempt

    def _attempt(self, delivery: Claimed) -> Attempt:
        return Attempt(
            self._message(delivery),
            self._who.vault.key_for(delivery.id, delivery.generation),
            since=delivery.since,
            number=delivery.number,
            resume=delivery.resume,
            save=partial(self._checkpoint, delivery),
            enter=partial(self._enter, delivery),
        )

    async def _checkpoint(self, delivery: Claimed, saved: dict[str, Any]) -> None:
        try:
            kept = await self._shared.store.run(ledger.checkpoint, self._who.worker, delivery, saved)
        except StoreError as error:
            raise LeaseLost(str(error)) from error
        if not kept:
            raise LeaseLost("another worker holds this delivery")
        delivery.resume = saved

    async def _enter(self, delivery: Claimed) -> None:
        """The fence: the lease, the pauses and the policy once more, at the instant before it leaves."""
        shared, slot = self._shared, delivery.slot
        try:
            found = await shared.watch.pauses()
        except StoreError as error:
            raise LeaseLost(str(error)) from error
        now = shared.clock.now()
        if delivery.lease_until - shared.pace.margin <= now:
            raise LeaseLost("the lease has too little time left")
        if why := paused(found, slot.campaign, slot.market, slot.account):
            raise LeaseLost(f"paused: {why}")
        if delivery.in_doubt and not self._who.ability.repeats(delivery.since, now + shared.pace.margin):
            raise LeaseLost("it is too late to repeat what may be out already")
        if not isinstance(decision := decide(delivery.case, now), Send):
            raise LeaseLost(decision.why)

    def _compile(self, taken: list[Claimed], bodies: dict[int, bytes]) -> None:
        """A post's message is used once; an audience's edition is compiled once, filled for each person."""
        posts = {delivery.edition_id for delivery in taken if not delivery.contact_id}
        for edition_id, body in bodies.items():
            edition = Edition.from_json(body)
            if edition_id in posts:
                self._messages[edition_id] = edition.message
            else:
                self._skeletons[edition_id] = Skeleton(edition)
        if len(self._skeletons) > _KEPT_EDITIONS:
            wanted = {delivery.edition_id for delivery in (*self._ready, *taken)}
            self._skeletons = {each: kept for each, kept in self._skeletons.items() if each in wanted}

    def _message(self, delivery: Claimed) -> Message:
        if not delivery.contact_id:
            return self._messages.pop(delivery.edition_id)
        try:
            return self._skeletons[delivery.edition_id].fill(delivery.values)
        except ValueError as error:
            raise Rejected(f"the message cannot be filled: {error}") from None
