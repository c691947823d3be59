"""What a market's law asks before anything goes out: it blocks with its source, or asks, or is overridden."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from content.render import Renderer
from locales.document import SpecError
from locales.rates import bundled
from orchestrator.diff import Sign
from orchestrator.propose import Proposal, apply, propose
from orchestrator.scaffold import scaffold
from orchestrator.store import Keys, Store, approvals
from orchestrator.workspace import load_all

NOW = datetime(2027, 1, 10, tzinfo=UTC)
FILES = {
    "silkpost.yaml": "shop: Lantern House\nurl: https://lantern-house.example\n"
    "public_url: https://go.lantern-house.example\nrates: {most_days: 366}\n",
    "accounts.yaml": "posts: {channel: mastodon, settings: {server: https://s.example, token: env:NONE}}\n"
    "texts:\n  channel: sms_twilio\n  settings:\n    {account_sid: AC00000000000000000000000000000000,"
    " auth_token: env:NONE, sender: Lantern}\n",
    "products.yaml": "lantern-red:\n  name: Red lantern\n  prices:\n"
    "    {base: 36.90 EUR, AE: 149.00 AED, SA: 149.00 SAR, VN: 900000 VND, RU: 3600 RUB}\n",
    "creators.yaml": "noor: {name: Noor, market: AE, locale: ar_AE}\n",
    "audiences/all.yaml": "where: {}\n",
    "campaigns/spring.yaml": """\
campaign: spring-2027
kind: {kind}
markets: [{market}]
products: [lantern-red]
{creators}
offer: {{{offer}, starts: 2027-03-01 10:00, ends: 2027-03-03 22:00}}
channels: [{channel}]
waves: {{launch: {{at: starts}}}}
audience: {audience}
{more}
""",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def campaign(
    shop: Path,
    market: str,
    *,
    offer: str = "discount: 20%",
    creator: str = "",
    channel: str = "posts",
    more: str = "",
) -> None:
    written = FILES["campaigns/spring.yaml"].format(
        kind="collab" if creator else "holiday",
        market=market,
        creators=f"creators: [{creator}]" if creator else "",
        offer=offer,
        channel=channel,
        audience="{texts: all}" if channel == "texts" else "{}",
        more=more,
    )
    (shop / "campaigns/spring.yaml").write_text(written, "utf-8")


def settings(shop: Path, text: str) -> None:
    (shop / "silkpost.yaml").write_text(FILES["silkpost.yaml"] + text, "utf-8")


def proposed(shop: Path, store: Store | None = None, **more: Any) -> Proposal:
    workspace, (written,) = load_all(shop)
    name, url = workspace.settings.shop, workspace.settings.url
    renderer = Renderer(workspace.templates, workspace.translations, shop=name, shop_url=url)
    rates = bundled()
    return propose(
        workspace, written, renderer, rates, NOW, store, live={"posts": False, "texts": False}, **more
    )


def problems(shop: Path) -> list[str]:
    return [str(problem) for problem in proposed(shop).preparation.problems]


def test_a_missing_permit_is_one_sentence_with_its_source(shop: Path) -> None:
    campaign(shop, "SA")
    assert problems(shop) == [
        "campaigns/spring.yaml:3:11: markets[0]: SA: a discount needs the discount licence, and that is not "
        "entered (SA.permits.discount_licence, Ministry of Commerce, sales.mc.gov.sa, read 2026-11-22); "
        "write its number and end in silkpost.yaml under permits.SA.discount_licence"
    ]


def test_a_permit_that_is_entered_opens_the_market(shop: Path) -> None:
    campaign(shop, "SA")
    settings(shop, "permits: {SA: {discount_licence: {number: '12', until: 2027-03-03}}}\n")
    assert problems(shop) == []


@pytest.mark.parametrize(
    ("entered", "said"),
    [
        ("{number: '12', until: 2027-03-02}", "ends 2027-03-02, before the offer does on 2027-03-03"),
        ("{number: '12', campaigns: [winter-2026]}", "is not entered"),
    ],
)
def test_a_permit_covers_the_whole_offer_of_its_own_campaigns(shop: Path, entered: str, said: str) -> None:
    campaign(shop, "SA")
    settings(shop, f"permits: {{SA: {{discount_licence: {entered}}}}}\n")
    (text,) = problems(shop)
    assert said in text


def test_a_creator_has_a_permit_of_their_own_and_shows_it(shop: Path) -> None:
    campaign(shop, "AE", creator="noor")
    settings(shop, "permits: {AE: {discount: {number: 'D-7', until: 2027-12-31}}}\n")
    (text,) = problems(shop)
    assert "that of noor is not entered (AE.permits.advertiser" in text
    (shop / "creators.yaml").write_text(
        "noor: {name: Noor, market: AE, locale: ar_AE, permits: {advertiser: {number: ADV-0042}}}\n", "utf-8"
    )
    found = proposed(shop).preparation
    assert found.problems == []
    assert all("ADV-0042" in row.edition.message.text for row in found.prepared)


def test_a_template_that_leaves_the_permit_out_does_not_plan(shop: Path) -> None:
    campaign(shop, "RU", more="content: {template: own}")
    settings(shop, "permits: {RU: {erid: {number: 2VtzqX}}}\n")
    (shop / "templates/own").mkdir(parents=True)
    (shop / "templates/own/launch.default.j2").write_text("{{ label }} {{ percent }} {{ link }}", "utf-8")
    assert any(
        'the text does not show "Lantern House, erid: 2VtzqX" (RU.permits.erid, 38-FZ' in text
        for text in problems(shop)
    )
    (shop / "templates/own/launch.default.j2").write_text(
        "{{ percent }} {{ notices[0] }} {{ link }}", "utf-8"
    )
    assert problems(shop) == []


def test_a_cap_names_the_discount_and_the_most(shop: Path) -> None:
    campaign(shop, "VN", offer="discount: 60%")
    (text,) = problems(shop)
    assert "VN: 60 % is taken off, and at most 50 % is allowed (VN.most_discount, Decree 81/2018" in text
    campaign(shop, "VN", offer="discount: 50%")
    assert problems(shop) == []


def test_a_cap_holds_for_fixed_prices_too(shop: Path) -> None:
    campaign(shop, "VN", offer="price: {VN: 400000 VND}")
    (text,) = problems(shop)
    assert "lantern-red goes from 900000 VND to 400000 VND, 55.6 % less, and at most 50 %" in text


def test_a_closed_route_is_left_out_with_the_reason(shop: Path) -> None:
    """`sms` closes every adapter of that family; elsewhere the campaign goes on."""
    campaign(shop, "VN, US", channel="posts, texts")
    (shop / "campaigns/spring.yaml").write_text(
        (shop / "campaigns/spring.yaml").read_text("utf-8").replace("audience: {}", "audience: {texts: all}"),
        "utf-8",
    )
    found = proposed(shop).preparation
    why = {row.why for row in found.skipped if row.key.endswith("VN/texts")}
    assert len(why) == 1
    assert "Promotional SMS to Vietnam is not supported" in why.pop()


def test_one_case_of_a_route_is_asked_of_a_person(shop: Path) -> None:
    """Whether the shop sends from abroad, nobody but a person knows."""
    campaign(shop, "SA", channel="texts")
    settings(shop, "permits: {SA: {discount_licence: {number: '12'}}}\n")
    assert any("SA.closed.sms-from-abroad" in ask for ask in proposed(shop).preparation.asks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Anzeige {{ percent }} {{ link }}", []),
        ("{{ percent }} Anzeige {{ link }}", ['the text does not begin with "Werbung"']),
        ("#sponsored {{ percent }} {{ link }}", ["#sponsored is not enough", '"Werbung"']),
    ],
)
def test_any_word_the_rule_takes_for_a_label_is_one(shop: Path, text: str, said: list[str]) -> None:
    campaign(shop, "DE", more="paid: yes\ncontent: {template: own}")
    (shop / "templates/own").mkdir(parents=True)
    (shop / "templates/own/launch.default.j2").write_text(text, "utf-8")
    found = problems(shop)
    assert len(found) == bool(said)
    assert all(part in found[0] for part in said)


def test_a_word_to_avoid_is_told_with_what_stands_around_it(shop: Path) -> None:
    """In the text and in the words that describe a picture; what only sounds like one is let through."""
    campaign(shop, "CN", more="content: {template: own}")
    (shop / "templates/own").mkdir(parents=True)
    own = shop / "templates/own/launch.default.j2"
    own.write_text("全网最佳灯笼 {{ percent }} {{ link }}", "utf-8")
    (text,) = problems(shop)
    assert (
        'the text says "最佳" (全网最佳灯笼 20%…), which CN does not allow (CN.words.superlatives, ' in text
    )
    own.write_text("第一次来，请在最佳赏味期内食用 {{ percent }} {{ link }}", "utf-8")
    assert problems(shop) == []
    assert not any("words" in ask for ask in proposed(shop).preparation.asks)


def test_an_unverified_fact_asks_and_never_blocks(shop: Path) -> None:
    (shop / "markets").mkdir()
    (shop / "markets/VN.yaml").write_text(
        "most_discount: {value: 10%, source: a friend said so, mark: unverified, read: 2027-01-01,"
        " review_by: 2027-06-01}\n",
        "utf-8",
    )
    campaign(shop, "VN")
    found = proposed(shop).preparation
    assert found.problems == []
    assert any(
        "at most 10 % is allowed (VN.most_discount, a friend said so, unverified" in a for a in found.asks
    )


def test_an_override_lets_through_what_it_names_and_is_shown(shop: Path) -> None:
    campaign(
        shop, "SA", more="overrides: [{fact: SA.permits.discount_licence, because: we sell no goods there}]"
    )
    found = proposed(shop)
    assert found.preparation.problems == []
    assert {row.placement.overrides for row in found.preparation.prepared} == {
        ("SA.permits.discount_licence: we sell no goods there",)
    }


def test_an_override_that_comes_later_needs_a_new_approval(shop: Path, tmp_path: Path) -> None:
    """The words stay the same; what was approved did not rest on an override."""
    entered = "permits: {SA: {discount_licence: {number: '12'}}}\n"
    settings(shop, entered)
    campaign(shop, "SA")
    with Store.open(f"sqlite:///{tmp_path}/s.db", Keys.new(), create=True) as store:
        first = proposed(shop, store)
        apply(store, first, "ana", NOW)
        with store.begin() as connection:
            approvals.approve(connection, "spring-2027", first.hash, "ben", NOW)
        because = "overrides: [{fact: SA.permits.discount_licence, because: the licence is disputed}]"
        campaign(shop, "SA", more=because)
        second = proposed(shop, store)
        assert second.hash != first.hash
        assert {change.sign for change in second.changes} == {Sign.CHANGE}
        assert apply(store, second, "ana", NOW).unapproved == len(second.preparation.prepared)
        from orchestrator.store import plans

        with store.read() as connection:
            kept = plans.facts(connection, "spring-2027")
        assert kept is not None
        assert kept["overrides"] == {"SA.permits.discount_licence": "the licence is disputed"}


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("SA.permits.discount_license", "did you mean SA.permits.discount_licence?"),
        ("SA.tax", "holds for every campaign; change it in markets/SA.yaml"),
        ("FR.words.season", "FR is not among the campaign's markets"),
    ],
)
def test_an_override_names_a_fact_that_a_campaign_may_leave(shop: Path, fact: str, said: str) -> None:
    campaign(shop, "SA", more=f"overrides: [{{fact: {fact}, because: it is so}}]")
    with pytest.raises(SpecError) as error:
        load_all(shop)
    (problem,) = error.value.problems
    assert problem.path == "overrides[0].fact"
    assert said in problem.text


@pytest.mark.parametrize(
    ("entered", "said"),
    [
        ("permits: {UK: {dti: {number: '1'}}}", "did you mean GB?"),
        ("permits: {DE: {dti: {number: '1'}}}", "DE asks for no permit; leave it out"),
        ("permits: {AE: {advertizer: {number: '1'}}}", "did you mean advertiser?"),
        ("permits: {AE: {discount: {number: '17', shown: licensed}}}", "does not hold the number, 17"),
    ],
)
def test_a_permit_is_entered_where_the_market_asks_for_it(shop: Path, entered: str, said: str) -> None:
    campaign(shop, "DE")
    settings(shop, entered + "\n")
    with pytest.raises(SpecError) as error:
        load_all(shop)
    assert said in str(error.value)
    assert str(error.value).startswith("silkpost.yaml:5:")


def test_an_override_that_was_given_to_apply_is_kept_until_a_refresh(shop: Path, tmp_path: Path) -> None:
    campaign(shop, "SA")
    given = {"SA.permits.discount_licence": "our lawyer said so"}
    with Store.open(f"sqlite:///{tmp_path}/s.db", Keys.new(), create=True) as store:
        apply(store, proposed(shop, store, overrides=given), "ana", NOW)
        kept = proposed(shop, store)
        assert kept.preparation.problems == []
        assert not kept.changed
        assert proposed(shop, store, refresh=True).preparation.problems
    with pytest.raises(SpecError, match=r"--override: .* did you mean SA\.permits\.mawthooq"):
        proposed(shop, overrides={"SA.permits.mawthoq": "it is so"})


def test_prices_without_tax_on_a_fact_nobody_has_verified_are_asked_about(tmp_path: Path) -> None:
    scaffold(tmp_path, "Lantern House", today=date(2026, 11, 22))

    def asked() -> list[str]:
        return [ask for ask in proposed(tmp_path).preparation.asks if ".tax" in ask]

    (ask,) = asked()
    assert ask.startswith("US: prices are shown without tax, and no built-in text says so (US.tax, ")
    assert ask.endswith("; say it in a template, or write tax with its source in markets/US.yaml")
    (tmp_path / "markets").mkdir()
    (tmp_path / "markets/US.yaml").write_text(
        "tax: {value: excluded, source: our own counsel, mark: official, read: 2026-11-01,"
        " review_by: 2027-11-01}\n"
    )
    assert asked() == []
