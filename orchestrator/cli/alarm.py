"""What the daemon tells a team's robots, in the terminal's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.alerts import shortened
from orchestrator.cli.words import say, several

if TYPE_CHECKING:
    from orchestrator.store.alerts import Alert


def texts(shop: str) -> tuple[Callable[[Sequence[Alert]], str], Callable[[Mapping[str, int]], str]]:
    """How a shop's alerts are worded, and how its daily digest."""
    return lambda news: alerts(shop, news), lambda states: digest(shop, states)


def alerts(shop: str, news: Sequence[Alert]) -> str:
    head = several(
        "%(shop)s: %(count)s thing needs you", "%(shop)s: %(count)s things need you", len(news), shop=shop
    )
    return "\n".join([head, *(f"• {shortened(sentence(each))}" for each in news)])


def sentence(alert: Alert) -> str:
    """One alert: what is, and the command that goes on from there."""
    name, count = alert.name, f"{alert.count:,}"
    match alert.kind:
        case "stopped":
            told = say("%(name)s has stopped; mend it, then silkpost resume --account %(name)s", name=name)
            return f"{told} ({alert.why})"
        case "unknown":
            told = say("%(name)s: nobody knows whether it is out; look, then silkpost resolve", name=name)
            return f"{told} ({count} · {alert.why})"
        case "task":
            return say("%(name)s: a person publishes it; silkpost status has the task", name=name)
        case "failed":
            told = say("%(name)s: refused, it is not out", name=name)
            return f"{told} ({alert.why})"
        case "approve":
            first = f"{alert.at:%d %b %H:%MZ}" if alert.at else "–"
            return say(
                "%(name)s waits for approval: %(count)s to go, the first %(first)s; "
                "silkpost approve %(name)s --plan %(hash)s",
                name=name,
                count=count,
                first=first,
                hash=alert.mark[:6],
            )
        case "expires":
            at = f"{alert.at:%Y-%m-%d %H:%MZ}"
            return say("%(name)s: its token ends %(at)s; silkpost channels login %(name)s", name=name, at=at)


def digest(shop: str, states: Mapping[str, int]) -> str:
    """How many are where, on one line."""
    asks = states.get("unknown", 0) + states.get("awaiting_person", 0)
    return say(
        "%(shop)s: %(sent)s sent, %(planned)s waiting, %(failed)s refused, %(skipped)s skipped, "
        "%(asks)s for a person",
        shop=shop,
        asks=f"{asks:,}",
        **{name: f"{states.get(name, 0):,}" for name in ("sent", "planned", "failed", "skipped")},
    )
