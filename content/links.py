"""Links that say where a visit came from, and short codes that stand for them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from locales.catalog import place_in

BASE = "base"  #: the address for whom no other is meant

#: Digits and letters without those that are mistaken for one another: 0 O o, 1 I l.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"


def address_in(written: str | Mapping[str, str], market: str, locale: str) -> str:
    """The address that a reader of this locale in this market is sent to; empty where there is none.

    Of several, that of a locale of this very market (`es_US` in US), then the market's, whose prices
    the text tells, then the locale's with its declared fallbacks and its language, then `base`.
    """
    if isinstance(written, str):
        return written
    own = locale if locale.endswith(f"_{market}") else market
    wanted = (own, market, place_in(written, locale), BASE)
    return next((written[each] for each in wanted if each in written), "")


def tracked(url: str, *, source: str, medium: str, campaign: str, content: str = "", term: str = "") -> str:
    """The URL with its UTM parameters; a query and a fragment stay, parameters of the same name give way.

    `source` is who sends the visitor, `medium` by which kind of channel, `content` what tells two links of a
    campaign apart (support.google.com/analytics/answer/10917952, read 2026-11-22).
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'"{url}" is not a link; write it whole, such as https://lantern-house.example/red')
    named = {
        "utm_source": source,
        "utm_medium": medium,
        "utm_campaign": campaign,
        "utm_content": content,
        "utm_term": term,
    }
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in named]
    added = [f"{name}={quote(value, safe='/~')}" for name, value in named.items() if value]
    return urlunsplit(parts._replace(query="&".join([*kept, *added])))


def short_code(seed: bytes, placement_key: str, n: int = 7) -> str:
    """The code of a placement's link: the same for ever, and not to be guessed without the seed.

    Seven letters are 1.7 million million codes: in one of 350 shops with 100,000 placements two share one.
    The store refuses the second; `n` makes longer ones.
    """
    number = int.from_bytes(hmac.digest(seed, placement_key.encode(), hashlib.sha256))
    letters = []
    for _ in range(n):
        number, place = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[place])
    return "".join(letters)


def short_url(public_url: str, code: str) -> str:
    """Where `silkpost run` answers for a code."""
    return f"{public_url.rstrip('/')}/l/{code}"
