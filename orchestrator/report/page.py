"""A report as one HTML page: no script, no request, light and dark, for the screen and for paper."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from orchestrator.report import charts
from orchestrator.report.terminal import best, lift
from orchestrator.report.words import Words, words

if TYPE_CHECKING:
    from jinja2 import Template

    from orchestrator.report.summary import Report


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = PackageLoader("orchestrator.report", "")
    page = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return page.get_template("page.html.j2")


def to_html(made: Report, language: str = "en") -> str:
    """Everything that came from outside is escaped; nothing is fetched."""
    say = words(language)
    tables = [
        (say.say("Channels"), made.channels),
        (say.say("Waves"), made.waves),
        (say.say("Variants"), made.variants if len(made.variants) > 1 else ()),
    ]
    return _template().render(
        r=made,
        w=say,
        say=say.say,
        charts=charts,
        best=best,
        lift=lift(made, say),
        tables=[(name, lines) for name, lines in tables if lines],
        end=charts.strip_end([line.score for line in made.markets if _people(line)]),
        people=_people,
        count=lambda line: getattr(line.counts, made.response),
        one=Decimal(1),
        back=None if made.roi is None else 1 + Decimal(str(made.roi)),
        gauge=_gauge(made),
        goals=_goals(made, say),
    )


def _people(line: object) -> bool:
    """Whether a line's rate is per people reached, so that it stands on the common scale."""
    score = getattr(line, "score", None)
    return bool(score and score.basis != "posts" and score.rate is not None)


def _gauge(made: Report) -> float | None:
    """How much of the budget was spent."""
    if not made.budget or made.cost is None:
        return None
    return float(made.cost / made.budget)


def _goals(made: Report, say: Words) -> list[tuple[str, str, str, float]]:
    """Each goal with what was reached of it: name, reached, wanted, share."""
    reached = {
        "orders": made.counts.orders,
        "clicks": made.counts.clicks,
        "reach": made.counts.reach,
        "revenue": made.counts.revenue,
    }
    names = {
        "orders": say.say("orders"),
        "clicks": say.say("clicks"),
        "reach": say.say("reach"),
        "revenue": say.say("revenue"),
    }
    return [
        (names[name], say.number(reached[name]), say.number(wanted), float(reached[name] or 0) / wanted)
        for name, wanted in made.goal.items()
        if wanted
    ]
