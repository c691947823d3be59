"""One campaign against the store: what applying it would change, what will become of it, and applying it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locales.catalog import fallbacks
from locales.document import Problem, SpecError
from locales.rates import Rates
from orchestrator import best
from orchestrator.diff import Change, Sign, diff
from orchestrator.gather import gather
from orchestrator.offers import BASE
from orchestrator.overrides import no_override, spared, without
from orchestrator.plan import plan
from orchestrator.policy import Case, Quiet, Send, Skip, Wait, decide
from orchestrator.prepare import Preparation, Prepared, prepare
from orchestrator.prior import Charged
from orchestrator.quiet import quiet_of
from orchestrator.recipients import InZone, in_zones, overall
from orchestrator.shelf import FOLDER, keep
from orchestrator.shortages import shortages
from orchestrator.workspace import Audience

if TYPE_CHECKING:
    from content.render import Renderer
    from locales.money import Money
    from orchestrator.facts import Facts
    from orchestrator.plan import Placement
    from orchestrator.score import Learned
    from orchestrator.spec import Campaign
    from orchestrator.store import Store
    from orchestrator.store.audience import Reach
    from orchestrator.store.plans import Saved
    from orchestrator.workspace import Product, Workspace

CREATOR = "creator:"  #: an audience of one: the creator of that id


@dataclass(frozen=True, slots=True)
class Proposal:
    """All that `silkpost plan` shows of one campaign, and all that `apply` stores."""

    campaign: Campaign
    facts: Facts
    preparation: Preparation
    changes: Sequence[Change]
    outlook: Mapping[str, Wait | Skip] = field(
        default_factory=dict
    )  #: by key: what will not leave as planned
    reach: Mapping[str, Reach] = field(default_factory=dict)  #: by key: how many a direct placement addresses
    zones: Mapping[str, Sequence[InZone]] = field(
        default_factory=dict
    )  #: by key: where recipients' zones make a difference, what becomes of it in each
    shelf: Path = FOLDER  #: where the media are kept that it carries

    @property
    def hash(self) -> str:
        return self.preparation.hash

    @property
    def changed(self) -> bool:
        return any(change.sign not in (Sign.SAME, Sign.LOCKED) for change in self.changes)


def propose(
    workspace: Workspace,
    campaign: Campaign,
    renderer: Renderer,
    rates: Rates,
    now: datetime,
    store: Store | None = None,
    *,
    refresh: bool = False,
    live: Mapping[str, bool] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Proposal:
    """Plan, prepare and compare. What an earlier plan resolved is used again unless `refresh`.

    So are `overrides`, which are given beside the campaign's own: facts by name, each with the reason.
    """
    stored, pinned, checked, history = [], None, {}, None
    if store is not None:
        from orchestrator.store import plans, prices, tokens

        with store.read() as connection:
            checked = tokens.learnt(connection)
            history = prices.history(connection, campaign.spec.products)
            stored = plans.current(connection, campaign.spec.campaign)
            pinned = None if refresh else plans.facts(connection, campaign.spec.campaign)
    if pinned:
        rates = Rates.from_pinned(pinned["rates"])
    most_days = workspace.settings.rates.most_days
    if rates.too_old(now.date(), most_days) and not pinned:
        raise SpecError([_stale(rates, now.date(), most_days)])
    hours = best.pinned(pinned["hours"]) if pinned else {}
    given = {**((pinned or {}).get("given") or {}), **(overrides or {})}
    campaign = _overriding(workspace, campaign, given)
    facts = gather(
        workspace,
        [campaign.spec],
        rates,
        now,
        checked=checked,
        live=live,
        pinned=hours,
        history=history,
    )
    draft = plan(campaign.spec, facts)
    if store is not None and (open_ := best.used(draft.placements) - hours.keys()):
        facts = best.with_learned(facts, _learned(store, now), open_)
        draft = plan(campaign.spec, facts)
    preparation = prepare(campaign.spec, draft, facts, renderer)
    preparation.problems = [_located(problem, campaign) for problem in preparation.problems]
    changes = diff(preparation.prepared, stored)
    outlook = _outlook(changes, facts, now)
    preparation.asks = sorted({*preparation.asks, *_doubted_days(changes, facts)})
    shelf = workspace.root / FOLDER
    if store is None:
        return Proposal(campaign, facts, preparation, changes, outlook, shelf=shelf)
    locked = {change.key for change in changes if change.sign is Sign.LOCKED}
    reach, zones = _people(store, campaign, preparation, facts, now, locked)
    lacking = shortages(store, preparation.prepared, reach, facts, locked)
    preparation.asks = sorted({*preparation.asks, *lacking})
    for row in preparation.prepared:
        key = row.placement.key
        if row.placement.recipient and zones.get(key):
            outlook.pop(key, None)
            outlook |= {key: said} if (said := overall(zones[key])) else {}
    return Proposal(campaign, facts, preparation, changes, outlook, reach, zones, shelf)


def _overriding(workspace: Workspace, campaign: Campaign, given: Mapping[str, str]) -> Campaign:
    """The campaign with what was given beside it; SpecError where that names no fact to override."""
    wrong = [
        Problem("--override", text=why)
        for fact in given
        if (code := fact.partition(".")[0]) in campaign.spec.markets
        and (why := no_override(workspace.market(code), fact))
    ]
    if wrong:
        raise SpecError(wrong)
    return campaign.overriding(given)


def _stale(rates: Rates, today: date, most_days: int) -> Problem:
    text = (
        f"the newest rates at hand are of {rates.on} ({rates.source}), {(today - rates.on).days} days old; "
        f"connect to the network, name rates.file, or allow more than {most_days} days"
    )
    return Problem("silkpost.yaml", path="rates.most_days", text=text)


def _located(problem: Problem, campaign: Campaign) -> Problem:
    """A problem that names a path of the campaign is shown where the author wrote it."""
    if problem.file != campaign.spec.campaign or not problem.path:
        return problem
    path: list[str | int] = []
    value: Any = campaign.document.value
    for part in problem.path.split("."):
        at: Any = int(part) if isinstance(value, list) else part
        value = value[at] if isinstance(value, list) else (value or {}).get(at)
        path.append(at)
    return campaign.document.problem(tuple(path), problem.text)


def case_of(placement: Placement, facts: Facts) -> Case:
    """What `policy` must know of a placement that nothing holds up yet."""
    market = facts.markets[placement.market]
    medium = facts.channels[placement.account].medium
    quiet: tuple[Quiet, ...] = ()
    if placement.kind == "direct":
        holidays = facts.holidays.get(market.code, frozenset())
        quiet = quiet_of(market.hours(medium), holidays)
    return Case(
        due_at=placement.due_at,
        late=placement.late,
        zone=placement.zone,
        ends_at=placement.ends_at,
        market=market.code,
        quiet=quiet,
        blackouts=without(facts.blackouts.get(market.code, {}), spared(market.code, placement.overrides)),
        trigger=placement.trigger,
    )


def _outlook(changes: Sequence[Change], facts: Facts, now: datetime) -> dict[str, Wait | Skip]:
    """What `policy` will say when each is due, or says now of one that is due already."""
    found: dict[str, Wait | Skip] = {}
    for change in changes:
        if change.prepared is None or change.sign is Sign.LOCKED:
            continue
        case = case_of(change.prepared.placement, facts)
        decision = decide(case, max(case.due_at, now) if case.due_at else now)
        if not isinstance(decision, Send):
            found[change.key] = decision
    return found


def _doubted_days(changes: Sequence[Change], facts: Facts) -> Iterator[str]:
    """Days kept free of promotions on an unverified fact: the plan says so, and how to decide otherwise."""
    for change in changes:
        placement = change.prepared.placement if change.prepared else None
        if placement is None or placement.local is None:
            continue
        name = facts.blackouts.get(placement.market, {}).get(placement.local.date(), "")
        fact = facts.markets[placement.market].blackout.get(name)
        if fact and not fact.verified and name not in spared(placement.market, placement.overrides):
            yield (
                f"{placement.market} gets no promotion on {placement.local:%d %b} ({name}); to decide "
                f"otherwise, override {placement.market}.blackout.{name} in a campaign of that very day, or "
                f"write blackout.{name} in markets/{placement.market}.yaml for all"
            )


def audiences_of(campaign: Campaign, facts: Facts) -> dict[str, Audience]:
    """The campaign's audiences by name; a creator is an audience of one, by the business of the collab."""
    own = {name: facts.audiences[name] for name in campaign.spec.audience.values()}
    ones = {
        f"{CREATOR}{name}": Audience.model_validate({"where": {"creator": name}, "consent": ["business"]})
        for name in campaign.spec.creators
    }
    return own | ones


def _people(
    store: Store,
    campaign: Campaign,
    preparation: Preparation,
    facts: Facts,
    now: datetime,
    locked: Collection[str],
) -> tuple[dict[str, Reach], dict[str, list[InZone]]]:
    """How many people each direct placement finds and addresses, as the store is now, and in which zones.

    Zones are counted only where they make a difference: the time is each recipient's own, or what holds it
    up in one zone does not in another. What is `locked` keeps the times it left by.
    """
    from orchestrator.store import audience, plans

    rules, mediums = audiences_of(campaign, facts), _mediums(facts)
    reach: dict[str, Reach] = {}
    zones: dict[str, list[InZone]] = {}
    known: dict[tuple[str, str], list[str]] = {}
    with store.read() as connection:
        for row, selection in plans.selections(connection, preparation.prepared, rules, mediums, fallbacks):
            placement, lives = row.placement, (selection.medium, selection.market)
            reach[placement.key] = audience.count(connection, selection)
            if placement.due_at is None or placement.key in locked:
                continue
            if lives not in known:
                known[lives] = audience.zones(connection, *lives)
            case = case_of(placement, facts)
            if placement.recipient or _differ(placement, case, known[lives], now):
                counts = audience.by_zone(connection, selection)
                zones[placement.key] = in_zones(placement, case, counts, now)
    return reach, zones


def _differ(placement: Placement, case: Case, names: Sequence[str], now: datetime) -> bool:
    """Whether a message that leaves at one instant fares differently in some of these zones."""
    fates = {each.decided for each in in_zones(placement, case, dict.fromkeys(["", *names], 1), now)}
    return len(fates) > 1


def _mediums(facts: Facts) -> dict[str, str]:
    return {channel.name: channel.medium for channel in facts.channels.values()}


def apply(
    store: Store,
    proposal: Proposal,
    by: str,
    now: datetime,
    *,
    refresh: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Saved:
    """Store a proposal without problems; nothing leaves before it is approved."""
    from orchestrator.store import creators, plans, prices

    if proposal.preparation.problems:
        raise SpecError(proposal.preparation.problems)
    spec, facts = proposal.campaign.spec, proposal.facts
    written = {each["fact"] for each in proposal.campaign.document.value.get("overrides", ())}
    creators.keep(store, {name: facts.creators[name] for name in spec.creators}, now)
    new = plans.NewPlan(
        campaign=spec.campaign,
        hash=proposal.hash,
        spec=proposal.campaign.document.text,
        facts={
            "rates": facts.rates.pinned(),
            "hours": best.to_pin(facts, [row.placement for row in proposal.preparation.prepared]),
            "overrides": {override.fact: override.because for override in spec.overrides},
            "given": {each.fact: each.because for each in spec.overrides if each.fact not in written},
        },
        prepared=keep(proposal.preparation.prepared, proposal.shelf),
        skipped=proposal.preparation.skipped,
        approvals=spec.approval.by,
        by=by,
        summary=_summary(proposal),
        audiences=audiences_of(proposal.campaign, facts),
        mediums=_mediums(facts),
        by_zone=_by_zone(proposal),
        refresh=refresh,
    )
    saved = plans.save(store, new, now, fallbacks=fallbacks, on_progress=on_progress)
    with store.begin() as connection:
        prices.keep_usual(connection, fixed_prices(facts.products), now)
        prices.keep_offered(connection, spec.campaign, _offered(proposal), now)
    return saved


def fixed_prices(products: Mapping[str, Product]) -> dict[tuple[str, str], Money]:
    """What each product costs where its price is fixed; what a converted one was in the shop is not known."""
    return {
        (name, code): price
        for name, product in products.items()
        for code, price in product.prices.items()
        if code != BASE
    }


def _offered(proposal: Proposal) -> dict[tuple[str, str], Charged]:
    """What each product costs in each market for as long as the offer holds."""
    return {
        (price.product, row.placement.market): Charged(
            price.now, row.placement.starts_at, row.placement.ends_at
        )
        for row in proposal.preparation.prepared
        for price in row.offer.prices
    }


def _by_zone(proposal: Proposal) -> dict[str, dict[str, datetime]]:
    """When each placement that goes by its recipients' clocks is due in each of their zones."""
    return {
        row.placement.key: {each.zone: each.due_at for each in proposal.zones.get(row.placement.key, ())}
        for row in proposal.preparation.prepared
        if row.placement.recipient
    }


def _learned(store: Store, now: datetime) -> dict[tuple[str, str], Learned]:
    from orchestrator.report.summary import best_hours

    with store.read() as connection:
        return best_hours(connection, now)


def _summary(proposal: Proposal) -> dict[str, Any]:
    """What a report needs of the campaign when its file has changed or gone."""
    spec = proposal.campaign.spec
    return {
        "kind": spec.kind,
        "markets": spec.markets,
        "budget": str(spec.budget) if spec.budget else None,
        "fees": {name: str(fee) for name, fee in spec.fee.items()},
        "goal": dict(spec.goal),
        "stock": spec.offer.stock,
        "held_out": {key: reach.held_out for key, reach in sorted(proposal.reach.items())},
    }


def posts_and_messages(rows: Sequence[Prepared], reach: Mapping[str, Reach]) -> tuple[int, int]:
    """How many posts a plan holds, and how many messages to people."""
    posts = sum(row.placement.kind == "broadcast" for row in rows)
    messages = sum(reach[row.placement.key].addressed for row in rows if row.placement.key in reach)
    return posts, messages
