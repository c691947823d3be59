"""What will hurt later, in sentences: old facts, missing secrets, tokens near their end, work cut off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.spec import Campaign
    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

SOON = timedelta(days=7)  #: a token that ends within this is told of


def examine(
    workspace: Workspace, campaigns: Iterable[Campaign], now: datetime, live: Mapping[str, bool]
) -> Iterator[str]:
    """The workspace: accounts without secrets, facts of its markets that are old or unverified."""
    for name, ready in live.items():
        if not ready:
            yield f"accounts.yaml: {name}: no credentials here; its messages go to the outbox"
    if not workspace.settings.public_url and any(campaign.spec.audience for campaign in campaigns):
        yield "silkpost.yaml: public_url: not set; messages to people need it for their unsubscribe link"
    for code in sorted({code for campaign in campaigns for code in campaign.spec.markets}):
        facts = list(workspace.market(code).facts())
        old = [path for path, fact in facts if fact.old(now.date())]
        doubted = [path for path, fact in facts if not fact.verified]
        if old:
            yield f"markets {code}: {len(old)} facts are due to be read again: {', '.join(old)}"
        if doubted:
            yield f"markets {code}: {len(doubted)} of {len(facts)} facts are unverified; see silkpost markets"


def examine_store(store: Store, now: datetime) -> list[str]:
    """The store: damage, plans cut off half-way, stopped accounts, tokens that end soon."""
    from orchestrator.store import accounts, backup, plans, tokens

    found = backup.check(store)
    with store.read() as connection:
        for name in plans.half_applied(connection):
            found.append(f"{name}: its last apply was cut off; run silkpost apply {name} again")
        for name, why in accounts.stopped(connection).items():
            found.append(f"{name}: stopped: {why}; mend it, then silkpost resume --account {name}")
        for name, at in tokens.expiring(connection, now + SOON).items():
            found.append(f"{name}: its token ends {at:%Y-%m-%d %H:%M}Z; renew it before then")
    return found
