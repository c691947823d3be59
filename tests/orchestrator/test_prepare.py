"""What is wrong with a message is said before anything is stored, all at once; nothing is cut or dropped."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from content.message import Feature
from content.render import Renderer
from locales.rates import Rates, bundled
from orchestrator.facts import Facts
from orchestrator.gather import gather
from orchestrator.plan import plan
from orchestrator.prepare import Preparation, measured, prepare
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


LONG = "{% for n in range(12) %}Laternen im Schnee, von Hand gefaltet.\n{% endfor %}{{ deadline }} {{ link }}"


def threaded(shop: Path, campaign: str, thread: str) -> None:
    file = shop / f"campaigns/{campaign}.yaml"
    text = file.read_text("utf-8")
    if "content:" in text:
        text = text.replace("content:", f"content:\n  thread: {thread}", 1)
    else:
        text += f"content: {{thread: {thread}, template: plain}}\n"
    file.write_text(text, "utf-8")


def test_a_long_text_is_a_problem_that_says_what_may_be_done(shop: Path) -> None:
    template(shop, "launch.mastodon.j2", LONG * 2)
    found, _ = prepared(shop, "double-eleven-2026", markets="DE")
    (text,) = [text for text in problems(found) if "of 500" in text]
    assert text.endswith("; content: {thread: [mastodon]} makes a thread of it")
    template(shop, "launch.telegram.j2", LONG * 20)
    found, _ = prepared(shop, "double-eleven-2026", markets="DE")
    (text,) = [text for text in problems(found) if "/telegram" in text]
    assert "thread" not in text, "Telegram carries none"


@pytest.mark.parametrize("asked", ["[mastodon]", "[fediverse-west]", "yes"])
def test_where_the_campaign_says_so_it_is_a_thread(shop: Path, asked: str) -> None:
    template(shop, "launch.mastodon.j2", LONG * 2)
    threaded(shop, "double-eleven-2026", asked)
    found, facts = prepared(shop, "double-eleven-2026", markets="DE")
    assert problems(found) == []
    (row,) = [row for row in found.prepared if "/launch/DE/de_DE/fediverse-west" in row.placement.key]
    message = row.edition.message
    assert len(message.thread) >= 1
    assert message.link in message.text
    assert "".join((message.text, *message.thread)).count("Laternen") == 24
    assert measured(row, facts.channels["fediverse-west"]).startswith(f"{1 + len(message.thread)} × ")
    short = [row for row in found.prepared if "/last_call/" in row.placement.key]
    assert short
    assert all(not row.edition.message.thread for row in short), "what fits stays one post"


def test_a_thread_is_held_against_the_offer_as_a_whole(shop: Path) -> None:
    template(shop, "launch.mastodon.j2", LONG * 2 + "\n\nUnd 30 % Rabatt!")
    threaded(shop, "double-eleven-2026", "[mastodon]")
    found, _ = prepared(shop, "double-eleven-2026", markets="DE")
    assert any("30" in text and "25" in text for text in problems(found)), problems(found)


def test_every_part_of_a_paid_thread_begins_with_the_label(shop: Path) -> None:
    """A part is a post of its own, and KR wants the label at the start of a post."""
    folder = shop / "templates/plain"
    folder.mkdir(parents=True)
    (folder / "announce.default.j2").write_text("{{ label }} {{ creator }} " + LONG * 2, "utf-8")
    threaded(shop, "lotus-lantern-collab", "[mastodon]")
    found, _ = prepared(shop, "lotus-lantern-collab")
    korean = [row for row in found.prepared if "/announce/KR/" in row.placement.key]
    assert [row for row in korean if row.edition.message.thread], problems(found)
    for row in korean:
        assert all(part.startswith("[광고] ") for part in row.edition.message.thread)


def selling_in(shop: Path, market: str, account: str, text: str) -> list[str]:
    """The problems of the flash sale in one market, on one account more, with this text."""
    with (shop / "accounts.yaml").open("a", encoding="utf-8") as file:
        file.write(f"more: {account}\n")
    campaign = shop / "campaigns/friday-flash.yaml"
    prices = re.compile(rf"    (?!{market})[A-Z]{{2}}: ")
    lines = [line for line in campaign.read_text("utf-8").splitlines() if not prices.match(line)]
    lines = ["channels: [more]" if line.startswith("channels:") else line for line in lines]
    campaign.write_text("\n".join([*lines, "content: {template: plain}"]) + "\n", "utf-8")
    (shop / "templates/plain").mkdir(parents=True)
    (shop / "templates/plain/default.default.j2").write_text(text, "utf-8")
    return problems(prepared(shop, "friday-flash", markets=market)[0])


WEIBO = "{channel: weibo, settings: {token: env:WEIBO_TOKEN, domain: lantern-house.example, ip: 203.0.113.5}}"


def test_what_only_the_channel_knows_is_refused_when_it_is_planned(shop: Path) -> None:
    """The rules are the channel's, its settings are the account's: no secret is needed to see them."""
    found = selling_in(shop, "CN", WEIBO.replace("lantern-house", "elsewhere"), "今晚 #灯笼节# 开售")
    assert any("#灯笼节#: Weibo's share interface takes no topic" in text for text in found), found
    assert any("no address of the safe domain; may be one at elsewhere.example" in text for text in found), (
        found
    )


def test_a_channel_that_takes_the_text_has_no_objection(shop: Path) -> None:
    assert selling_in(shop, "CN", WEIBO, "今晚开售 https://www.lantern-house.example") == []


def test_an_account_is_planned_as_its_settings_narrow_the_channel(shop: Path) -> None:
    """And where only the platform knows how long a text may be, the plan says that nobody asked it yet."""
    assert selling_in(shop, "US", "{channel: apprise, settings: {url: env:URL}}", "Hello") == []
    found, facts = prepared(shop, "friday-flash", markets="US")
    assert facts.channels["more"].limits.images == 0, "`media` is off"
    assert Feature.IMAGE not in facts.channels["more"].carries
    assert "more: its limits are not known yet; run silkpost channels check" in found.asks
