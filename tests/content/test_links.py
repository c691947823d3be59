"""Tracked links keep what they had, and short codes stay what they were."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.links import ALPHABET, short_code, short_url, tracked

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def test_query_and_fragment_stay_and_nothing_doubles() -> None:
    shop = "https://lantern-house.example/red?color=deep%20red&size=&utm_source=old#details"
    named = {"source": "x", "medium": "broadcast", "campaign": "double-eleven", "content": "a/b"}
    once = tracked(shop, **named)
    assert once == (
        "https://lantern-house.example/red?color=deep%20red&size=&utm_source=x&utm_medium=broadcast"
        "&utm_campaign=double-eleven&utm_content=a/b#details"
    )
    assert tracked(once, **named) == once


@given(source=WORDS, campaign=WORDS)
def test_any_name_comes_back_from_the_link(source: str, campaign: str) -> None:
    url = tracked("https://lantern-house.example/", source=source, medium="direct", campaign=campaign)
    assert dict(parse_qsl(urlsplit(url).query)) == {
        "utm_source": source,
        "utm_medium": "direct",
        "utm_campaign": campaign,
    }


@pytest.mark.parametrize("wrong", ["", "lantern-house.example", "javascript:alert(1)", "https://"])
def test_what_is_no_link_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="write it whole"):
        tracked(wrong, source="x", medium="broadcast", campaign="c")


def test_a_placement_keeps_its_code() -> None:
    assert short_code(b"seed", "double-eleven/launch/JP") == "bWMuLx9"
    assert (
        short_url("https://go.lantern-house.example/", "bWMuLx9")
        == "https://go.lantern-house.example/l/bWMuLx9"
    )


def test_codes_hold_nothing_that_is_read_wrong_and_differ_by_seed_and_placement() -> None:
    codes = {short_code(seed, f"key-{n}") for seed in (b"one", b"two") for n in range(5_000)}
    assert len(codes) == 10_000
    assert set("".join(codes)) == set(ALPHABET)
    assert not set("0Oo1Il") & set(ALPHABET)
