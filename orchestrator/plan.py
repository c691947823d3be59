"""Spec and facts in, placements out: which post, where, when, and why anything is skipped. Pure."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from locales.document import Problem
from locales.market import medium_of
from locales.sentences import listed
from locales.zones import zone
from orchestrator import gates, reductions
from orchestrator.direct import unmarked_sender
from orchestrator.gates import Gate, Verdict
from orchestrator.moment import Moment, resolve
from orchestrator.spec import WaveSpec

if TYPE_CHECKING:
    from locales.market import Market
    from orchestrator.facts import Facts
    from orchestrator.spec import CampaignSpec, OfferSpec, OutreachSpec
    from orchestrator.workspace import Account, Audience

#: How late each kind of campaign may still be sent, where the wave does not say (DESIGN section 5).
GRACE = {"flash": timedelta(minutes=30), "collab": timedelta(hours=12), "holiday": timedelta(hours=6)}
NOTHING = "-"
RECIPIENT = "zone: recipient"  #: among a placement's rules, where its time is read in each recipient's zone


@dataclass(frozen=True, slots=True)
class Placement:
    """One planned slot: wave x market x locale x account x item x variant."""

    campaign: str
    campaign_kind: str
    wave: str
    market: str
    locale: str
    account: str
    channel: str
    kind: str  #: broadcast or direct
    item: str
    variant: str
    due_at: datetime | None  #: UTC; None while it waits for `trigger`
    local: datetime | None  #: aware, in `zone`
    zone: str
    late: timedelta
    starts_at: datetime  #: the offer's, UTC
    ends_at: datetime  #: the offer's, UTC
    trigger: str = ""
    audience: str = ""
    whom: str = ""  #: the audience's rule, and what else decides whom of it a message reaches
    new_only: bool = False  #: who has ordered before is left out
    held_out: int = 0  #: of 10,000
    share: tuple[int, int] = (0, 10_000)  #: which part of the audience this variant addresses
    template: str = ""
    paid: bool = False
    stop_on: str = ""  #: an event that ends it for a contact, such as `reply`
    overrides: tuple[str, ...] = ()  #: each fact of its market that is not followed, and why
    recipient: bool = False  #: `local` is read in each recipient's own zone
    best: bool = False  #: at the market's best hour for the channel

    @property
    def key(self) -> str:
        parts = (self.campaign, self.wave, self.market, self.locale, self.account, self.item, self.variant)
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Skipped:
    """What the plan leaves out on purpose: shown, never silent."""

    key: str  #: as far as it is known, such as `double-eleven-2026/*/JP/email`
    market: str
    why: str
    path: str = ""  #: what to change in the campaign, where that helps


@dataclass(frozen=True, slots=True)
class Window:
    """The offer's validity in one market, in its own zone, and the day it turns on."""

    day: date | None
    starts: datetime
    ends: datetime


@dataclass(slots=True)
class Draft:
    """What a campaign comes to, before a word is rendered."""

    placements: list[Placement] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    windows: dict[str, Window] = field(default_factory=dict)
    asks: set[str] = field(default_factory=set)  #: what rests on an unverified fact: a person decides


def plan(spec: CampaignSpec, facts: Facts) -> Draft:
    """Resolve every wave in every market. The same input gives the same draft, on any machine."""
    draft = Draft()
    for code in spec.markets:
        _InMarket(spec, facts.markets[code], facts, draft).plan()
    draft.placements.sort(key=lambda placement: placement.key)
    return draft


def serves(account: Account, entry: str, name: str, medium: str, market: str) -> bool:
    """Whether `entry` of a campaign's channels (account, channel or medium) means this account here."""
    named = entry in (name, account.channel, medium)
    return named and (not account.markets or market in account.markets)


def rules_of(placement: Placement) -> tuple[str, ...]:
    """What besides words and time decides who gets it and until when."""
    return (
        f"{int(placement.late.total_seconds())}",
        placement.ends_at.isoformat(),
        placement.audience or NOTHING,
        str(placement.held_out),
        f"{placement.share[0]}-{placement.share[1]}",
        placement.trigger or NOTHING,
        placement.stop_on or NOTHING,
        *([RECIPIENT] if placement.recipient else []),
        *([placement.whom] if placement.whom else []),
        *placement.overrides,
    )


def whom(audience: Audience, offer: OfferSpec) -> str:
    """An audience's rule in one spelling, with what the offer adds to it: the order of a list is nothing."""
    where = audience.where.items()
    rule = {
        "where": {field: sorted(one) if isinstance(one, list) else one for field, one in where},
        "consent": sorted(audience.consent),
        "cap": audience.cap,
        "cap_window": str(audience.cap_window) if audience.cap else None,
        "new_customers": offer.new_customers,
        "code_pool": offer.code_pool,
    }
    return json.dumps({name: one for name, one in rule.items() if one}, sort_keys=True, ensure_ascii=False)


class _InMarket:
    """One campaign in one market."""

    def __init__(self, spec: CampaignSpec, market: Market, facts: Facts, draft: Draft) -> None:
        self.spec, self.market, self.facts, self.draft = spec, market, facts, draft
        self.zone = zone(market.zone)
        self.overrides = tuple(
            f"{override.fact}: {override.because}"
            for override in spec.overrides
            if override.fact.startswith(f"{market.code}.")
        )

    def plan(self) -> None:
        window = self._window()
        if window is None:
            return
        self.window = self.draft.windows[self.market.code] = window
        self._gates()
        known = self.facts.creators
        creators = [name for name in self.spec.creators if known[name].market == self.market.code]
        for wave, wave_spec in self.spec.waves.items():
            for account in self._accounts(wave, wave_spec.channels or self.spec.channels):
                items = creators if self.spec.creators else [NOTHING]
                self.draft.placements.extend(self._placements(wave, wave_spec, account, items))
        self._computed_day()
        self._announced()
        if self.spec.outreach:
            self._outreach(self.spec.outreach, creators)

    def _gates(self) -> None:
        """What the market's facts ask of the campaign as a whole."""
        first, last = self.window.starts.date(), self.window.ends.date()
        self._weigh(gates.permits(self.spec, self.market, self.facts, first, last))
        self._weigh(reductions.reductions(self.spec, self.market, self.facts, self.window))
        self._weigh(gates.untold_tax(self.spec, self.market))

    def _announced(self) -> None:
        """Whether the first that is told of the offer is not told too early."""
        here = [each for each in self.draft.placements if each.market == self.market.code]
        days = [each.local.astimezone(self.zone).date() for each in here if each.local]
        if days:
            self._weigh(reductions.announced(self.spec, self.market, self.window, min(days)))

    def _weigh(self, found: Iterable[Gate]) -> None:
        """What blocks is a problem, what only a person knows is asked, what the campaign overrides passes."""
        for gate in found:
            verdict = gate.verdict(self.spec)
            if verdict is Verdict.BLOCKS:
                self._problem(gate.path, gate.text)
            elif verdict is Verdict.ASKS:
                self._ask(gate.text)

    def _window(self) -> Window | None:
        day, code = None, self.market.code
        if self.spec.day:
            year = self.spec.year or self.facts.now.year
            day = self.facts.day(self.spec.day, code, year)
            if day is None:
                why = f"{self.spec.day} has no date in {code} in {year}; enter it in calendar.yaml"
                self._skip("*", "*", why, "day")
                return None
        ends: dict[str, datetime] = {}
        for end in ("starts", "ends"):
            moment: Moment = getattr(self.spec.offer, end)
            try:
                ends[end] = resolve(moment, day=day, starts=ends.get("starts"), zone=self.zone)
            except ValueError as error:
                self._problem(f"offer.{end}", str(error))
                return None
        if ends["ends"] <= ends["starts"]:
            self._problem("offer.ends", f"the offer ends {ends['ends']:%Y-%m-%d %H:%M}, before it starts")
            return None
        return Window(day, ends["starts"].astimezone(self.zone), ends["ends"].astimezone(self.zone))

    def _computed_day(self) -> None:
        """A day that the moon or an announcement may move: a person sees to it before anything greets."""
        day, code = self.window.day, self.market.code
        if day is None or (self.spec.day or "", code, day.year) not in self.facts.estimated:
            return
        times = sorted(
            f"{placement.wave} at {placement.local:%H:%M}"
            for placement in self.draft.placements
            if placement.market == code and placement.local and placement.local.date() == day
        )
        leaving = f"; {listed(dict.fromkeys(times), 'and')} would leave on that day whatever is announced"
        self._ask(
            f"{self.spec.day} is computed as {day:%a %d %b %Y} and may move by a day"
            f"{leaving if times else ''}; when it is announced, write its date under {code}.{self.spec.day} "
            "in calendar.yaml and plan again"
        )

    def _accounts(self, wave: str, entries: list[str]) -> Iterator[str]:
        """The accounts that serve this market; each once, though two entries may mean it."""
        seen: set[str] = set()
        for entry in entries:
            here = [
                name
                for name, account in sorted(self.facts.accounts.items())
                if serves(account, entry, name, self.facts.channels[name].medium, self.market.code)
            ]
            if not here:
                self._skip(wave, entry, f"{self.market.code} has no {entry} account", "channels")
            yield from (name for name in here if name not in seen)
            seen.update(here)

    def _placements(
        self,
        wave: str,
        wave_spec: WaveSpec,
        account: str,
        items: list[str],
        audience: str = "",
        path: str = "",
    ) -> Iterator[Placement]:
        channel = self.facts.channels[account]
        direct = channel.kind == "direct"
        audience = audience or (self._audience(account) if direct else "")
        rule = self.facts.audiences.get(audience) if direct else None  # a creator is an audience of one
        if why := self._unready(account, direct, audience):
            self._skip(wave, account, why)
            return
        at, local = wave_spec.at, None
        zone_of = wave_spec.zone or self.spec.zone
        if at:
            try:
                local = self._resolve(at, channel.name)
            except ValueError as error:
                self._problem(path or f"waves.{wave}.at", str(error))
                return
        slot = Placement(
            campaign=self.spec.campaign,
            campaign_kind=self.spec.kind,
            wave=wave,
            market=self.market.code,
            locale="",
            account=account,
            channel=channel.name,
            kind=channel.kind.value,
            item=NOTHING,
            variant=NOTHING,
            due_at=local.astimezone(UTC) if local else None,
            local=local,
            zone=self.market.zone,
            late=wave_spec.late if wave_spec.late is not None else GRACE[self.spec.kind],
            starts_at=self.window.starts.astimezone(UTC),
            ends_at=self.window.ends.astimezone(UTC),
            trigger=(wave_spec.when or "").replace(" ", "_"),
            audience=audience,
            whom=whom(rule, self.spec.offer) if rule else "",
            new_only=rule is not None and self.spec.offer.new_customers,
            held_out=int(self.spec.content.holdout * 100) if direct else 0,
            template=wave_spec.template or "",
            paid=self.spec.paid if self.spec.paid is not None else self.spec.kind == "collab",
            overrides=self.overrides,
            recipient=direct and zone_of == "recipient" and at is not None and at.is_wall,
            best=at is not None and at.best,
        )
        for item in items:
            for locale in self._locales(account, direct):
                yield from _variants(self.spec, replace(slot, item=item, locale=locale))

    def _resolve(self, at: Moment, channel: str) -> datetime:
        window, hour = self.window, self.facts.best.get((self.market.code, channel))
        due = resolve(
            at,
            day=window.day,
            starts=window.starts,
            ends=window.ends,
            zone=self.zone,
            best=hour.at if hour else None,
        )
        return due.astimezone(self.zone)

    def _audience(self, account: str) -> str:
        channel = self.facts.channels[account]
        names = (account, channel.name, channel.medium)
        return next((self.spec.audience[name] for name in names if name in self.spec.audience), "")

    def _unready(self, account: str, direct: bool, audience: str) -> str:
        """Why this account cannot be used in this market as things stand, or nothing."""
        if direct and not audience:
            return f"no audience is named for {account}; add it under audience"
        if direct and not self.facts.public_url:
            return "no public_url in silkpost.yaml: a message to a person needs its unsubscribe link"
        closed = gates.closed(self.market, self.facts.channels[account])
        if closed and (why := self._held(closed)):
            return why
        if medium := self.facts.channels[account].medium:
            sender = self.facts.accounts[account]
            unmarked = unmarked_sender(self.market, account, sender, medium)
            return (unmarked and self._held(unmarked)) or self._unnamed_sender(account, medium)
        return ""

    def _held(self, gate: Gate) -> str:
        """Why this account is left out; empty where a person decides, or the campaign has."""
        verdict = gate.verdict(self.spec)
        if verdict is Verdict.ASKS:
            self._ask(gate.text)
        return gate.text if verdict is Verdict.BLOCKS else ""

    def _unnamed_sender(self, account: str, medium: str) -> str:
        """What the law wants to know of the sender; where that is not verified, a person is asked instead."""
        rules, code = self.market.direct_by(medium), self.market.code
        if rules is None or rules.sender is None:
            return ""
        given = self.facts.accounts[account].sender.get(code, {})
        missing = [name for name in rules.sender.value if not given.get(name)]
        if not missing:
            return ""
        name = f"{code}.direct.{medium_of(medium)}.sender"
        text = (
            f"no sender {', '.join(missing)} for {code} ({gates.cited(name, rules.sender)}); "
            f"add it under {account}.sender in accounts.yaml"
        )
        return self._held(Gate(name, rules.sender, text))

    def _locales(self, account: str, direct: bool) -> list[str]:
        codes = list(self.market.locales)
        chosen = [code for code in self.facts.accounts[account].locales if code in codes]
        return chosen or (codes if direct else codes[:1])

    def _outreach(self, outreach: OutreachSpec, creators: list[str]) -> None:
        """The invitation to each creator of this market, and its follow-ups until there is a reply."""
        for index, wait in enumerate((timedelta(0), *outreach.follow_up)):
            wave = "invite" if index == 0 else f"follow-up-{index}"
            wave_spec = WaveSpec(at=outreach.at.later(wait), zone="market", template=outreach.template)
            for account in self._accounts(wave, [outreach.channel]):
                for creator in creators:
                    locale = self.facts.creators[creator].locale
                    one = f"creator:{creator}"
                    for placed in self._placements(wave, wave_spec, account, [creator], one, "outreach.at"):
                        if placed.locale == locale:
                            invitation = replace(placed, held_out=0, paid=False, stop_on="reply")
                            self.draft.placements.append(invitation)

    def _skip(self, wave: str, place: str, why: str, path: str = "") -> None:
        key = f"{self.spec.campaign}/{wave}/{self.market.code}/{place}"
        self.draft.skipped.append(Skipped(key, self.market.code, why, path))

    def _ask(self, text: str) -> None:
        self.draft.asks.add(f"{self.market.code}: {text}")

    def _problem(self, path: str, text: str) -> None:
        problem = Problem(self.spec.campaign, path=path, text=f"{self.market.code}: {text}")
        if problem not in self.draft.problems:
            self.draft.problems.append(problem)


def _variants(spec: CampaignSpec, slot: Placement) -> Iterator[Placement]:
    """An account posts one variant, by a fixed draw; an audience is shared out between all of them."""
    names = list(spec.content.variants)
    if not names:
        yield slot
    elif slot.kind == "broadcast":
        drawn = hashlib.sha256(slot.key.encode()).digest()
        yield replace(slot, variant=names[int.from_bytes(drawn[:4], "big") % len(names)])
    else:
        edges = [10_000 * index // len(names) for index in range(len(names) + 1)]
        for name, share in zip(names, itertools.pairwise(edges), strict=True):
            yield replace(slot, variant=name, share=share)
