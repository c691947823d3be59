"""What is wrong with a message is said before anything is stored, all at once; nothing is cut or dropped."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from content.render import Renderer
from locales.rates import Rates, bundled
from orchestrator.facts import Facts
from orchestrator.gather import gather
from orchestrator.plan import plan
from orchestrator.prepare import Preparation, prepare
from orchestrator.workspace import Workspace, load_all

SAMPLE = Path(__file__).parents[2] / "examples/lantern-house"
NOW = datetime(2026, 11, 7, tzinfo=UTC)
RATES = Rates("EUR", bundled().on, "ECB, bundled", {**bundled().table, "TWD": bundled().table["USD"] * 32})


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of the sample that a test may edit."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "shop", ignore=shutil.ignore_patterns("feed", "contacts")))


def prepared(shop: Path, name: str, *, markets: str = "") -> tuple[Preparation, Facts]:
    if markets:
        file = shop / f"campaigns/{name}.yaml"
        lines = [
            f"markets: [{markets}]" if line.startswith("markets:") else line
            for line in file.read_text("utf-8").splitlines()
        ]
        file.write_text("\n".join(lines), "utf-8")
    workspace, campaigns = load_all(shop)
    (campaign,) = (each for each in campaigns if each.spec.campaign == name)
    facts = gather(workspace, [campaign.spec], RATES, NOW)
    return prepare(campaign.spec, plan(campaign.spec, facts), facts, renderer(workspace)), facts


def renderer(workspace: Workspace) -> Renderer:
    settings = workspace.settings
    return Renderer(
        workspace.templates,
        workspace.translations,
        shop=settings.shop,
        shop_url=settings.url,
        strings=workspace.strings,
    )


def problems(found: Preparation) -> list[str]:
    return [str(problem) for problem in found.problems]


def template(shop: Path, name: str, text: str) -> None:
    folder = shop / "templates/double-eleven"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")


def test_the_sample_has_nothing_wrong(shop: Path) -> None:
    found, _ = prepared(shop, "double-eleven-2026")
    assert problems(found) == []
    assert len({row.placement.key for row in found.prepared}) == len(found.prepared)


def test_a_plan_has_one_name_wherever_it_is_made(shop: Path) -> None:
    """Its hash rests on words, times and rules: not on the folder, nor on when it was planned."""
    first, _ = prepared(shop, "double-eleven-2026")
    moved = shop.rename(shop.with_name("elsewhere"))
    again, _ = prepared(moved, "double-eleven-2026")
    assert first.hash == again.hash


def test_one_letter_changes_the_name(shop: Path) -> None:
    first, _ = prepared(shop, "friday-flash")
    file = shop / "campaigns/friday-flash.yaml"
    file.write_text(file.read_text("utf-8").replace("18:00", "18:01"), "utf-8")
    assert prepared(shop, "friday-flash")[0].hash != first.hash


def test_a_text_that_promises_more_than_the_offer_is_refused_with_both_numbers(shop: Path) -> None:
    template(shop, "launch.mastodon.j2", "Heute 30 % Rabatt! {{ link }}")
    found, _ = prepared(shop, "double-eleven-2026", markets="DE")
    assert any("30" in text and "25" in text and "launch" in text for text in problems(found)), problems(
        found
    )


def test_a_text_too_long_is_counted_as_the_platform_counts(shop: Path) -> None:
    template(shop, "launch.mastodon.j2", "灯" * 600 + " {{ link }}")
    found, _ = prepared(shop, "double-eleven-2026", markets="CN, US")
    (text,) = [text for text in problems(found) if "/CN/" in text]
    assert text.startswith("double-eleven-2026/launch/CN/zh_Hans_CN/fediverse-east/-/")
    assert "of 500" in text


def test_every_problem_is_told_at_once(shop: Path) -> None:
    template(shop, "launch.mastodon.j2", "{{ nothing_of_that_name }}")
    template(shop, "last_call.mastodon.j2", "Jetzt 40 % {{ link }}")
    texts = problems(prepared(shop, "double-eleven-2026", markets="DE, FR")[0])
    assert any("launch.mastodon.j2" in text for text in texts)
    assert any("40" in text for text in texts)


def test_a_paid_post_begins_with_its_market_s_label(shop: Path) -> None:
    found, _ = prepared(shop, "lotus-lantern-collab")
    posts = {row.placement.market: row for row in found.prepared if row.placement.wave == "announce"}
    assert posts["KR"].edition.message.text.startswith("[광고]")
    assert posts["JP"].edition.message.text.startswith("PR")


def test_a_paid_post_without_its_label_does_not_plan(shop: Path) -> None:
    folder = shop / "templates/plain"
    folder.mkdir(parents=True)
    (folder / "announce.default.j2").write_text("{{ creator }} {{ link }}", "utf-8")
    file = shop / "campaigns/lotus-lantern-collab.yaml"
    file.write_text(file.read_text("utf-8") + "content: {template: plain}\n", "utf-8")
    (text, *_) = [text for text in problems(prepared(shop, "lotus-lantern-collab")[0]) if "/KR/" in text]
    assert "[광고]" in text
    assert "KFTC" in text


def test_a_sale_price_needs_no_usual_price(shop: Path) -> None:
    """Nothing is claimed as the price before where none is known."""
    file = shop / "products.yaml"
    file.write_text(file.read_text("utf-8").replace("    BR: 199.00 BRL\n", ""), "utf-8")
    (shop / "campaigns/double-eleven-2026.yaml").unlink()
    found, _ = prepared(shop, "friday-flash")
    assert problems(found) == []
    brazil = [row.offer.prices[0] for row in found.prepared if row.placement.market == "BR"]
    assert {(price.was, str(price.now)) for price in brazil} == {(None, "149.00 BRL")}


def test_a_discounted_price_never_exceeds_the_promise(shop: Path) -> None:
    found, _ = prepared(shop, "double-eleven-2026")
    for row in found.prepared:
        for price in row.offer.prices:
            assert price.was is not None
            assert price.now.amount <= price.was.amount * 75 / 100


def test_a_letter_carries_the_marks_of_its_market(shop: Path) -> None:
    """China wants the word for advertisement at the start of the subject."""
    found, _ = prepared(shop, "double-eleven-2026", markets="CN, US")
    letters = [row for row in found.prepared if row.placement.kind == "direct"]
    subjects = {row.edition.message.title for row in letters if row.placement.market == "CN"}
    assert subjects
    assert all(subject.startswith("广告") for subject in subjects)


def test_a_post_shows_its_link_where_it_is_counted(shop: Path) -> None:
    template(shop, "launch.default.j2", "Hello")
    template(shop, "launch.mastodon.j2", "Hello")
    found, _ = prepared(shop, "double-eleven-2026", markets="US")
    for row in found.prepared:
        if row.placement.wave == "launch":
            assert row.edition.message.link in row.edition.message.text


def test_a_template_that_never_ends_is_one_sentence(shop: Path) -> None:
    template(shop, "launch.mastodon.j2", "{% for a in range(10**9) %}x{% endfor %}")
    (text,) = problems(prepared(shop, "double-eleven-2026", markets="DE")[0])
    assert "launch.mastodon.j2" in text
