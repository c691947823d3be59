"""How each platform counts, and what it refuses, in sentences an author can act on."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.counting import X_LIGHT, X_LINK, clusters, links
from content.message import Counting, Feature, Limits, Media, Message, count, problems

FAMILY = "👨‍👩‍👧‍👦"
URL = "https://lantern-house.example/moon?utm_source=x&utm_campaign=double-eleven-2026"


@pytest.mark.parametrize(
    ("text", "counting", "length"),
    [
        ("für 限🎉", Counting.CODE_POINTS, 6),
        ("e\u0301", Counting.CODE_POINTS, 2),  # two code points, one letter
        ("für 限🎉", Counting.UTF16, 7),  # an emoji is a surrogate pair
        (FAMILY, Counting.UTF16, 11),
        (FAMILY, Counting.GRAPHEMES, 1),
        ("e\u0301🇩🇪1️⃣\r\n", Counting.GRAPHEMES, 4),
        ("a\r\nb", Counting.GRAPHEMES, 3),
        ("क्षि", Counting.GRAPHEMES, 1),  # a conjunct is one to its reader
        ("für 限🎉", Counting.BYTES, 12),
        ("", Counting.X_WEIGHTED, 0),
        ("lantern", Counting.X_WEIGHTED, 7),
        ("für", Counting.X_WEIGHTED, 3),
        ("限定", Counting.X_WEIGHTED, 4),
        ("カフェ", Counting.X_WEIGHTED, 6),
        ("e\u0301", Counting.X_WEIGHTED, 1),  # NFC first
        ("–“”…", Counting.X_WEIGHTED, 5),  # dashes and quotes are light, the ellipsis is not
        ("🎉", Counting.X_WEIGHTED, 2),
        (FAMILY, Counting.X_WEIGHTED, 2),  # a sequence is one emoji
        ("🙋🏽", Counting.X_WEIGHTED, 2),
        ("🇩🇪🇫🇷", Counting.X_WEIGHTED, 4),
        ("1️⃣", Counting.X_WEIGHTED, 2),
        ("©", Counting.X_WEIGHTED, 1),  # a sign, unless it is asked to be a picture
        ("©\ufe0f", Counting.X_WEIGHTED, 2),
        (f"Hi {URL}", Counting.X_WEIGHTED, 26),
        (f"見て{URL}。", Counting.X_WEIGHTED, 4 + 23 + 2),
        ("lantern-house.com", Counting.X_WEIGHTED, 23),  # linked without a scheme too
        ("a@lantern-house.com", Counting.X_WEIGHTED, 19),  # an e-mail address is not
        ("für 🎉", Counting.EMOJI_BYTES, 4 + 4),
        (FAMILY, Counting.EMOJI_BYTES, 25),
        ("灯笼25%", Counting.HALF_WIDTH, Decimal("3.5")),
        ("灯笼", Counting.HALF_WIDTH, 2),
        ("", Counting.SMS_SEGMENTS, 0),
        ("x" * 160, Counting.SMS_SEGMENTS, 1),
        ("x" * 161, Counting.SMS_SEGMENTS, 2),
        ("x" * 306, Counting.SMS_SEGMENTS, 2),
        ("x" * 307, Counting.SMS_SEGMENTS, 3),
        ("€" * 80, Counting.SMS_SEGMENTS, 1),  # the extension table: two septets each
        ("€" * 81, Counting.SMS_SEGMENTS, 2),
        ("€" * 153, Counting.SMS_SEGMENTS, 3),  # 76 to a part: an escape is not torn from its sign
        ("限" * 70, Counting.SMS_SEGMENTS, 1),
        ("限" * 71, Counting.SMS_SEGMENTS, 2),
        ("限" * 135, Counting.SMS_SEGMENTS, 3),
        ("🎉" * 35, Counting.SMS_SEGMENTS, 1),
        ("🎉" * 67, Counting.SMS_SEGMENTS, 3),  # 33 to a part: a pair is not torn
        ("x" * 70 + "ç", Counting.SMS_SEGMENTS, 2),  # GSM-7 has Ç and not ç
    ],
)
def test_each_rule_counts_as_its_platform_does(text: str, counting: Counting, length: int | Decimal) -> None:
    assert count(text, counting) == length


@pytest.mark.parametrize("counting", list(Counting))
@given(
    text=st.text(alphabet=st.one_of(st.characters(), st.sampled_from("限🎉é\u200d\ufe0f👨👩🏽🇩🇪 ./:htps")))
)
def test_a_count_is_a_length(counting: Counting, text: str) -> None:
    """Never negative; nothing for nothing; never shorter for more of the same."""
    length = count(text, counting)
    assert length >= 0
    assert (length == 0) == (text == "")
    if counting is not Counting.SMS_SEGMENTS:
        assert count(f"{text} {text}", counting) >= length


@given(st.text())
def test_x_takes_any_normal_form(text: str) -> None:
    composed, taken_apart = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert count(composed, Counting.X_WEIGHTED) == count(taken_apart, Counting.X_WEIGHTED)


@given(st.text())
def test_clusters_lose_nothing(text: str) -> None:
    assert "".join(clusters(text)) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example/x.", ["https://a.example/x"]),
        ("(https://a.example/x)", ["https://a.example/x"]),
        ("https://a.example/x_(y)", ["https://a.example/x_(y)"]),
        ("https://a.example/x?q=1&r=2#top!", ["https://a.example/x?q=1&r=2#top"]),
        ("今すぐhttps://a.example/x今すぐ", ["https://a.example/x"]),
        ("https://a.example今すぐ", ["https://a.example"]),
        ("https://a.example:8443/x y", ["https://a.example:8443/x"]),
        ("https://a.example/größe", ["https://a.example/größe"]),
        ("HTTP://A.EXAMPLE", ["HTTP://A.EXAMPLE"]),
        ("https://a.example\nhttps://b.example", ["https://a.example", "https://b.example"]),
        ("ftp://a.example, https:// , a.example", []),
    ],
)
def test_a_link_ends_where_a_reader_would_end_it(text: str, found: list[str]) -> None:
    assert links(text) == found


@pytest.mark.parametrize("counting", [Counting.CODE_POINTS, Counting.GRAPHEMES, Counting.UTF16])
def test_a_link_counts_what_the_server_says(counting: Counting) -> None:
    assert count(f"限 {URL} {URL}", counting, 23) == 1 + 1 + 23 + 1 + 23
    assert count("no link", counting, 23) == 7


def test_weights_are_those_x_publishes() -> None:
    config = Path(__file__).parents[3] / "shared/specs/x/config/v3.json"
    if not config.exists():
        pytest.skip("X's own configuration is not beside this tree")
    published: dict[str, Any] = json.loads(config.read_text())
    assert tuple((r["start"], r["end"]) for r in published["ranges"]) == X_LIGHT
    assert {r["weight"] for r in published["ranges"]} == {published["scale"]}
    assert published["defaultWeight"] == 2 * published["scale"]
    assert published["transformedURLLength"] == X_LINK
    assert published["emojiParsingEnabled"] is True


# --- problems

X = Limits(280, Counting.X_WEIGHTED, "docs.x.com, counting characters", date(2026, 11, 22), images=4)
ALL = frozenset(Feature)
MOON = Media("ab" * 32, "image/png", 4_000_000, "moon.png", alt="moon")
FILM = Media("cd" * 32, "video/mp4", 9, "moon.mp4")


def test_a_text_that_fits_has_no_problem() -> None:
    assert problems(Message(text="x" * 280), X, frozenset()) == []
    assert problems(Message(text="x" * 257 + URL), X, ALL) == []


def test_a_text_too_long_says_how_the_platform_counted_it() -> None:
    text = "für 限 " + URL + " " + "x" * 257
    assert problems(Message(text=text), X, ALL) == ["288 of 280 (X counts ü as 1, 限 as 2, a link as 23)"]


@pytest.mark.parametrize(
    ("text", "limits", "said"),
    [
        ("x" * 501, Limits(500, Counting.CODE_POINTS, "", X.read), "501 of 500 (code points)"),
        ("🎉" * 9, Limits(10, Counting.UTF16, "", X.read), "18 of 10 (UTF-16 units: 🎉 as 2)"),
        ("🎉" * 9, Limits(8, Counting.GRAPHEMES, "", X.read), "9 of 8 (graphemes)"),
        (FAMILY * 9, Limits(8, Counting.GRAPHEMES, "", X.read), f"9 of 8 (graphemes: {FAMILY} as 1)"),
        ("限" * 9, Limits(20, Counting.BYTES, "", X.read), "27 of 20 (UTF-8 bytes: 限 as 3)"),
        ("灯a" * 9, Limits(13, Counting.HALF_WIDTH, "", X.read), "13.5 of 13 (characters, ASCII as half)"),
        (
            "x" * 135 + "ç",
            Limits(2, Counting.SMS_SEGMENTS, "", X.read),
            "3 of 2 (SMS segments of 67, for ç is not in GSM-7)",
        ),
        ("x" * 400, Limits(2, Counting.SMS_SEGMENTS, "", X.read), "3 of 2 (SMS segments)"),
        ("x" * 1_201, Limits(1_200, Counting.CODE_POINTS, "", X.read), "1,201 of 1,200 (code points)"),
        (
            f"{URL} {'x' * 480}",
            Limits(500, Counting.CODE_POINTS, "", X.read, link_length=23),
            "504 of 500 (code points: a link as 23)",
        ),
    ],
)
def test_every_rule_explains_itself(text: str, limits: Limits, said: str) -> None:
    assert problems(Message(text=text), limits, ALL) == [said]


def test_a_caption_has_its_own_limit() -> None:
    limits = Limits(4096, Counting.UTF16, "", X.read, caption=1024, images=10)
    assert problems(Message(text="x" * 1025), limits, ALL) == []
    said = problems(Message(text="x" * 1025, media=(MOON,)), limits, ALL)
    assert said == ["caption: 1,025 of 1,024 (UTF-16 units)"]


def test_two_limits_are_two_problems() -> None:
    """Bluesky: 300 graphemes and 3,000 bytes."""
    limits = Limits(300, Counting.GRAPHEMES, "", X.read, text_bytes=3000)
    assert problems(Message(text=FAMILY * 200), limits, ALL) == [
        "5,000 of 3,000 (UTF-8 bytes: 👨‍👩‍👧‍👦 as 25)"
    ]


def test_each_part_of_a_thread_is_measured() -> None:
    said = problems(Message(text="1", thread=("2", "x" * 281)), X, ALL)
    assert said == ["part 3: 281 of 280 (X weight)"]


def test_titles_and_alt_texts_are_measured() -> None:
    limits = replace(X, title=3, alt_text=3)
    said = problems(Message(text="x", title="four", media=(MOON,)), limits, ALL)
    assert said == ["title: 4 of 3 (X weight)", "alt text of moon.png: 4 of 3 (X weight)"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Message(text="x", title="t"), "carries no title"),
        (Message(text="x", html="<p>x</p>"), "carries no HTML"),
        (Message(text="x", link=URL), "carries no link"),
        (Message(text="x", reply_to="1"), "carries no reply"),
        (Message(text="x", thread=("y",)), "carries no thread"),
        (Message(text="x", paid=True), "carries no paid-partnership switch"),
        (Message(text="x", ai_made=True), "carries no AI label"),
        (Message(text="x", media=(replace(MOON, alt=""),)), "carries no image"),
        (Message(text="x", media=(FILM,)), "carries no video"),
    ],
)
def test_what_is_not_carried_is_refused(message: Message, said: str) -> None:
    assert problems(message, X, frozenset()) == [said]


def test_alt_text_is_refused_apart_from_its_image() -> None:
    carries = frozenset({Feature.IMAGE})
    assert problems(Message(text="x", media=(MOON,)), X, carries) == ["carries no alt text"]


def test_a_language_asks_for_nothing() -> None:
    """It says what the text is; a platform without a tag loses nothing that was written."""
    assert problems(Message(text="限", language="ja-JP"), X, frozenset()) == []


def test_media_are_counted_and_weighed() -> None:
    limits = replace(X, images=2, videos=1, image_bytes=3_000_000)
    media = (MOON, replace(MOON, name="b.png", size=9), replace(MOON, name="c.png", size=9), FILM, FILM)
    assert problems(Message(text="x", media=media), limits, ALL) == [
        "3 images of 2",
        "2 videos of 1",
        "image moon.png: 4,000,000 of 3,000,000 bytes",
    ]


def test_a_file_of_a_strange_kind_is_named() -> None:
    paper = Media("ef" * 32, "application/pdf", 9, "terms.pdf")
    assert problems(Message(text="x", media=(paper,)), X, ALL) == ["carries no application/pdf (terms.pdf)"]


@pytest.mark.parametrize("message", [Message(text=""), Message(text=" \n"), Message(text="", title="t")])
def test_nothing_is_not_published(message: Message) -> None:
    assert problems(message, X, ALL) == ["there is nothing to publish: no text, no media, no fields"]


def test_half_a_character_is_refused_before_it_breaks_a_request() -> None:
    assert problems(Message(text="a\ud83c"), X, ALL) == [
        "text: half a character: a lone surrogate is no text"
    ]


def test_everything_wrong_is_said_at_once() -> None:
    message = Message(text="x" * 281, title="t", paid=True, media=(MOON,) * 5)
    assert len(problems(message, X, frozenset())) == 5
