"""Zhihu (知乎): an article, or an idea where it has no title, that a person publishes on the site."""

from __future__ import annotations

from datetime import date

from channels._by_hand import ByHand
from content.message import Counting, Feature, Limits


class Adapter(ByHand):
    app = "Zhihu"
    limits = Limits(
        text=None,
        counting=Counting.CODE_POINTS,
        source="no page of Zhihu's tells a limit; the title's and the pictures' are ours; unverified",
        read=date(2026, 11, 22),
        title=100,
        images=20,
        videos=1,
    )
    #: The AI declaration is what the labelling rules of 2025 ask
    #: of apps in China; where this one has it is unverified.
    carries = frozenset(
        {Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.TITLE, Feature.LINK, Feature.AI_LABEL}
    )
    proofs = (
        r"zhuanlan\.zhihu\.com/p/(\d+)",
        r"www\.zhihu\.com/pin/(\d+)",
        r"www\.zhihu\.com/question/\d+/answer/(\d+)",
    )
    proof_looks = "https://zhuanlan.zhihu.com/p/670123456"
