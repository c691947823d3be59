"""The shape of every `--json` answer: stable, and written out as JSON Schemas by `silkpost schema`."""

from __future__ import annotations

from typing import Literal, TypedDict

Mark = Literal["add", "change", "move", "remove", "locked", "same"]


class ZoneOut(TypedDict):
    """The recipients of a message in one zone: how many, when it is due there, and what will become of it."""

    zone: str
    contacts: int
    due_at: str
    local: str
    moved: str
    outlook: Literal["send", "wait", "skip"]
    until: str | None
    reason: str


class LearnedOut(TypedDict):
    """Why `best` is this hour: what it was learned from, and how it did against the other hours."""

    hour: int
    placements: int
    against: float
    interval: list[float]


class LeftOutOut(TypedDict):
    """Whom a direct placement finds and does not address, each counted once.

    `bought`: have ordered, and the offer is for a first order.
    """

    no_consent: int
    suppressed: int
    bought: int
    held_out: int


class PlacementOut(TypedDict):
    """One line of a plan. Times are ISO 8601; `due_at` is null while it waits for `trigger`.

    `zone_of` says whose zone the time is read in; with `recipient`, `due_at` and `local` are those of the
    market's own zone. `zones` is told where recipients' zones make a difference.
    """

    sign: Mark
    key: str
    why: str
    market: str
    wave: str
    channel: str
    account: str
    locale: str
    item: str
    variant: str
    kind: Literal["broadcast", "direct"]
    due_at: str | None
    local: str | None
    zone: str
    zone_of: Literal["market", "recipient"]
    zones: list[ZoneOut]
    learned: LearnedOut | None
    trigger: str
    edition: str | None
    label: str
    text: str | None
    thread: list[str]
    title: str | None
    length: str | None
    link: str | None
    prices: list[str]
    addressed: int | None
    found: int | None
    left_out: LeftOutOut | None
    capped: int | None
    outlook: Literal["send", "wait", "skip"]
    until: str | None
    reason: str


class SkippedOut(TypedDict):
    key: str
    market: str
    why: str


class OverrideOut(TypedDict):
    """A fact of a market that the campaign does not follow, and why."""

    fact: str
    because: str


class PlanOut(TypedDict):
    """`silkpost plan --json` prints a list of these."""

    campaign: str
    kind: str
    hash: str
    approvals: int
    rates: str
    posts: int
    messages: int
    placements: list[PlacementOut]
    skipped: list[SkippedOut]
    asks: list[str]
    unreviewed: list[str]
    overrides: list[OverrideOut]
    problems: list[str]


class WaitingOut(TypedDict):
    """Deliveries of one placement that wait for one reason."""

    key: str
    account: str
    state: str
    deliveries: int
    until: str | None
    why: str


class UnknownOut(TypedDict):
    key: str
    why: str


class StatusOut(TypedDict):
    """`silkpost status --json`."""

    store: str
    daemon: str | None
    states: dict[str, int]
    waiting: list[WaitingOut]
    approvals: list[str]
    unknown: list[UnknownOut]
    accounts: dict[str, str]
    paused: list[str]
    half_applied: list[str]


class DispatchOut(TypedDict):
    """`silkpost dispatch --once --json`. `next_at` is null where only an event or a person brings more."""

    states: dict[str, int]
    next_at: str | None


class DayOut(TypedDict):
    """`silkpost calendar --json` prints a list of these."""

    date: str
    name: str
    title: str
    kind: str
    estimated: bool


class TextOut(TypedDict):
    """A text that somebody has to look at. `was`: the words it was made from, where those have changed."""

    key: str
    state: Literal["translated", "missing", "stale", "draft", "unused"]
    needed: bool
    source: str
    was: str
    text: str
    place: str
    used: list[str]
    faults: list[str]
    remarks: list[str]


class TranslationOut(TypedDict):
    """`silkpost translate status --json` prints a list of these; the first is the shop's own language."""

    locale: str
    markets: list[str]
    translated: int
    missing: int
    stale: int
    draft: int
    unused: int
    texts: list[TextOut]


class SuggestionOut(TypedDict):
    """`silkpost suggest --json` prints a list of these. `campaign` is the one that is there already."""

    id: str
    day: str
    title: str
    year: int
    dates: dict[str, str]
    estimated: bool
    campaign: str


class CodesOut(TypedDict):
    """`silkpost codes --json` prints a list of these: a pool and a campaign; no campaign: not given yet.

    `reserved` is frozen with an intent, `used` has left with its message, `redeemed` came back with an order,
    and `held` may have been given since the backup that was restored.
    """

    pool: str
    campaign: str
    free: int
    reserved: int
    used: int
    redeemed: int
    held: int


class ImportedCodesOut(TypedDict):
    """`silkpost codes import --json`; `problems` are the first of what was refused."""

    pool: str
    added: int
    refused: int
    problems: list[str]


class RatesOut(TypedDict):
    """`silkpost rates --json`. `asked_at` is when a live source gave what is used; null where none did."""

    base: str
    on: str
    source: str
    asked_at: str | None
    table: dict[str, str]
    tried: list[str]


class ChargedOut(TypedDict):
    """A price on record. `source`: usual, import, or `campaign:` and an id."""

    price: str
    from_at: str
    until_at: str | None
    source: str


class PricesOut(TypedDict):
    """`silkpost prices --json` prints a list of these: a product in a market, and what the law makes of it.

    `lowest` is null where the record is too short, or the rule is another one; `real` says whether `price`
    may be called the price before where the rule asks for a real one, and is null where nobody knows. `prior`
    is what the products file says of it.
    """

    product: str
    market: str
    price: str | None
    fact: str
    cited: str
    basis: str
    days: int | None
    lowest: str | None
    on: str | None
    real: bool | None
    prior: str | None
    charged: list[ChargedOut]


class ChannelOut(TypedDict):
    """`silkpost channels --json` prints a list of these."""

    channel: str
    kind: str
    says: str
    text: int | None
    counting: str
    carries: list[str]
    metrics: list[str]
    abilities: list[str]
    source: str
    read: str


#: command -> the type of what it prints
OUTPUTS: dict[str, object] = {
    "plan": list[PlanOut],
    "status": StatusOut,
    "dispatch": DispatchOut,
    "calendar": list[DayOut],
    "translate-status": list[TranslationOut],
    "suggest": list[SuggestionOut],
    "codes": list[CodesOut],
    "codes-import": ImportedCodesOut,
    "rates": RatesOut,
    "channels": list[ChannelOut],
    "prices": list[PricesOut],
}
