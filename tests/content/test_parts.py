"""A text too long for one post becomes parts that each fit, broken where a reader would pause."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from content.counting import Counting, clusters
from content.message import Feature, Limits, Media, Message, problems
from content.parts import in_parts

LINK = "https://lantern-house.example/l/abc234"
CODE, PRICES = "LIGHT 11", ("1 299,00 kr", "¥2,230", "29.00 €", "二千二百元")
FAMILY = "👨‍👩‍👧‍👦"
X = Limits(280, Counting.X_WEIGHTED, "x", date(2026, 11, 22), link_length=23)
SKY = Limits(300, Counting.GRAPHEMES, "bluesky", date(2026, 11, 22), text_bytes=3000)
ALL = frozenset(Feature)


def short(most: int, counting: Counting = Counting.CODE_POINTS) -> Limits:
    return Limits(most, counting, "a test", date(2026, 11, 22))


def parts(text: str, limits: Limits, *, link: str = "", **more: str) -> list[str]:
    made = in_parts(Message(text, link=link), limits, whole=(CODE, *PRICES), **more)
    return [made.text, *made.thread]


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_what_fits_stays_one_post() -> None:
    message = Message("x" * 280, link="")
    assert in_parts(message, X) is message


@pytest.mark.parametrize(
    ("text", "most", "wanted"),
    [
        # a paragraph before a line, a line before a sentence, a sentence before a word
        ("One. Two.\n\nThree. Four five.", 20, ["One. Two.", "Three. Four five."]),
        ("Red one\nMoon two. Blue three", 22, ["Red one\nMoon two.", "Blue three"]),
        ("Alpha beta. Gamma delta epsilon", 20, ["Alpha beta.", "Gamma delta epsilon"]),
        ("alpha beta gamma delta epsilon", 17, ["alpha beta gamma", "delta epsilon"]),
        # a point that ends no sentence; a number that keeps its neighbours
        ("gilt bis zum 11. November und z. B. heute", 30, ["gilt bis zum 11. November und", "z. B. heute"]),
        ("ab heute nur noch 29,00 EUR im Laden", 25, ["ab heute nur", "noch 29,00 EUR im Laden"]),
        # without spaces: after a sentence, after a clause, between two characters
        ("灯会今晚开始。全场七折起售，欢迎光临", 12, ["灯会今晚开始。", "全场七折起售，欢迎光临"]),
        ("灯会今晚开始，全场大促销欢迎光临", 10, ["灯会今晚开始，", "全场大促销欢迎光临"]),
        ("灯会今晚开始全场大促销", 6, ["灯会今晚开始", "全场大促销"]),
        ("「月の灯り」が始まります。ぜひ。", 14, ["「月の灯り」が始まります。", "ぜひ。"]),
    ],
)
def test_it_breaks_where_a_reader_would_pause(text: str, most: int, wanted: list[str]) -> None:
    assert parts(text, short(most)) == wanted


def test_the_first_part_holds_the_link_wherever_the_text_has_it() -> None:
    text = f"{'Lanterns in the snow. ' * 20}\n{LINK}"
    first, *rest = parts(text, X, link=LINK)
    assert first.endswith(f"\n{LINK}")
    assert rest
    assert all(LINK not in part for part in rest)
    first, *rest = parts(f"See {LINK} for more. {'Lanterns in the snow. ' * 20}", X, link=LINK)
    assert first.count(LINK) == 1
    inside = f"{'Lanterns in the snow. ' * 20} All of them at {LINK} today."
    first, *rest = parts(inside, X, link=LINK)
    assert first.endswith(LINK)
    assert rest[-1].endswith(f"at {LINK} today.")


def test_each_part_begins_with_the_label_that_a_post_must_begin_with() -> None:
    made = parts("[광고] " + "Lanterns in the snow. " * 30, X, before="[광고]")
    assert len(made) > 2
    assert all(part.startswith("[광고] ") for part in made)
    assert all(part.count("[광고]") == 1 for part in made)


def test_what_cannot_be_broken_stays_the_problem_it_is() -> None:
    message = Message("x" * 281)
    assert in_parts(message, X) is message
    message = Message("ok " + "x" * 281)
    assert in_parts(message, X) is message


def test_a_caption_is_shorter_than_the_parts_after_it() -> None:
    limits = Limits(40, Counting.CODE_POINTS, "a test", date(2026, 11, 22), caption=20, images=1)
    picture = Media("0" * 64, "image/png", 1, "a.png")
    made = in_parts(Message("one two three four five six seven eight nine", media=(picture,)), limits)
    assert (made.text, *made.thread) == ("one two three four", "five six seven eight nine")


WORDS = st.sampled_from(
    [
        *("Lantern", "lanterns,", "snow.", "Ends 23:59!", "z. B.", "«la fête»"),
        *("限定の灯り。", "全场特惠，", "今夜"),
        *(FAMILY, "🇩🇪", "e\u0301te\u0301", "क्षि", LINK, CODE, *PRICES, "25 %", "only 3 left;", "\n", "\n\n"),
    ]
)
LIMITS = st.sampled_from(
    [X, SKY, short(60, Counting.EMOJI_BYTES), short(90, Counting.UTF16), short(60, Counting.GRAPHEMES)]
)


@settings(max_examples=60)
@given(st.lists(WORDS, min_size=1, max_size=120).map(" ".join), LIMITS, st.sampled_from(["", "広告"]))
@example("灯" * 700, X, "")
@example(f"{FAMILY * 30} {FAMILY * 30}", short(90, Counting.UTF16), "")
def test_parts_are_the_text_and_each_fits(text: str, limits: Limits, before: str) -> None:
    """Nothing is lost, doubled or cut: not a character of a reader's, a link, a price or a code."""
    made = parts(text, limits, before=before)
    if len(made) == 1:
        return
    bare = [made[0], *(part.removeprefix(before) for part in made[1:])]
    assert squeezed("".join(bare)) == squeezed(text)
    assert problems(Message(made[0], thread=tuple(made[1:])), limits, ALL) == []
    assert all(part == part.strip() for part in made)
    whole = (LINK, CODE, *PRICES, "25 %", "3 left", "z. B.")
    for each in whole:
        assert sum(part.count(each) for part in bare) == text.count(each), each
    assert sorted(c for part in bare for c in clusters(squeezed(part))) == sorted(clusters(squeezed(text)))
