"""What was read about a market stands in its file, as sure as it is, or in the list of what is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from locales.catalog import SHIPPED, fallbacks
from locales.fact import Mark
from locales.market import Market, codes, load

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
README = (ROOT / "locales/README.md").read_text("utf-8")
NOT_CARRIED = README.partition("\n## What was read and not carried\n")[2]
#: A page as the facts cite it, and the marks in front of them: V read at the source, 3P about it, U unread.
CITED = re.compile(r"\[((?:V|3P)\b[^\]]*)\]")
PAGE = re.compile(r"\b(V|3P|U)\b|\b((?:[a-z][a-z0-9-]*\.)+[a-z]{2,})\b")
#: Of which a country owner expects a market to say something.
TOPICS = (
    *("ending", "prior_price", "direct.email", "direct.sms", "direct.messenger"),
    *("words", "blackout", "messenger"),
)


@cache
def gathered() -> dict[str, str]:
    """The facts gathered outside the project, by market; a checkout without them says so."""
    file = SHARED / "MARKETS.md"
    if not file.is_file():
        pytest.skip("MARKETS.md is not beside this checkout")
    text = file.read_text("utf-8").split("\n## 4. ")[1].split("\n## 5. ")[0]
    parts = re.split(r"^### ([A-Z]{2})$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def pages(text: str) -> Iterator[tuple[str, str]]:
    """Each page with its mark."""
    for cited in CITED.finditer(text):
        mark = ""
        for found in PAGE.finditer(cited[1]):
            mark = found[1] or mark
            if found[2]:
                yield mark, found[2]


@pytest.fixture(params=codes())
def market(request: pytest.FixtureRequest) -> Market:
    return load(request.param)


def test_each_market_of_the_facts_has_its_file() -> None:
    assert tuple(sorted(gathered())) == codes()


def test_every_page_that_was_read_is_cited(market: Market) -> None:
    sources = " ".join(fact.source for _, fact in market.facts())
    missing = {page for _, page in pages(gathered()[market.code]) if page not in sources}
    assert not missing


def test_what_was_only_read_about_is_not_official(market: Market) -> None:
    """An official fact cites a page that was read at the regulator, the statute or the vendor."""
    marks: dict[str, set[str]] = {}
    for text in [(SHARED / "MARKETS.md").read_text("utf-8"), gathered()[market.code]]:
        for mark, page in pages(text):
            marks.setdefault(page, set()).add(mark)
    for path, fact in market.facts():
        known = [marks[page] for _, page in pages(f"[V {fact.source}]") if page in marks]
        if fact.mark is Mark.OFFICIAL and known:
            assert any("V" in each for each in known), path


def test_what_nobody_has_read_is_looked_at_again_sooner(market: Market) -> None:
    for path, fact in market.facts():
        most = 184 if fact.mark is Mark.UNVERIFIED else 366
        assert timedelta(0) < fact.review_by - fact.read <= timedelta(days=most), path


def test_every_solemn_day_is_kept_free(market: Market) -> None:
    file = SHARED / "markets_solemn.json"
    if not file.is_file():
        pytest.skip("markets_solemn.json is not beside this checkout")
    assert set(json.loads(file.read_text("utf-8")).get(market.code, [])) <= market.blackout_days


def says(market: Market, topic: str) -> bool:
    head, _, medium = topic.partition(".")
    value = getattr(market, head)
    return medium in value if medium else bool(value)


def rows(title: str) -> list[list[str]]:
    """The cells of each row of the README's table under a title, without its head."""
    part = README.split(f"\n### {title}\n")[1].split("\n#")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def named(cell: str) -> set[str]:
    """`AE BR`, or `all but AE BR`."""
    listed = set(re.findall(r"\b[A-Z]{2}\b", cell))
    return set(codes()) - listed if cell.startswith("all but") else listed


def test_a_topic_that_a_market_says_nothing_of_is_listed_with_the_reason() -> None:
    told = {row[0].strip("`"): (named(row[1]), row[2]) for row in rows("Topics without a fact")}
    assert set(told) == set(TOPICS)
    for topic, (listed, why) in told.items():
        assert listed == {code for code in codes() if not says(load(code), topic)}, topic
        assert len(why) > 20, topic


def test_what_was_not_carried_names_its_markets_and_the_reason() -> None:
    told = rows("Facts without a field")
    assert len(told) > 10
    for what, where, why in told:
        assert len(why) > 20, what
        assert set(re.findall(r"\b[A-Z]{2}\b", where)) <= set(codes()), what


def test_every_locale_of_a_market_is_served_or_listed() -> None:
    """Each that was gathered; and each that is served has a catalog, itself or by a declared fallback."""
    listed = set(re.findall(r"`([a-z]{2,3}(?:_[A-Z][a-z]{3})?_[A-Z]{2})`", NOT_CARRIED))
    text = (SHARED / "MARKETS.md").read_text("utf-8") if gathered() else ""
    gathered_here = re.findall(r"^\| ([A-Z]{2}) \| ([^|]+) \|", text, re.MULTILINE)
    for code, cell in gathered_here[1:]:  # the first is the head, `CC`
        here = load(code).locales
        for locale in re.findall(r"[a-z]{2,3}(?:_[A-Z][a-z]{3})?_[A-Z]{2}", cell):
            assert (locale in here) != (locale in listed), locale
    for code in codes():
        for locale in load(code).locales:
            chain = fallbacks(locale)
            known = any((SHIPPED / name / "LC_MESSAGES/silkpost.po").is_file() for name in chain)
            assert known or chain[-1] == "en", locale
