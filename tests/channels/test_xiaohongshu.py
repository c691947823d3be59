"""Xiaohongshu: the suite of channels by hand, and how the app counts."""

from __future__ import annotations

from channels._by_hand_testing import ByHandConformance
from channels.xiaohongshu import Adapter
from content.message import Message, problems


class TestXiaohongshu(ByHandConformance):
    channel = Adapter
    proven = {
        "https://www.xiaohongshu.com/explore/6550a1b2000000001f03c4d5?xsec_token=AB1&xsec_source=pc": (
            "6550a1b2000000001f03c4d5"
        ),
        "https://www.xiaohongshu.com/discovery/item/6550a1b2000000001f03c4d5": "6550a1b2000000001f03c4d5",
        # what the app's share button copies
        "月亮灯笼 http://xhslink.com/a/Ab3dEf9 复制本条信息，打开【小红书】App查看精彩内容！": "a/Ab3dEf9",
    }


def test_a_title_holds_twenty_characters_or_forty_letters() -> None:
    for title, told in (
        ("灯" * 20, []),
        ("L" * 40, []),
        ("灯" * 20 + "L", ["title: 20.5 of 20 (characters, ASCII as half)"]),
    ):
        assert problems(Message(text="x", title=title), Adapter.limits, Adapter.carries) == told


def test_the_step_counts_as_the_app_counts() -> None:
    task = TestXiaohongshu().hand().task(Message(text="灯笼 LED", title="月亮 A"))
    assert "Title, 3 of 20 characters, ASCII as half: 月亮 A" in task.steps
    assert "Paste the text, 4 of 1,000 characters, ASCII as half, and change nothing" in task.steps
