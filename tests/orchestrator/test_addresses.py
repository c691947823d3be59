"""Addresses that differ by market and locale: where each reader is sent, and who would be sent nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from content.render import Renderer
from locales.document import SpecError
from locales.rates import bundled
from orchestrator.propose import propose
from orchestrator.scaffold import scaffold
from orchestrator.workspace import load_all

CAMPAIGN = """\
campaign: evening
kind: holiday
markets: [JP, US, DE]
products: [lantern-red]
offer: {discount: 10%, starts: 2027-03-01 00:00, ends: 2027-03-02 23:59}
channels: [posts]
waves: {go: {at: starts}}
"""
SHOP = "https://lantern-house.example"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    scaffold(tmp_path / "shop", "Lantern House", today=datetime(2026, 11, 22, tzinfo=UTC).date())
    folder = tmp_path / "shop"
    (folder / "campaigns/valentines.yaml").unlink()
    (folder / "campaigns/evening.yaml").write_text(CAMPAIGN)
    return folder


def sold_at(shop: Path, url: str) -> None:
    (shop / "products.yaml").write_text(
        f"lantern-red: {{name: Red lantern, prices: {{base: 42.00 EUR}}, url: {url}}}\n"
    )


def problems(shop: Path) -> list[str]:
    with pytest.raises(SpecError) as found:
        load_all(shop)
    return [str(problem) for problem in found.value.problems]


def test_each_reader_s_link_leads_to_the_page_of_their_market(shop: Path) -> None:
    sold_at(shop, f"{{JP: {SHOP}/jp, de: {SHOP}/de, base: {SHOP}/all}}")
    workspace, (campaign,) = load_all(shop)
    renderer = Renderer(shop="Lantern House")
    rates = bundled()
    now = datetime.combine(rates.on, time(), UTC)
    found = propose(workspace, campaign, renderer, rates, now).preparation
    leads = {row.placement.market: row.url.partition("?")[0] for row in found.prepared}
    assert leads == {"JP": f"{SHOP}/jp", "US": f"{SHOP}/all", "DE": f"{SHOP}/de"}
    assert all(row.edition.message.link.startswith(leads[row.placement.market]) for row in found.prepared)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            f"{{JP: {SHOP}/jp}}",
            "campaigns/evening.yaml:4:12: products[0]: lantern-red has no address for US and DE, and no base "
            "one; add one at products.yaml:1",
        ),
        (
            f"{{UK: {SHOP}, base: {SHOP}}}",
            "lantern-red.url.UK: unknown; did you mean GB?",
        ),
        ("{base: lantern-house}", 'lantern-red.url.base: "lantern-house" is not a web address'),
        (f"{{japan: {SHOP}}}", 'lantern-red.url.japan: "japan" is not a market, a locale or base'),
        ("[x]", "lantern-red.url: is a list; write one text or a mapping"),
    ],
)
def test_a_reader_who_would_be_sent_nowhere_is_told_before_anything_is_planned(
    url: str, told: str, shop: Path
) -> None:
    sold_at(shop, url)
    assert any(told in problem for problem in problems(shop))


def test_the_shop_s_own_addresses_are_asked_for_where_readers_are_sent_there(shop: Path) -> None:
    sold_at(shop, f"{SHOP}/red")
    settings = (shop / "silkpost.yaml").read_text("utf-8")
    settings = "\n".join(line for line in settings.splitlines() if not line.startswith("url:"))
    (shop / "silkpost.yaml").write_text(f"{settings}\nurl: {{JP: {SHOP}/jp}}\n", "utf-8")
    load_all(shop)  # one product, with a page of its own: nobody is sent to the shop's
    sold_at(shop, '""')
    assert any("markets: the shop has no address for US and DE" in problem for problem in problems(shop))


def test_a_sheet_has_a_column_for_each(shop: Path) -> None:
    (shop / "products.yaml").unlink()
    sheet = shop / "products.csv"
    sheet.write_text(f"id,name,price.base,url.JP,url.base\nlantern-red,Red,42.00 EUR,{SHOP}/jp,{SHOP}\n")
    workspace, _ = load_all(shop)
    assert workspace.products["lantern-red"].url == {"JP": f"{SHOP}/jp", "base": SHOP}
    sheet.write_text(f"id,name,price.base,url.JP,url\nlantern-red,Red,42.00 EUR,{SHOP}/jp,{SHOP}\n")
    assert any("lantern-red.url: stands beside a url for all; keep one" in each for each in problems(shop))
