"""Xiaohongshu (小红书, RedNote): a note with pictures or a film that a person publishes in the app."""

from __future__ import annotations

from datetime import date

from channels._by_hand import ByHand
from content.message import Counting, Feature, Limits


class Adapter(ByHand):
    app = "Xiaohongshu"
    limits = Limits(
        text=1000,
        counting=Counting.HALF_WIDTH,
        source="AiToEarn, a third party's code; it says 9 pictures where others say 18; unverified",
        read=date(2026, 11, 22),
        title=20,
        images=9,
        videos=1,
    )
    #: An address in a text leads nowhere. The AI declaration is what the labelling rules of 2025 ask
    #: of apps in China; where this one has it is unverified.
    carries = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.TITLE, Feature.AI_LABEL})
    proofs = (
        r"www\.xiaohongshu\.com/(?:explore|discovery/item)/([0-9a-f]{24})",
        r"xhslink\.com/((?:[a-z]/)?\w+)",
    )
    proof_looks = "https://www.xiaohongshu.com/explore/6550a1b2000000001f03c4d5"
