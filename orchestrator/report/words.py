"""Numbers, moments and sentences of a report in the reader's language: English, or Simplified Chinese."""

from __future__ import annotations

import gettext
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from babel import Locale, dates, numbers

from locales.catalog import translations
from locales.money import Money, format_money
from locales.zones import zone as zone_of
from orchestrator.score import Verdict

if TYPE_CHECKING:
    from orchestrator.report.summary import Insight, Missing
    from orchestrator.score import Score
    from orchestrator.statistics import Interval

LANGUAGES = {"en": "en_GB", "zh": "zh_Hans_CN", "zh_Hans": "zh_Hans_CN", "zh_CN": "zh_Hans_CN"}
DOMAIN = "report"
MARKS = {
    Verdict.ABOVE: "▲",
    Verdict.BELOW: "▼",
    Verdict.USUAL: "●",
    Verdict.UNSURE: "○",
    Verdict.ALONE: "–",
}


@lru_cache(maxsize=4)
def words(language: str = "en") -> Words:
    """The words of a language; English for one that has no catalog."""
    return Words(LANGUAGES.get(language) or LANGUAGES.get(language.split("_")[0], LANGUAGES["en"]))


class Words:
    """One reader's language."""

    def __init__(self, locale: str) -> None:
        self.locale = Locale.parse(locale)
        self.tag = str(self.locale).replace("_", "-")
        english = self.locale.language == "en"
        self._catalog = gettext.NullTranslations() if english else translations("zh_Hans", domain=DOMAIN)

    def say(self, text: str, **values: object) -> str:
        found = self._catalog.gettext(text)
        return found % values if values else found

    def plural(self, one: str, many: str, n: int, **values: object) -> str:
        return self._catalog.ngettext(one, many, n) % {"n": self.number(n), **values}

    def number(self, value: float | Decimal | None) -> str:
        return "–" if value is None else numbers.format_decimal(value, locale=self.locale)

    def compact(self, value: float | None) -> str:
        """`1.24M`, `124万`: for a headline."""
        if value is None:
            return "–"
        if abs(value) < 10_000:
            return self.number(round(value))
        base = 1000 if self._english else 10_000  # English counts in thousands, Chinese in 万
        shown = abs(value)
        while shown >= base:
            shown /= base
        places = 2 if shown < 10 else 1 if shown < 100 else 0
        return numbers.format_compact_decimal(value, locale=self.locale, fraction_digits=places)

    def rate(self, value: float | None) -> str:
        """Three figures that mean something, never an exponent."""
        if value is None:
            return "–"
        places = 2 if value < 10 else 1 if value < 100 else 0
        return numbers.format_decimal(
            value, format=f"#,##0.{'0' * places}" if places else "#,##0", locale=self.locale
        )

    def interval(self, interval: Interval | None) -> str:
        return "" if interval is None else f"[{self.rate(interval[0])}–{self.rate(interval[1])}]"

    def signed(self, interval: Interval | None) -> str:
        """An interval that may be negative."""
        return "" if interval is None else f"[{self.tenth(interval[0])}–{self.tenth(interval[1])}]"

    def tenth(self, value: float | None) -> str:
        return (
            "–"
            if value is None
            else numbers.format_decimal(value, format="#,##0.0;−#,##0.0", locale=self.locale)
        )

    def percent(self, share: float) -> str:
        return numbers.format_percent(
            share, format="#,##0 %" if self.locale.language == "en" else None, locale=self.locale
        )

    def points(self, share: float) -> str:
        """A difference of shares, in percentage points."""
        return numbers.format_decimal(share * 100, format="+#,##0.00;−#,##0.00", locale=self.locale)

    def money(self, amount: Decimal | None, currency: str) -> str:
        return "–" if amount is None else format_money(Money(amount, currency), str(self.locale))

    def whole(self, amount: Decimal | None, currency: str) -> str:
        """Money without its small change, for a headline."""
        if amount is None:
            return "–"
        text = numbers.format_currency(
            amount.quantize(Decimal(1)), currency, format="¤#,##0", locale=self.locale, currency_digits=False
        )
        return str(text)

    def day(self, on: date | datetime | None) -> str:
        return (
            "–"
            if on is None
            else dates.format_date(on, "d MMM y" if self._english else "long", locale=self.locale)
        )

    def short_day(self, on: date) -> str:
        return dates.format_date(on, "d MMM" if self._english else "M月d日", locale=self.locale)

    def moment(self, at: datetime, zone: str) -> str:
        """`Wed 19:30`, on the market's clock."""
        return dates.format_datetime(at, "EEE HH:mm", tzinfo=zone_of(zone), locale=self.locale)

    def stamp(self, at: datetime) -> str:
        return f"{self.day(at)} {at:%H:%M} UTC"

    @property
    def _english(self) -> bool:
        return self.locale.language == "en"

    def market(self, code: str) -> str:
        return str(self.locale.territories.get(code, code))

    def age(self, seconds: int) -> str:
        if seconds < 3600:
            return self.plural("%(n)s min", "%(n)s min", seconds // 60)
        if seconds <= 24 * 3600:
            return self.plural("%(n)s h", "%(n)s h", seconds // 3600)
        return self.plural("%(n)s day", "%(n)s days", seconds // 86400)

    def response(self, name: str) -> str:
        return {
            "orders": self.say("orders"),
            "clicks": self.say("clicks"),
            "engagements": self.say("engagements"),
        }[name]

    def metric(self, name: str) -> str:
        known = {
            "reach": self.say("people reached"),
            "impressions": self.say("impressions"),
            "views": self.say("views"),
            "sent": self.say("messages sent"),
        }
        return known.get(name, name)

    def verdict(self, score: Score | None) -> str:
        if score is None:
            return "–"
        mark = MARKS[score.verdict]
        if score.verdict is Verdict.USUAL:
            return f"{mark} {self.say('as usual')}"
        if score.verdict is Verdict.UNSURE:
            return f"{mark} {self.say('too little to tell')}"
        if score.verdict is Verdict.ALONE:
            return f"{mark} {self.say('nothing to compare with')}"
        return f"{mark} {self.tenth(score.against)}×"

    def reason(self, score: Score) -> str:
        """What a verdict rests on."""
        reason = score.reason
        if not reason.peers:
            return self.say("No other post of the same channel and age can be compared.")
        same = (
            self.say("in the same market")
            if reason.compared_with == "market"
            else self.say("in other markets")
        )
        return self.say(
            "%(times)s× %(interval)s of what %(peers)s others on the same channels %(where)s brought"
            " at the same age (up to %(age)s).",
            times=self.rate(score.against),
            interval=self.interval(score.against_interval),
            peers=self.number(reason.peers),
            where=same,
            age=self.age(reason.age_s),
        )

    def insight(self, one: Insight, response: str) -> str:
        part = {
            "morning": self.say("mornings"),
            "afternoon": self.say("afternoons"),
            "evening": self.say("evenings"),
            "night": self.say("nights"),
        }.get(one.part, "")
        return self.say(
            "%(market)s %(part)s on %(channel)s brought %(share)s of %(response)s"
            " for %(reach)s of the reach.",
            market=self.market(one.market),
            part=part,
            channel=one.channel,
            share=self.percent(one.share),
            response=self.response(response),
            reach=self.percent(one.of_reach),
        )

    def missing(self, one: Missing) -> str:
        if one.what == "reach":
            text = self.plural(
                "reach of %(n)s post on %(channel)s",
                "reach of %(n)s posts on %(channel)s",
                one.posts,
                channel=one.channel,
            )
            return f"{text} ({one.why})" if one.why else text
        if one.what == "rate":
            return self.say("amounts in %(currency)s: the pinned rates do not hold it", currency=one.currency)
        counted = {
            "unknown": (
                "%(n)s delivery whose outcome is unknown",
                "%(n)s deliveries whose outcome is unknown",
            ),
            "waiting": ("%(n)s post that waits for a person", "%(n)s posts that wait for a person"),
            "young": ("%(n)s post is younger than an hour", "%(n)s posts are younger than an hour"),
        }
        if one.what in counted:
            return self.plural(*counted[one.what], one.posts)
        return {
            "clicks": self.say("clicks: no tracked link was followed and no feed brought any"),
            "orders": self.say("orders: no feed or webhook brought any"),
            "cost": self.say("cost: no fee and no spend is known, so there is no ROI"),
        }[one.what]
