"""KakaoTalk: a channel's message to its friends that a person sends in the manager center."""

from __future__ import annotations

from datetime import date

from channels._by_hand import ByHand
from content.message import Counting, Feature, Limits


class Adapter(ByHand):
    app = "the KakaoTalk channel manager"
    limits = Limits(
        text=1000,
        counting=Counting.CODE_POINTS,
        source="document.wisetracker.co.kr/crm/kakao-sms/friendtalk, a third party: 1,000 characters, 400 "
        "with a picture; unverified",
        read=date(2026, 11, 22),
        caption=400,
        images=1,
    )
    #: cs.kakao.com/helps?articleId=1073203581, read 2026-11-22: a text takes no address, a button does.
    button = True
    carries = frozenset({Feature.IMAGE, Feature.LINK})
    proofs = (
        r"pf\.kakao\.com/_\w+/(\d+)",
        r"(?:business|center-pf)\.kakao\.com/_\w+/(?:[\w-]+/)*(\d+)",
    )
    proof_looks = "https://pf.kakao.com/_lantern/104512345"
