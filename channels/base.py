"""The channel contract: what an adapter is given, what it answers, and the facts it may raise.

An adapter reports facts; `orchestrator.dispatch` decides. It never sleeps, retries, reads the environment or
sees the store. The error tree, drawn once:

    ChannelError
      Retryable        nothing was published; later may work; carries `retry_after`
        Interrupted    the wire broke, or the server failed, after the request may have left
      Rejected         nothing was published; this message never will be
      Unauthorized     nothing was published; this account cannot post
      QuotaSpent       nothing was published; not before `until`
      OutcomeUnknown   it may have been published

`Interrupted` raised inside the fence becomes `OutcomeUnknown`; outside it, it is what it inherits from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, SecretStr

from content.message import Carries, Limits, Message

if TYPE_CHECKING:
    import httpx


class ChannelError(Exception):
    """One fact about one attempt. The text is for the operator; it never holds a secret."""


class Retryable(ChannelError):
    """Nothing was published; a later attempt may work."""

    def __init__(self, text: str, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Interrupted(Retryable):
    """The wire broke, or the server failed, after the request may have left."""


class Rejected(ChannelError):
    """Nothing was published, and this message never will be."""


class Unauthorized(ChannelError):
    """Nothing was published: this account cannot post until a person acts."""


class QuotaSpent(ChannelError):
    """Nothing was published, and nothing will be before `until` (aware)."""

    def __init__(self, text: str, until: datetime) -> None:
        super().__init__(text)
        self.until = until


class OutcomeUnknown(ChannelError):
    """It may have been published. `bug` is true when our own code failed inside the fence."""

    def __init__(self, text: str, *, bug: bool = False) -> None:
        super().__init__(text)
        self.bug = bug


class LeaseLost(Exception):
    """The fence is closed: another worker may hold this delivery, or it was paused. Nothing left."""


class Kind(StrEnum):
    """Whom a channel addresses."""

    BROADCAST = "broadcast"  #: a post on an account: one delivery per placement
    DIRECT = "direct"  #: a message to a person: one delivery per placement and contact


class Completion(StrEnum):
    """When a platform has published what it accepted."""

    AT_ONCE = "at_once"
    LATER = "later"
    BY_PERSON = "by_person"


class Metric(StrEnum):
    """Canonical names; a platform's own word is translated in its file."""

    IMPRESSIONS = "impressions"
    REACH = "reach"
    VIEWS = "views"
    LIKES = "likes"
    REPLIES = "replies"
    SHARES = "shares"
    QUOTES = "quotes"
    SAVES = "saves"
    CLICKS = "clicks"
    DELIVERED = "delivered"
    OPENS = "opens"


class Clock(Protocol):
    """Time, injected: real in `run`, virtual in `simulate` and in tests."""

    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


class Settings(BaseModel):
    """What an operator writes for one account of a channel. Secrets are `SecretStr`, never printed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Rotated tokens, kept encrypted in the store; empty where the settings' own seeds are enough."""

    values: Mapping[str, SecretStr] = field(default_factory=dict)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OAuth:
    """How a person lets us post: an authorization code (RFC 6749 section 4.1) that comes to this machine.

    Addresses may hold the names of settings, as in `{server}/token`; the client's id and secret are settings
    too, `client_id` and `client_secret`.
    """

    authorize: str  #: the page on which the person agrees
    exchange: str  #: where the code is good for tokens
    scopes: tuple[str, ...]
    source: str  #: where this was read, and when
    redirect: str = "http://127.0.0.1:{port}/callback/"  #: registered with the vendor; {port} is `--port`
    proof: Literal["S256", "S256 in hex", ""] = (
        "S256"  #: of the code (RFC 7636); empty where the vendor has none
    )
    client_name: str = "client_id"  #: the vendor's word for it
    basic: bool = False  #: the client goes into a header where it has a secret (RFC 6749 section 2.3.1)
    separator: str = " "  #: between scopes
    more: tuple[tuple[str, str], ...] = ()  #: what else the authorize page is asked for


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `count` publications in each `window` for one account; `burst` may leave at once."""

    count: int
    window: timedelta
    source: str  #: where this was read, and when
    burst: int = 1


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What `check` learnt of an account; stored, and it overrides the channel's defaults."""

    name: str
    limits: Limits | None = None
    quota: Quota | None = None
    expires_at: datetime | None = None
    url: str = ""


class State(StrEnum):
    """What the platform made of an accepted message."""

    SENT = "sent"
    PROCESSING = "processing"  #: the platform publishes later; follow it
    AWAITING_PERSON = "awaiting_person"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the channel answered. `saved` is what `follow` needs later."""

    remote_id: str
    url: str = ""
    state: State = State.SENT
    saved: Mapping[str, Any] = field(default_factory=dict)
    repeated: bool = False  #: the platform said it had this key already


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric's running total for one remote id, at the moment it was asked for."""

    remote_id: str
    metric: Metric
    value: int
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Absent:
    """Surely not published: only where the platform documents read-after-write."""


@dataclass(frozen=True, slots=True)
class CannotTell:
    why: str


@dataclass(frozen=True, slots=True)
class Handoff:
    """The task of a person who publishes by hand; the proof link closes it."""

    text: str
    steps: tuple[str, ...]
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeardEvent:
    """One thing that happened, told by a webhook; unique by `external_id` within its channel."""

    external_id: str
    kind: str  #: `delivered`, `bounced`, `complained`, `unsubscribed`, `unfollowed`, `followed`, `replied`, …
    occurred_at: datetime
    remote_id: str = ""
    address: str = ""
    value: int = 1
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeardRequest:
    """A webhook as it arrived: the body is raw, header names are lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """The events of one webhook, and what to answer."""

    events: tuple[HeardEvent, ...] = ()
    reply: bytes = b""
    status: int = 200
    content_type: str = "text/plain"


class Attempt:
    """One try at one delivery.

    `key` is the same on every attempt at one delivery. `resume` is what an earlier attempt saved.
    """

    __slots__ = ("_enter", "_save", "fenced", "key", "message", "number", "passed", "resume", "since")

    def __init__(
        self,
        message: Message,
        key: str,
        *,
        since: datetime,
        number: int = 1,
        resume: Mapping[str, Any] | None = None,
        save: Callable[[dict[str, Any]], Awaitable[None]] | None = None,
        enter: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.message = message
        self.key = key
        self.since = since  #: when the first attempt at this delivery began
        self.number = number
        self.resume: Mapping[str, Any] = resume or {}
        self.fenced = False  #: whether the fence was ever entered in this attempt
        self.passed = False  #: whether it closed without an error, and nothing was saved since: it is out
        self._save = save
        self._enter = enter

    async def checkpoint(self, saved: dict[str, Any]) -> None:
        """Keep `saved` (media ids, container ids, parts already out); returns after the commit."""
        self.resume = {**self.resume, **saved}
        if self._save:
            await self._save(dict(self.resume))
        self.passed = False

    def publishing(self) -> _Fence:
        """The fence: goes around the one call that makes the post visible."""
        return _Fence(self)


class _Fence:
    __slots__ = ("_attempt",)

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    async def __aenter__(self) -> None:
        if self._attempt._enter:
            await self._attempt._enter()  # raises LeaseLost
        self._attempt.fenced = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._attempt.passed = True
        if isinstance(error, Interrupted):
            raise OutcomeUnknown(str(error)) from error
        if isinstance(error, Exception) and not isinstance(error, ChannelError | LeaseLost):
            raise OutcomeUnknown(f"{type(error).__name__} inside the fence", bug=True) from error


class Channel(ABC):
    """A place we publish. A channel is one file, `channels/<name>.py`, holding `class Adapter(Channel)`."""

    settings_type: ClassVar[type[Settings]] = Settings
    for_teams: ClassVar[bool] = False  #: it posts to a group of our own, which may hear alerts
    #: How long before a token's end `renew` is asked; X's live for two hours, the shortest we know.
    renew_before: ClassVar[timedelta] = timedelta(minutes=15)
    oauth: ClassVar[OAuth | None] = None  #: where `silkpost channels login` can bring the tokens

    # Set on the class; an account's settings may narrow them on the instance, which is what dispatch reads.
    kind: Kind
    medium: str = ""  #: direct only: the kind of address, such as `email`, `phone`, `line`
    limits: Limits
    carries: Carries = frozenset()
    metrics: frozenset[Metric] = frozenset()
    completion: Completion = Completion.AT_ONCE
    idempotent_for: timedelta = timedelta(0)
    quota: Quota | None = None
    can_be_asked: bool = True  #: whether `find` can tell anything, where there is one; settings may deny it

    def __init__(
        self, settings: Any, credentials: Credentials, http: httpx.AsyncClient, clock: Clock
    ) -> None:
        self.settings = settings
        self.credentials = credentials
        self.http = http
        self.clock = clock

    @classmethod
    def refuses(cls, message: Message, settings: Any) -> list[str]:
        """Why the platform would not take a message, where `limits` and `carries` cannot say it.

        Pure and quick: `prepare` asks it of every message of a plan, and `send` by `accept`. `settings` are
        the account's, secrets not filled in; None where there are none yet. A message to a person comes
        before their own words and address are in it.
        """
        return []

    def accept(self, message: Message) -> None:
        """Rejected where `refuses` has a reason: `send` begins with it in a channel that has such rules."""
        if reasons := self.refuses(message, self.settings):
            raise Rejected("; ".join(reasons))

    @abstractmethod
    async def check(self) -> AccountFacts:
        """Ask the platform who we are. Read only."""

    @abstractmethod
    async def send(self, attempt: Attempt) -> Receipt:
        """Publish once, or raise one of the five facts."""

    async def close(self) -> None:  # noqa: B027  most adapters hold nothing of their own
        """Let go of connections that are not the shared client's."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@runtime_checkable
class Reads(Protocol):
    async def engagement(self, remote_ids: Sequence[str]) -> list[Reading]:
        """Running totals; a metric the platform did not give is left out, never zero."""
        ...


@runtime_checkable
class Finds(Protocol):
    async def find(self, attempt: Attempt) -> Found | Absent | CannotTell:
        """Look for an earlier attempt's post. Read only."""
        ...


@runtime_checkable
class Follows(Protocol):
    async def follow(self, receipt: Receipt) -> Receipt:
        """Ask what became of an accepted message; raises Rejected with the platform's reason."""
        ...


@runtime_checkable
class SendsMany(Protocol):
    async def send_many(self, attempts: Sequence[Attempt]) -> list[Receipt | ChannelError]: ...


@runtime_checkable
class Withdraws(Protocol):
    async def withdraw(self, remote_id: str) -> None: ...


@runtime_checkable
class Hears(Protocol):
    def hear(self, request: HeardRequest) -> Heard:
        """Verify the signature over the raw body; raises Unauthorized when it is wrong or missing."""
        ...


@runtime_checkable
class Renews(Protocol):
    async def renew(self) -> Credentials: ...


@runtime_checkable
class HandsOff(Protocol):
    def task(self, message: Message) -> Handoff: ...
