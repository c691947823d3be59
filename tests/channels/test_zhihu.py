"""Zhihu: the suite of channels by hand."""

from __future__ import annotations

from channels._by_hand_testing import ByHandConformance
from channels.zhihu import Adapter
from content.message import Message


class TestZhihu(ByHandConformance):
    channel = Adapter
    proven = {
        "https://zhuanlan.zhihu.com/p/670123456?utm_psn=1": "670123456",
        "https://www.zhihu.com/pin/1712345678901234567": "1712345678901234567",
        "https://www.zhihu.com/question/1/answer/3312345678": "3312345678",
    }


def test_a_text_without_a_limit_is_counted_all_the_same() -> None:
    task = TestZhihu().hand().task(Message(text="灯" * 5000, link="https://lantern-house.example/r/z1"))
    assert "Paste the text, 5,036 code points, and change nothing" in task.steps
    assert task.text.endswith("\n\nhttps://lantern-house.example/r/z1")
