"""A message to one person carries its market's marks, its sender and the way out of it, or does not plan."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.base import Kind
from channels.sms_twilio import Adapter as SMS
from content.counting import Counting, count
from content.render import Renderer
from locales.rates import bundled
from orchestrator.facts import ChannelFacts
from orchestrator.prepare import Preparation, Prepared, measured
from orchestrator.propose import propose
from orchestrator.workspace import load_all

NOW = datetime(2027, 1, 10, tzinfo=UTC)
FILES = {
    "silkpost.yaml": "shop: Lantern House\nurl: https://lantern-house.example\n"
    "public_url: https://go.lantern-house.example\nrates: {most_days: 366}\n"
    "permits: {AE: {discount: {number: D-7}}, SA: {discount_licence: {number: '12'}}}\n",
    "products.yaml": "lantern-red:\n  name: Red lantern\n  prices:\n"
    "    {base: 36.90 EUR, AE: 149.00 AED, SA: 149.00 SAR, VN: 900000 VND}\n",
    "audiences/all.yaml": "where: {}\n",
}
ACCOUNTS = """\
texts:
  channel: sms_twilio
  settings: {{account_sid: AC00000000000000000000000000000000, auth_token: env:NONE, {sender}}}
  sender: {{{market}: {{name: Lantern House, contact: "+65 6000 0000", {own}}}}}
letters:
  channel: email_smtp
  settings: {{host: m.example, user: u, password: env:NONE, sender_address: letters@lantern-house.example}}
  sender:
    {market}: {{name: Lantern House, address: "Example 1", contact: letters@lantern-house.example, {own}}}
"""
CAMPAIGN = """\
campaign: spring-2027
kind: holiday
markets: [{market}]
products: [lantern-red]
offer: {{discount: 25%, starts: 2027-03-01 10:00, ends: 2027-03-03 22:00}}
channels: [{channel}]
waves: {{launch: {{at: starts}}}}
audience: {{{channel}: all}}
content: {{template: {template}}}
"""
FULL = (
    "{% block title %}{{ percent }}{% endblock %}{% block text %}"
    "{{ percent }} {{ link }}\n{{ sender }}\n{{ unsubscribe }}{% endblock %}"
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def prepared(
    shop: Path,
    market: str,
    channel: str = "texts",
    *,
    text: str = "",
    own: str = "",
    sender: str = "sender: Lantern",
) -> Preparation:
    """What a campaign comes to; `text` is its template, `own` what the account tells of itself besides."""
    (shop / "campaigns").mkdir(exist_ok=True)
    accounts = ACCOUNTS.format(market=market, own=own, sender=sender)
    written = CAMPAIGN.format(market=market, channel=channel, template="own" if text else "holiday")
    (shop / "accounts.yaml").write_text(accounts, "utf-8")
    (shop / "campaigns/spring.yaml").write_text(written, "utf-8")
    (shop / "templates/own").mkdir(parents=True, exist_ok=True)
    (shop / f"templates/own/launch.{'email' if channel == 'letters' else 'phone'}.j2").write_text(
        text, "utf-8"
    )
    workspace, (campaign,) = load_all(shop)
    name, url = workspace.settings.shop, workspace.settings.url
    renderer = Renderer(workspace.templates, workspace.translations, shop=name, shop_url=url)
    live = {"texts": False, "letters": False}
    return propose(workspace, campaign, renderer, bundled(), NOW, live=live).preparation


def problems(found: Preparation) -> list[str]:
    """Each said once: a market of several locales says it for each."""
    return list(dict.fromkeys(problem.text for problem in found.problems))


def the_one(found: Preparation) -> Prepared:
    assert problems(found) == []
    (row,) = found.prepared
    return row


@pytest.mark.parametrize(
    ("market", "subject"),
    [("CN", "广告 25%"), ("VN", "[QC] 25%")],
)
def test_a_subject_begins_with_the_mark_of_its_market(shop: Path, market: str, subject: str) -> None:
    assert the_one(prepared(shop, market, "letters", text=FULL)).edition.message.title == subject


@pytest.mark.parametrize(
    ("market", "written", "subject"),
    [
        ("CN", "AD {{ percent }}", "AD 25%"),
        ("CN", "Adore {{ percent }}", "广告 Adore 25%"),
        ("CN", "ADORE {{ percent }}", "广告 ADORE 25%"),
        ("CN", "{{ percent }} 广告", "广告 25% 广告"),
        ("VN", "[AD] {{ percent }}", "[AD] 25%"),
    ],
)
def test_another_mark_the_rule_names_is_enough(shop: Path, market: str, written: str, subject: str) -> None:
    text = FULL.replace("{% block title %}{{ percent }}", "{% block title %}" + written)
    assert the_one(prepared(shop, market, "letters", text=text)).edition.message.title == subject


def test_a_text_to_korea_begins_with_its_mark_and_ends_with_the_way_out(shop: Path) -> None:
    text = the_one(prepared(shop, "KR")).edition.message.text
    assert text.startswith("(광고) ")
    assert "Lantern House · +65 6000 0000" in text
    assert text.splitlines()[-1].startswith("수신")


def test_a_mark_that_is_not_verified_is_weighed_by_a_person(shop: Path) -> None:
    found = prepared(shop, "KR", "letters", text=FULL)
    assert the_one(found).edition.message.title == "25%"
    assert (
        "KR email goes out without (광고) at the start of the subject "
        "(KR.direct.email.stamps, Network Act Art. 50, unverified, read 2026-11-22)"
    ) in found.asks


@pytest.mark.parametrize(
    ("market", "channel", "text", "own", "said"),
    [
        (
            "JP",
            "letters",
            FULL.replace("{{ sender }}", "Lantern House letters@lantern-house.example"),
            "",
            'it does not tell the sender\'s address, "Example 1" (JP.direct.email.sender, '
            "特定電子メール法, read 2026-11-22); add {{ sender }} to its template",
        ),
        (
            "JP",
            "letters",
            FULL.replace("{{ unsubscribe }}", ""),
            "",
            "it does not say how to stop such messages (JP.direct.email.opt_out, 特定電子メール法, "
            "read 2026-11-22); add {{ unsubscribe }} or {{ opt_out }} to its template",
        ),
        (
            "KR",
            "texts",
            "{{ percent }} {{ link }} {{ sender }}",
            "",
            "it does not say how to stop such messages (KR.direct.sms.opt_out, Network Act Art. 50, "
            "read 2026-11-22); add {{ unsubscribe }} or {{ opt_out }} to its template",
        ),
        (
            "FR",
            "texts",
            "",
            "",
            "it does not say STOP (FR.direct.sms.opt_out_words, sweego: STOP is mandatory, read 2026-11-22); "
            "write how to stop, with that word, under sender.FR.opt_out of its account",
        ),
        (
            "SG",
            "texts",
            "{{ percent }} {{ link }} Lantern House {{ unsubscribe }}",
            "",
            'it does not tell the sender\'s contact, "+65 6000 0000" (SG.direct.sms.sender, PDPA s. 44, read '
            "2026-11-22); add {{ sender }} to its template",
        ),
    ],
)
def test_what_a_message_lacks_is_one_sentence(
    shop: Path, market: str, channel: str, text: str, own: str, said: str
) -> None:
    assert problems(prepared(shop, market, channel, text=text, own=own)) == [said]


def test_the_shop_s_own_words_for_stopping_stand_in_the_text(shop: Path) -> None:
    text = the_one(prepared(shop, "FR", own="opt_out: STOP 36111")).edition.message.text
    assert text.endswith("Lantern House - +65 6000 0000\nSTOP 36111")


def test_an_html_part_without_the_sender_is_not_enough(shop: Path) -> None:
    text = FULL + "{% block html %}<p>{{ percent }}</p><a href='{{ unsubscribe }}'>x</a>{% endblock %}"
    said = problems(prepared(shop, "JP", "letters", text=text))
    assert [line.partition(" (")[0] for line in said] == [
        'it does not tell the sender\'s name, "Lantern House"',
        'it does not tell the sender\'s address, "Example 1"',
        'it does not tell the sender\'s contact, "letters@lantern-house.example"',
    ]


def test_a_text_is_counted_as_somebody_reads_it(shop: Path) -> None:
    """The marks of personal places are no letters: they would make three dear segments of one."""
    text = "{{ percent }} {{ contact.name | otherwise('you') }} {{ unsubscribe }}"
    row = the_one(prepared(shop, "GB", text=text))
    limits = ChannelFacts("sms_twilio", Kind.DIRECT, "phone", SMS.limits, SMS.carries, SMS.completion)
    assert measured(row, limits) == "1/4"
    assert row.gist == "25% ‹name› ‹unsubscribe›"


def why_left_out(found: Preparation) -> list[str]:
    assert found.prepared == []
    return [row.why for row in found.skipped]


def test_a_sender_without_its_market_s_mark_is_left_out(shop: Path) -> None:
    """A sender is registered as it is: to put the mark before another sends nothing."""
    (why,) = why_left_out(prepared(shop, "AE"))
    assert why == (
        "texts sends as Lantern, and in AE a sender starts with AD- (AE.direct.sms.stamps, "
        "twilio.com guidelines for AE, help.nexmo.com, help.clicksend.com: 11 characters with it, read "
        "2026-11-22); register one, and write it under texts.settings.sender in accounts.yaml"
    )
    (why,) = why_left_out(prepared(shop, "SA", sender="sender: AD-Lantern"))
    assert "texts sends as AD-Lantern, and in SA a sender ends with -AD" in why


def test_a_sender_that_only_the_service_knows_is_asked_about(shop: Path) -> None:
    service = f"messaging_service: MG{'0' * 32}"
    found = prepared(shop, "SA", sender=service)
    assert len(found.prepared) == 1
    assert any(
        "who texts sends as is its service's choice, and in SA a sender ends with -AD" in a
        for a in found.asks
    )


def test_a_text_without_links_where_none_may_be(shop: Path) -> None:
    """The Emirates' carriers take no link: the built-in text has two, a template of one's own none."""
    sender = "sender: AD-Lantern"
    (said,) = problems(prepared(shop, "AE", sender=sender, own="opt_out: STOP to 7726"))
    assert said.startswith(
        "it holds a link, and may hold none (AE.direct.sms.links, twilio.com guidelines for AE"
    )
    own = "{{ percent }} {{ sender }} {{ opt_out }}"
    found = prepared(shop, "AE", sender=sender, text=own, own="opt_out: STOP to 7726")
    assert problems(found) == []
    assert {row.edition.message.link for row in found.prepared} == {""}


@pytest.mark.parametrize("channel", ["texts", "letters"])
def test_a_shop_without_an_address_is_told_so_while_planning(shop: Path, channel: str) -> None:
    settings = (shop / "silkpost.yaml").read_text("utf-8")
    (shop / "silkpost.yaml").write_text(
        settings.replace("url: https://lantern-house.example\n", "", 1), "utf-8"
    )
    name = {"texts": "sms_twilio", "letters": "email_smtp"}[channel]
    assert problems(prepared(shop, "GB", channel)) == [
        f"{name} messages in GB show a link, and there is none to show; write url in silkpost.yaml or under "
        "the product, or leave {{ link }} out of their template"
    ]
    without = "{% block text %}{{ percent }} {{ sender }} {{ unsubscribe }}{% endblock %}"
    title = "{% block title %}{{ percent }}{% endblock %}" if channel == "letters" else ""
    assert the_one(prepared(shop, "GB", channel, text=title + without))


def test_a_text_in_english_is_not_made_dear_by_its_punctuation(shop: Path) -> None:
    """A middle dot or a narrow space alone would make segments of 67 letters of those of 153."""
    message = the_one(prepared(shop, "GB", own="opt_out: Reply STOP to stop")).edition.message
    assert "Red lantern - Was £" in message.text
    assert "Lantern House - +65 6000 0000" in message.text
    assert count(message.text, Counting.SMS_SEGMENTS) == 1
