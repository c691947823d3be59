"""A report as CSV: one row for each market, channel, wave, variant and placement."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.report.summary import Line, Report

COLUMNS = (
    *(
        "dimension",
        "name",
        "posts",
        "messages",
        "reach",
        "clicks",
        "bot_clicks",
        "orders",
        "refunds",
        "revenue",
    ),
    *(
        "currency",
        "response",
        "basis",
        "rate",
        "rate_low",
        "rate_high",
        "against",
        "against_low",
        "against_high",
    ),
    *("verdict", "age_s", "compared_with"),
)


def to_csv(made: Report) -> str:
    """What is missing is an empty cell, never a zero."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for dimension in ("market", "channel", "wave", "variant", "placement"):
        lines: Sequence[Line] = getattr(made, f"{dimension}s")
        for line in lines:
            writer.writerow([_plain(cell) for cell in _row(dimension, line, made)])
    return text.getvalue()


def _row(dimension: str, line: Line, made: Report) -> list[object]:
    counts, score = line.counts, line.score
    cells: list[object] = [dimension, line.name, counts.posts, counts.messages, counts.reach, counts.clicks]
    cells += [counts.bot_clicks, counts.orders, counts.refunds, counts.revenue, made.currency, made.response]
    if score is None:
        return cells + [None] * (len(COLUMNS) - len(cells))
    cells += [score.basis, score.rate, *(score.interval or (None, None))]
    cells += [
        score.against,
        *(score.against_interval or (None, None)),
        score.verdict.value,
        score.reason.age_s,
    ]
    return [*cells, score.reason.compared_with]


def _plain(cell: object) -> object:
    """A text that a spreadsheet would run as a formula is shown as text."""
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return (
        f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") and len(cell) > 1 else cell
    )
