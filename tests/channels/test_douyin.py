"""Douyin: the suite of channels by hand, and how the app counts."""

from __future__ import annotations

from channels._by_hand_testing import ByHandConformance
from channels.douyin import Adapter
from content.message import Message, problems


class TestDouyin(ByHandConformance):
    channel = Adapter
    proven = {
        "https://www.douyin.com/video/7301234567890123456?modeFrom=user": "7301234567890123456",
        "https://www.douyin.com/note/7301234567890123456": "7301234567890123456",
        "https://www.iesdouyin.com/share/video/7301234567890123456/?region=CN": "7301234567890123456",
        # what the app's share button copies
        "7.94 复制打开抖音，看看【灯笼的作品】 https://v.douyin.com/iRNBho5m/ 02/11 x@F.uS": "iRNBho5m",
    }


def test_an_address_is_refused_for_nobody_could_follow_it() -> None:
    message = Message(text="今晚", link="https://lantern-house.example/r/1")
    assert problems(message, Adapter.limits, Adapter.carries) == ["carries no link"]


def test_the_step_says_how_long_the_text_is() -> None:
    task = TestDouyin().hand().task(Message(text="灯" * 12, title="月亮"))
    assert "Title, 2 of 30 code points: 月亮" in task.steps
    assert "Paste the text, 12 of 1,000 code points, and change nothing" in task.steps
