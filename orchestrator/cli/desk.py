"""What commands open: the workspace, its store, the rates of the day, the adapters of its accounts."""

from __future__ import annotations

import getpass
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.shell import USAGE, Sentence, complain, here
from orchestrator.cli.spoken import unknown
from orchestrator.cli.words import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from content.render import Renderer
    from locales.rates import Rates
    from locales.rates_kept import Memory
    from orchestrator.propose import Proposal
    from orchestrator.spec import Campaign
    from orchestrator.store import Keys, Store
    from orchestrator.workspace import Workspace


def this_moment() -> datetime:
    """This moment by the clock: what sends, or asks whether a daemon is alive, is not told another one."""
    return datetime.now(UTC)


def now() -> datetime:
    """This moment; SILKPOST_NOW (ISO, with an offset) stands in for it, to plan as of another day."""
    given = os.environ.get("SILKPOST_NOW")
    if not given:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        told = say('SILKPOST_NOW: "%(given)s" is not a moment; write 2026-11-07T00:00+00:00', given=given)
        raise Sentence(told, USAGE)
    return moment.astimezone(UTC)


def who(given: str | None) -> str:
    """The name that an act is recorded under: advisory, until people log in."""
    try:
        return given or os.environ.get("SILKPOST_USER") or getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        raise Sentence(say("nobody is named; write --by NAME, or set SILKPOST_USER"), USAGE) from None


def open_workspace(names: list[str] | None = None) -> tuple[Workspace, list[Campaign]]:
    """The workspace, and these campaigns of it or all; SpecError with every problem of every file."""
    from orchestrator.workspace import load_all

    workspace, campaigns = load_all(here.folder)
    if not names:
        return workspace, campaigns
    known = {campaign.spec.campaign: campaign for campaign in campaigns}
    for name in names:
        if name not in known:
            raise Sentence(say('campaign "%(name)s": %(what)s', name=name, what=unknown(name, tuple(known))))
    return workspace, [known[name] for name in names]


def open_store(workspace: Workspace, *, create: bool = False) -> Store:
    """The workspace's store; with `create`, made (and its keys with it) where there is none yet."""
    from orchestrator.store import Store

    fresh = not store_exists(workspace)
    if fresh and not create:
        raise Sentence(say("there is no store yet; silkpost apply makes one"))
    return Store.open(store_url(workspace), keys_of(workspace, create=fresh), create=fresh)


def applied(store: Store, name: str) -> None:
    """Refuse a campaign of which no plan is in the store: a misspelt name would do nothing, unnoticed."""
    from orchestrator.store.figures import applied as plans_in

    with store.read() as connection:
        known = tuple(plan.campaign for plan in plans_in(connection))
    if not known:
        raise Sentence(say('campaign "%(name)s": nothing was applied yet', name=name))
    if name not in known:
        raise Sentence(say('campaign "%(name)s": %(what)s', name=name, what=unknown(name, known)))


def keys_of(workspace: Workspace, *, create: bool = False) -> Keys:
    """The operator's keys; with `create`, made where there are none."""
    from orchestrator.store import Keys

    reference = workspace.settings.keys
    if reference.startswith("file:"):
        reference = f"file:{(workspace.root / reference.removeprefix('file:')).resolve()}"
    return Keys.load(reference, create=create)


def store_exists(workspace: Workspace) -> bool:
    """Whether there is a store to compare with; a server's is taken to be there."""
    url = store_url(workspace)
    if not url.startswith("sqlite:///"):
        return True
    file = Path(url.removeprefix("sqlite:///"))
    return file.exists() and file.stat().st_size > 0 and not _without_tables(file)


def _without_tables(file: Path) -> bool:
    """Whether the making of a store was cut off before its one transaction ended, as on a full disk."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as begun:
            return begun.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except sqlite3.Error:
        return False  # whoever opens it says what is wrong


def store_url(workspace: Workspace) -> str:
    """The store's address, with a SQLite file's path made absolute from the workspace."""
    url = workspace.settings.store
    if url.startswith("env:"):
        name = url.removeprefix("env:")
        if not (url := os.environ.get(name, "")):
            told = say("silkpost.yaml: store: %(name)s is not set; set it to the store's address", name=name)
            raise Sentence(told)
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        return f"sqlite:///{(workspace.root / url.removeprefix('sqlite:///')).resolve()}"
    return url


def rates_of_the_day(
    workspace: Workspace, *, offline: bool = False, quiet: bool = False, refresh: bool = False
) -> Rates:
    """The best rates at hand; what was tried is told on standard error. Never more than 3 s."""
    rates, tried = rates_and_why(workspace, offline=offline, refresh=refresh)
    for sentence in tried if not (quiet or offline or os.environ.get("SILKPOST_OFFLINE")) else ():
        complain(say("rates: %(what)s", what=sentence))
    return rates


def rates_and_why(
    workspace: Workspace | None, *, offline: bool = False, refresh: bool = False
) -> tuple[Rates, list[str]]:
    """The best rates at hand, and what was tried before them; `refresh` asks though fresh ones are kept."""
    import asyncio

    most_age = timedelta(0) if refresh else None
    return asyncio.run(asked_rates(workspace, offline=offline, most_age=most_age))


async def asked_rates(
    workspace: Workspace | None, *, offline: bool = False, most_age: timedelta | None = None
) -> tuple[Rates, list[str]]:
    """The same, where a loop runs. SILKPOST_OFFLINE asks nobody."""
    from channels.http import client
    from locales.rates import latest

    offline = offline or bool(os.environ.get("SILKPOST_OFFLINE"))
    written = workspace.settings.rates.file if workspace else None
    file = workspace.path(written) if workspace and written else None
    memory = rates_kept(workspace) if workspace else None
    if memory and most_age is not None:
        memory = replace(memory, most_age=most_age)
    async with client(connect=3, read=3) as http:
        return await latest(http, now().date(), file=file, memory=memory, offline=offline)


def rates_kept(workspace: Workspace) -> Memory:
    """Where the last live rates are remembered, in the workspace."""
    from locales.rates_kept import Memory

    return Memory(workspace.root / ".silkpost/rates.json", this_moment())


def rates_asked_at(workspace: Workspace, found: Rates) -> datetime | None:
    """When a live source gave these rates; None where they are the bundled ones, or the operator's alone."""
    memory = rates_kept(workspace)
    last = memory.last(now().date())
    return memory.asked_at if last and found.source.endswith(last.source) else None


def renderer_of(workspace: Workspace) -> Renderer:
    """The workspace's templates and sentences, over the built-in ones."""
    from content.render import Renderer
    from orchestrator.translation.texts import doubts

    return Renderer(
        workspace.templates,
        workspace.translations,
        shop=workspace.settings.shop,
        shop_url=workspace.settings.url,
        strings=workspace.strings,
        doubts=doubts(workspace),
    )


def proposed(
    workspace: Workspace,
    campaigns: Iterable[Campaign],
    store: Store | None = None,
    *,
    at: datetime | None = None,
    offline: bool = False,
    quiet: bool = False,
    refresh: bool = False,
    live: Mapping[str, bool] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> list[Proposal]:
    """What applying these campaigns would change, now or `at` a moment: how every command plans."""
    from orchestrator.propose import propose

    rates = rates_of_the_day(workspace, offline=offline, quiet=quiet, refresh=refresh)
    renderer, moment = renderer_of(workspace), at or now()
    live = live_accounts(workspace) if live is None else live
    return [
        propose(
            workspace,
            campaign,
            renderer,
            rates,
            moment,
            store,
            refresh=refresh,
            live=live,
            overrides=overrides,
        )
        for campaign in campaigns
    ]


def live_accounts(workspace: Workspace) -> dict[str, bool]:
    """Which accounts have all their secrets; the outbox stands in for the others."""
    from orchestrator.credentials import Missing, resolve_secrets

    return {
        name: not isinstance(resolve_secrets(account, os.environ, root=workspace.root), Missing)
        for name, account in workspace.accounts.items()
    }
