"""The shape of every `--json` answer: stable, and written out as JSON Schemas by `silkpost schema`."""

from __future__ import annotations

from typing import Literal, TypedDict

Mark = Literal["add", "change", "move", "remove", "locked", "same"]


class PlacementOut(TypedDict):
    """One line of a plan. Times are ISO 8601; `due_at` is null while it waits for `trigger`."""

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
    trigger: str
    edition: str | None
    label: str
    text: str | None
    title: str | None
    length: str | None
    link: str | None
    prices: list[str]
    addressed: int | None
    found: int | None
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


class DayOut(TypedDict):
    """`silkpost calendar --json` prints a list of these."""

    date: str
    name: str
    title: str
    kind: str
    estimated: bool


class SuggestionOut(TypedDict):
    """`silkpost suggest --json` prints a list of these. `campaign` is the one that is there already."""

    id: str
    day: str
    title: str
    year: int
    dates: dict[str, str]
    estimated: bool
    campaign: str


class RatesOut(TypedDict):
    """`silkpost rates --json`."""

    base: str
    on: str
    source: str
    table: dict[str, str]
    tried: list[str]


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
    "calendar": list[DayOut],
    "suggest": list[SuggestionOut],
    "rates": RatesOut,
    "channels": list[ChannelOut],
}
