"""One campaign against the store: what applying it would change, what will become of it, and applying it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locales.catalog import fallbacks
from locales.document import Problem, SpecError
from locales.rates import Rates
from orchestrator.diff import Change, Sign, diff
from orchestrator.gather import gather
from orchestrator.offers import BASE
from orchestrator.overrides import no_override
from orchestrator.plan import plan
from orchestrator.policy import Case, Quiet, Send, Skip, Wait, decide
from orchestrator.prepare import Preparation, Prepared, prepare
from orchestrator.prior import Charged
from orchestrator.quiet import quiet_of
from orchestrator.shelf import FOLDER, keep
from orchestrator.workspace import Audience

if TYPE_CHECKING:
    from content.render import Renderer
    from locales.money import Money
    from orchestrator.facts import Facts
    from orchestrator.plan import Placement
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
    learned = _pinned_hours(pinned["hours"]) if pinned else None
    given = {**((pinned or {}).get("given") or {}), **(overrides or {})}
    campaign = _overriding(workspace, campaign, given)
    facts = gather(
        workspace,
        [campaign.spec],
        rates,
        now,
        checked=checked,
        live=live,
        learned=learned,
        history=history,
    )
    preparation = prepare(campaign.spec, plan(campaign.spec, facts), facts, renderer)
    preparation.problems = [_located(problem, campaign) for problem in preparation.problems]
    changes = diff(preparation.prepared, stored)
    outlook = _outlook(changes, facts, now)
    preparation.asks = sorted({*preparation.asks, *_doubted_days(changes, facts)})
    reach = _reach(store, campaign, preparation, facts) if store is not None else {}
    shelf = workspace.root / FOLDER
    return Proposal(campaign, facts, preparation, changes, outlook, reach, shelf)


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
        blackouts=facts.blackouts.get(market.code, {}),
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
        if fact and not fact.verified:
            yield (
                f"{placement.market} gets no promotion on {placement.local:%d %b} ({name}); "
                f"to decide otherwise, write blackout.{name} in markets/{placement.market}.yaml"
            )


def audiences_of(campaign: Campaign, facts: Facts) -> dict[str, Audience]:
    """The campaign's audiences by name; a creator is an audience of one, by the business of the collab."""
    own = {name: facts.audiences[name] for name in campaign.spec.audience.values()}
    ones = {
        f"{CREATOR}{name}": Audience.model_validate({"where": {"creator": name}, "consent": ["business"]})
        for name in campaign.spec.creators
    }
    return own | ones


def _reach(store: Store, campaign: Campaign, preparation: Preparation, facts: Facts) -> dict[str, Reach]:
    """How many people each direct placement finds and addresses, counted in the store as it is now."""
    from orchestrator.store import audience, plans

    rules, mediums = audiences_of(campaign, facts), _mediums(facts)
    with store.read() as connection:
        found = plans.selections(connection, preparation.prepared, rules, mediums, fallbacks)
        return {row.placement.key: audience.count(connection, selection) for row, selection in found}


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
            "hours": _hours(facts),
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


def _hours(facts: Facts) -> dict[str, str]:
    return {f"{market}/{channel}": f"{at:%H:%M}" for (market, channel), at in sorted(facts.best.items())}


def _pinned_hours(kept: Mapping[str, str]) -> dict[tuple[str, str], time]:
    """The best hours an earlier plan resolved: they stay, so that what was approved does not move."""
    parted = ((name.split("/", 1), written) for name, written in kept.items())
    return {(market, channel): time.fromisoformat(written) for (market, channel), written in parted}


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
