"""Inline SVG, drawn by hand: strips with intervals, curves by age, days. Colours come from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from orchestrator.report.summary import Curve, Day
    from orchestrator.report.words import Words
    from orchestrator.score import Score

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 940, 52, 120, 20, 30
STRIP, STRIP_HEIGHT = 220, 22


def ceiling(value: float) -> float:
    """A round number at or above, for the end of an axis."""
    if value <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(value))
    return next(
        times * step for times in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if times * step >= value * 0.999
    )


def strip_end(scores: Sequence[Score | None]) -> float:
    """Where strips end: past every value, though not past every interval; those are shown cut."""
    known = [score for score in scores if score and score.rate is not None and score.interval]
    if not known:
        return 1.0
    highest = max(score.rate or 0.0 for score in known)
    return ceiling(
        max(highest * 1.15, min(max(score.interval[1] for score in known if score.interval), 2 * highest))
    )


def strip(score: Score, end: float, label: str) -> Markup:
    """One rate as a dot with its interval, on the scale that its neighbours share."""
    low, high = score.interval or (0.0, 0.0)

    def x(value: float) -> float:
        return round(6 + (STRIP - 12) * min(1.0, value / end), 1)

    middle = STRIP_HEIGHT / 2
    cut = Markup("")
    if high > end:
        cut = Markup('<path class="cut" d="M{0} {1}l-5 -5M{0} {1}l-5 5"/>').format(x(end), middle)
    return Markup(
        '<svg class="strip {tone}" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img"'
        ' aria-label="{label}">'
        '<path class="axis" d="M6 {m}H{right}"/><path class="iv" d="M{low} {m}H{high}"/>{cut}'
        '<circle class="dot" cx="{at}" cy="{m}" r="5"/></svg>'
    ).format(
        tone=score.verdict.value,
        w=STRIP,
        h=STRIP_HEIGHT,
        label=label,
        m=middle,
        right=STRIP - 6,
        low=x(low),
        high=x(high),
        cut=cut,
        at=x(score.rate or 0.0),
    )


def _frame(height: int, title: str, description: str) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{title}. {description}">'
    ).format(w=WIDTH, h=height, title=title, description=description)


def _grid(end: float, top: float, base: float, words: Words, right: float = WIDTH - RIGHT) -> Markup:
    lines = []
    for part in (0, 0.5, 1):
        y = round(base - (base - top) * part, 1)
        lines.append(
            Markup(
                '<path class="{kind}" d="M{left} {y}H{right}"/><text class="tick" x="{x}" y="{ty}">{n}</text>'
            ).format(
                kind="grid" if part else "axis",
                left=LEFT,
                y=y,
                right=right,
                x=LEFT - 8,
                ty=y + 4,
                n=words.compact(end * part) if end >= 2 else words.rate(end * part),
            )
        )
    return Markup("").join(lines)


def curves(found: Sequence[Curve], words: Words, title: str) -> Markup:
    """Mean readings per post by age; the ages of the cadence stand at equal distances."""
    ages = sorted({age for curve in found for age, _, _ in curve.points})
    if len(ages) < 2:
        return Markup("")
    height = 280
    base, end = height - BOTTOM, ceiling(max(value for curve in found for _, value, _ in curve.points))
    step = (WIDTH - LEFT - RIGHT) / (len(ages) - 1)
    x = {age: round(LEFT + index * step, 1) for index, age in enumerate(ages)}
    told = "; ".join(
        f"{curve.channel}: "
        + ", ".join(f"{words.age(age)} {words.compact(value)}" for age, value, _ in curve.points)
        for curve in found
    )
    parts = [_frame(height, title, told), _grid(end, TOP, base, words)]
    parts += [
        Markup('<text class="tick mid" x="{x}" y="{y}">{t}</text>').format(
            x=x[age], y=base + 20, t=words.age(age)
        )
        for age in ages
    ]
    labels = _spaced([base - (base - TOP) * curve.points[-1][1] / end for curve in found], 15)
    for index, (curve, label) in enumerate(zip(found, labels, strict=True)):
        points = [(x[age], round(base - (base - TOP) * value / end, 1)) for age, value, _ in curve.points]
        path = "M" + "L".join(f"{px} {py}" for px, py in points)
        dots = Markup("").join(Markup('<circle cx="{}" cy="{}" r="3"/>').format(*point) for point in points)
        parts.append(
            Markup(
                '<g class="series s{n}"><path d="{d}"/>{dots}<text x="{lx}" y="{ly}">{name}</text></g>'
            ).format(
                n=index % 6,
                d=path,
                dots=dots,
                lx=points[-1][0] + 10,
                ly=round(label + 4, 1),
                name=curve.channel,
            )
        )
    return Markup("").join(parts) + Markup("</svg>")


def _spaced(heights: Sequence[float], least: float) -> list[float]:
    """Heights moved apart, so that labels do not lie on each other."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    found, below = list(heights), -math.inf
    for index in order:
        found[index] = below = max(heights[index], below + least)
    return found


def days(found: Sequence[Day], words: Words, clicks: str, orders: str) -> Markup:
    """Clicks above, orders below, over the same days; a mark where posts went out."""
    if len(found) < 2:
        return Markup("")
    each, gap, right = 96, 34, WIDTH - 14
    height = TOP + 2 * each + gap + BOTTOM + 8
    width = (right - LEFT) / len(found)
    told = "; ".join(
        f"{words.short_day(day.on)}: {day.clicks} {clicks}, {day.orders} {orders}" for day in found
    )
    parts = [_frame(height, f"{clicks}, {orders}", told)]
    for row, (name, tone, values) in enumerate(
        ((clicks, "clicks", [day.clicks for day in found]), (orders, "orders", [day.orders for day in found]))
    ):
        top = TOP + row * (each + gap)
        base, end = top + each, ceiling(max(values))
        parts.append(_grid(end, top, base, words, right))
        parts.append(Markup('<text class="name" x="{}" y="{}">{}</text>').format(LEFT, top - 6, name))
        for index, value in enumerate(values):
            tall = round(each * value / end, 1)
            parts.append(
                Markup(
                    '<rect class="bar {tone}" x="{x}" y="{y}" width="{w}" height="{h}" rx="1.5">'
                    "<title>{t}</title></rect>"
                ).format(
                    tone=tone,
                    x=round(LEFT + index * width + width * 0.14, 1),
                    y=round(base - tall, 1),
                    w=round(width * 0.72, 1),
                    h=tall,
                    t=f"{words.short_day(found[index].on)}: {words.number(value)}",
                )
            )
    base = TOP + 2 * each + gap
    every = max(1, math.ceil(len(found) / 10))
    for index, day in enumerate(found):
        middle = round(LEFT + (index + 0.5) * width, 1)
        if day.sent:
            told = words.plural("%(n)s placement went out", "%(n)s placements went out", day.sent)
            parts.append(
                Markup('<path class="sent" d="M{} {}l4 7h-8z"><title>{}</title></path>').format(
                    middle, base + 5, told
                )
            )
        if index % every == 0:
            parts.append(
                Markup('<text class="tick mid" x="{x}" y="{y}">{t}</text>').format(
                    x=middle, y=base + 27, t=words.short_day(day.on)
                )
            )
    return Markup("").join(parts) + Markup("</svg>")
