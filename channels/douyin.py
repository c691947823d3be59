"""Douyin (抖音): a film or pictures that a person publishes in the app."""

from __future__ import annotations

from datetime import date

from channels._by_hand import ByHand
from content.message import Counting, Feature, Limits


class Adapter(ByHand):
    app = "Douyin"
    limits = Limits(
        text=1000,
        counting=Counting.CODE_POINTS,
        source="AiToEarn's douyin.service.ts, a third party's code; unverified",
        read=date(2026, 11, 22),
        title=30,
        images=12,
        videos=1,
    )
    #: An address in a text leads nowhere. The AI declaration is what the labelling rules of 2025 ask
    #: of apps in China; where this one has it is unverified.
    carries = frozenset({Feature.IMAGE, Feature.IMAGES, Feature.VIDEO, Feature.TITLE, Feature.AI_LABEL})
    proofs = (
        r"(?:www\.)?douyin\.com/(?:video|note)/(\d+)",
        r"(?:www\.)?iesdouyin\.com/share/(?:video|note)/(\d+)",
        r"v\.douyin\.com/([\w-]+)",
    )
    proof_looks = "https://www.douyin.com/video/7301234567890123456"
