"""Rendering messages and posts against templates compiled once and Babel called for every value."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_currency, format_percent
from jinja2 import Environment, FileSystemLoader, Template

from bench.figures import Row, alternately, at_least
from content.message import Message
from content.offer import Offer, Price
from content.render import Renderer, Scene, Skeleton
from locales import catalog
from locales.money import Money

#: market, locale, zone, currency
MARKETS = (
    ("DE", "de_DE", "Europe/Berlin", "EUR"),
    ("FR", "fr_FR", "Europe/Paris", "EUR"),
    ("GB", "en_GB", "Europe/London", "GBP"),
    ("US", "en_US", "America/New_York", "USD"),
    ("JP", "ja_JP", "Asia/Tokyo", "JPY"),
    ("KR", "ko_KR", "Asia/Seoul", "KRW"),
    ("BR", "pt_BR", "America/Sao_Paulo", "BRL"),
)
WAVES, ACCOUNTS, CREATORS = 4, 6, 5
SHOP, SITE = "Lantern House", "https://lantern-house.example"

_BODY = """
{% for price in prices %}
{{ price.name }} · {{ _("Was %(was)s, now %(now)s", was=price.was, now=price.now) }}
{% endfor %}
{{ ngettext("%(days)d day left", "%(days)d days left", days_left, days=days_left) }}
{{ _("Until %(deadline)s", deadline=offer.ends_at | long_date) }}
"""
_OFF = '{{ _("%(percent)s off", percent=percent) }}'
TEMPLATES = {
    "own/launch.email.j2": "{% block title %}" + _OFF + "{% endblock %}{% block text %}"
    '{{ _("Hello %(name)s,", name=contact.name) | otherwise(_("Hello,")) }}\n'
    + _BODY
    + '{{ _("Shop now") }}: '
    '{{ link }}\n{{ _("Unsubscribe") }}: {{ unsubscribe }}\n{% endblock %}',
    "own/launch.webhook.j2": _OFF + _BODY + "{{ link }}\n",
}


def rows(quick: bool) -> Iterator[Row]:
    rounds, people, posts = (1, 20, 28) if quick else (5, 70_000, len(MARKETS) * WAVES * ACCOUNTS * CREATORS)
    number = count(1)
    with tempfile.TemporaryDirectory(prefix="silkpost-bench-") as folder:
        for name, source in TEMPLATES.items():
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).write_text(source, "utf-8")
        same(Path(folder))
        direct = alternately(
            rounds,
            lambda: messages(Path(folder), people, next(number)),
            lambda: naive_messages(Path(folder), max(people // 20, 20), next(number)),
        )
        broadcast = alternately(
            rounds,
            lambda: editions(Path(folder), posts, next(number)),
            lambda: naive_posts(Path(folder), posts, next(number)),
        )
    note = f"price, percentage, deadline, plural; {len(MARKETS)} locales; both print the same bytes"
    yield Row("render direct messages / Babel for every value", at_least(25), *figures(direct), note=note)
    yield Row("render broadcast editions / Babel for every value", at_least(8), *figures(broadcast))


def figures(each: Any) -> tuple[float, float, float, str]:
    return each.ours, each.theirs, each.ratio, "/s"


def offer(currency: str, number: int) -> Offer:
    """Other prices in every round: nothing is remembered from the last."""
    whole = currency in ("JPY", "KRW")
    was, now = Decimal(2900 + number), Decimal(2200 + number)
    was, now = (was, now) if whole else (was / 100, now / 100)
    price = Price("lantern-red", "Red lantern", Money(was, currency), Money(now, currency))
    ends = datetime(2026, 11, 30, 18, tzinfo=UTC) + timedelta(minutes=number)
    return Offer(Decimal(25), "LIGHT11", (price,), ends - timedelta(days=9), ends)


def scenes(number: int, channel: str) -> Iterator[Scene]:
    """Every post of a campaign: market, wave, account, creator; the offer is the market's."""
    for market, locale, zone, currency in MARKETS:
        ours = offer(currency, number)
        for at in range(WAVES * ACCOUNTS * CREATORS):
            wave = at // (ACCOUNTS * CREATORS)
            yield Scene(
                placement=f"lanterns/w{wave}/{market}/{locale}/a{at % ACCOUNTS}/c{at % CREATORS}/-",
                kind="holiday",
                wave="launch",
                channel=channel,
                market=market,
                locale=locale,
                zone=zone,
                offer=ours,
                template="own",
                due_at=ours.ends_at - timedelta(days=7 - wave, hours=1),
                link=f"{SITE}/l/{number:x}{market}{at:x}",
            )


def renderer(folder: Path) -> Renderer:
    """A renderer whose templates are compiled, as the other side's are; it has seen no price yet."""
    made = Renderer((folder,), shop=SHOP)
    for scene in scenes(0, "webhook"):
        made.render(scene)
    for scene in letters(0):
        made.render(scene)
    return made


def letters(number: int) -> list[Scene]:
    """The direct editions: one for each locale."""
    each = {scene.market: scene for scene in scenes(number, "email")}
    return [replace(scene, direct=True, link="", medium="email") for scene in each.values()]


def person(at: int) -> dict[str, str]:
    name = "" if at % 10 == 0 else f"Mei {at}"
    return {"name": name, "to": f"mei-{at}@example.com", **links(at)}


def links(at: int) -> dict[str, str]:
    return {"link": f"{SITE}/l/{at:x}", "unsubscribe": f"{SITE}/u/{at:x}"}


def messages(folder: Path, people: int, number: int) -> float:
    """Messages a second: each locale's edition rendered, compiled, and filled for everybody."""
    ours, each = renderer(folder), people // len(MARKETS)
    listed = [person(at) for at in range(each)]
    began = time.perf_counter()
    for scene in letters(number):
        skeleton = Skeleton(ours.render(scene))
        for values in listed:
            skeleton.fill(values)
    return each * len(MARKETS) / (time.perf_counter() - began)


def editions(folder: Path, posts: int, number: int) -> float:
    """Editions a second."""
    ours = renderer(folder)
    wanted = list(scenes(number, "webhook"))[:posts]
    began = time.perf_counter()
    for scene in wanted:
        ours.render(scene)
    return len(wanted) / (time.perf_counter() - began)


# The other side


class Naive:
    """One Jinja environment and its compiled templates for each locale; Babel is called for every value."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._templates: dict[tuple[str, str], Template] = {}

    def template(self, name: str, locale: str, zone: str) -> Template:
        if (name, locale) not in self._templates:
            made = Environment(  # plain text
                loader=FileSystemLoader(self._folder),
                extensions=["jinja2.ext.i18n"],
                trim_blocks=True,
                lstrip_blocks=True,
            )
            made.install_gettext_translations(catalog.translations(locale), newstyle=True)  # type: ignore[attr-defined]
            made.filters["otherwise"] = lambda text, fallback: text if "Mei" in text else fallback
            here = ZoneInfo(zone)
            made.filters["long_date"] = lambda at: format_date(at.astimezone(here), "long", locale=locale)
            self._templates[name, locale] = made.get_template(name)
        return self._templates[name, locale]

    def values(self, scene: Scene) -> dict[str, Any]:
        locale, given = scene.locale, scene.offer
        assert given.discount is not None
        assert scene.due_at is not None
        prices = [
            {
                "name": price.name,
                "was": format_currency(price.was.amount, price.was.currency, locale=locale)
                if price.was
                else "",
                "now": format_currency(price.now.amount, price.now.currency, locale=locale),
            }
            for price in given.prices
        ]
        return {
            "percent": format_percent(given.discount / 100, locale=locale),
            "prices": prices,
            "offer": given,
            "days_left": (given.ends_at - scene.due_at).days,
        }

    def message(self, scene: Scene, at: int) -> Message:
        template = self.template("own/launch.email.j2", scene.locale, scene.zone)
        values = person(at)
        given = {**self.values(scene), **links(at), "contact": {"name": values["name"]}}
        title, text = (
            "".join(template.blocks[part](template.new_context(given))) for part in ("title", "text")
        )
        return Message(text.strip(), title, to=values["to"])

    def post(self, scene: Scene) -> Message:
        template = self.template("own/launch.webhook.j2", scene.locale, scene.zone)
        return Message(template.render({**self.values(scene), "link": scene.link}).strip(), link=scene.link)


def naive_messages(folder: Path, people: int, number: int) -> float:
    theirs, each = Naive(folder), people // len(MARKETS) or 1
    wanted = letters(number)
    for scene in wanted:
        theirs.message(scene, 0)
    began = time.perf_counter()
    for scene in wanted:
        for at in range(each):
            theirs.message(scene, at)
    return each * len(wanted) / (time.perf_counter() - began)


def naive_posts(folder: Path, posts: int, number: int) -> float:
    theirs = Naive(folder)
    wanted = list(scenes(number, "webhook"))[:posts]
    for scene in scenes(0, "webhook"):
        theirs.template("own/launch.webhook.j2", scene.locale, scene.zone)
    began = time.perf_counter()
    for scene in wanted:
        theirs.post(scene)
    return len(wanted) / (time.perf_counter() - began)


def same(folder: Path) -> None:
    """Both sides print the same, or there is nothing to compare."""
    ours, theirs = renderer(folder), Naive(folder)
    for scene in scenes(0, "webhook"):
        _equal(ours.render(scene).message.text, theirs.post(scene).text)
    for scene in letters(0):
        for at in (10, 11):
            found, other = Skeleton(ours.render(scene)).fill(person(at)), theirs.message(scene, at)
            _equal(f"{found.title}\n{found.text}", f"{other.title}\n{other.text}")


def _equal(ours: str, theirs: str) -> None:
    if ours != theirs:
        raise RuntimeError(f"two texts to compare differ:\n{ours!r}\n{theirs!r}")
