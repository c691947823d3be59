"""Gathers the facts of a plan: markets, days, rates, accounts, media, each read once, before any decision."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from channels import load
from channels.base import AccountFacts, Credentials
from content.message import Media
from locales.calendar import date_of, dated, day_of, is_holiday
from orchestrator.credentials import without_secrets
from orchestrator.facts import ChannelFacts, Facts, Hour
from orchestrator.shelf import name_of
from orchestrator.translation.texts import doubts

if TYPE_CHECKING:
    from locales.market import Market, Period
    from locales.rates import Rates
    from orchestrator.prior import Charged
    from orchestrator.spec import CampaignSpec
    from orchestrator.workspace import Workspace

_NOTHING: Any = None  #: in place of a wire and a clock, for an adapter that only says what it is
#: One kind of address for each set of rules that a market may have.
MEDIA = ("email", "phone", "line")


def gather(
    workspace: Workspace,
    specs: Iterable[CampaignSpec],
    rates: Rates,
    now: datetime,
    *,
    checked: Mapping[str, AccountFacts] | None = None,
    pinned: Mapping[tuple[str, str], Hour] | None = None,
    live: Mapping[str, bool] | None = None,
    history: Mapping[tuple[str, str], Sequence[Charged]] | None = None,
) -> Facts:
    """Everything these campaigns' plans rest on, and nothing else.

    `checked` is what `channels check` learnt of accounts, `pinned` the best hours that an earlier plan
    resolved, `live` whether an account has its credentials, `history`
    what products cost before.
    """
    specs = list(specs)
    codes = sorted({code for spec in specs for code in spec.markets})
    markets = {code: workspace.market(code) for code in codes}
    years = sorted({year for spec in specs for year in _years(spec, now)})
    channels = {
        name: _channel(workspace, name, (checked or {}).get(name), (live or {}).get(name, True))
        for name in workspace.accounts
    }
    names = {facts.name for facts in channels.values()}
    best = {(code, name): Hour(market.best_hour(name)) for code, market in markets.items() for name in names}
    return Facts(
        now=now,
        shop=workspace.settings.shop,
        shop_url=workspace.settings.url,
        public_url=workspace.settings.public_url,
        currency=workspace.settings.currency,
        markets=markets,
        accounts=workspace.accounts,
        channels=channels,
        products=workspace.products,
        creators=workspace.creators,
        audiences=workspace.audiences,
        rates=rates,
        days={
            (spec.day, code, year): on
            for spec in specs
            if spec.day
            for code in spec.markets
            for year in years
            if (on := date_of(spec.day, code, year, extra=workspace.calendar))
        },
        estimated=frozenset(
            (spec.day, code, year)
            for spec in specs
            if spec.day
            for code in spec.markets
            for year in years
            if (day := day_of(spec.day, code, year, extra=workspace.calendar)) and day.estimated
        ),
        blackouts={code: blackouts(market, years, workspace) for code, market in markets.items()},
        holidays={code: holidays_of(market, years) for code, market in markets.items()},
        best=best | dict(pinned or {}),
        media=media_of(workspace),
        history=history or {},
        permits=workspace.settings.permits,
        doubts=doubts(workspace, specs),
        periods=periods_of(markets.values(), years, workspace),
    )


def _years(spec: CampaignSpec, now: datetime) -> list[int]:
    """The years a campaign may touch: a teaser of January stands in December."""
    year = spec.year or now.year
    return [year - 1, year, year + 1]


def _channel(workspace: Workspace, account: str, checked: AccountFacts | None, live: bool) -> ChannelFacts:
    """What the account's channel carries, as its settings narrow it; the adapter is made and never used."""
    named = workspace.accounts[account]
    adapter, settings = load(named.channel), without_secrets(named)
    made = adapter(settings, Credentials(), _NOTHING, _NOTHING) if settings else adapter
    return ChannelFacts(
        name=named.channel,
        kind=made.kind,
        medium=made.medium,
        limits=(checked.limits if checked else None) or made.limits,
        carries=made.carries,
        completion=made.completion,
        live=live,
        refuses=partial(adapter.refuses, settings=settings),
    )


def blackouts(market: Market, years: Iterable[int], workspace: Workspace) -> dict[date, str]:
    """The dates on which this market gets no promotion, by the name of the day."""
    return {
        on: name
        for name in sorted(market.blackout_days)
        for year in years
        if (on := date_of(name, market.code, year, extra=workspace.calendar))
    }


def periods_of(
    markets: Iterable[Market], years: Sequence[int], workspace: Workspace
) -> dict[tuple[str, Period], list[tuple[date, date]]]:
    """When each period that a fact of these markets names is; empty where it is announced and not entered."""
    return {
        (market.code, period): [
            found for year in years for found in dated(period, market.code, year, extra=workspace.calendar)
        ]
        for market in markets
        for period in market.periods()
    }


def holidays_of(market: Market, years: Iterable[int]) -> frozenset[date]:
    """Public holidays, where some quiet hours of this market ask for them."""
    asked = (hours for medium in MEDIA if (hours := market.hours(medium)))
    if not any("holidays" in hours.model_fields_set for hours in asked):
        return frozenset()
    days = (date(year, 1, 1) + timedelta(days=n) for year in years for n in range(366))
    return frozenset(day for day in days if is_holiday(market.code, day))


def media_of(workspace: Workspace) -> dict[str, Media]:
    """The files under `media/`, by their path in the workspace, named by the hash of their bytes."""
    folder, base_url = workspace.root / "media", workspace.settings.media.base_url
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        kind = mimetypes.guess_type(path.name)[0] or ""
        if path.is_file() and kind.startswith(("image/", "video/")):
            found[path.relative_to(workspace.root).as_posix()] = medium(path, kind, base_url)
    return found


def medium(path: Path, kind: str, base_url: str) -> Media:
    """One media file; its bytes are read in pieces. `base_url` is where platforms fetch it, if they may."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    found = Media(sha256=digest, kind=kind, size=path.stat().st_size, name=path.name, path=str(path))
    return replace(found, url=f"{base_url.rstrip('/')}/{name_of(found)}") if base_url else found
