"""KakaoTalk: the suite of channels by hand, and its link that is a button."""

from __future__ import annotations

import pytest

from channels._by_hand_testing import ByHandConformance
from channels.kakaotalk import Adapter
from content.message import Media, Message, problems

LINK = "https://lantern-house.example/r/k1"
MOON = Media("a" * 64, "image/jpeg", 9, "moon.jpg", path="/media/moon.jpg")


class TestKakaotalk(ByHandConformance):
    channel = Adapter
    proven = {
        "https://pf.kakao.com/_xlantern/104512345": "104512345",
        "https://business.kakao.com/_xlantern/messages/98765": "98765",
    }


@pytest.mark.parametrize("text", [f"(광고) 오늘 밤\n{LINK}", f"(광고) 오늘 밤\n\n{LINK}", "(광고) 오늘 밤"])
def test_the_link_is_a_button_and_no_line_of_the_text(text: str) -> None:
    task = TestKakaotalk().hand().task(Message(text=text, link=LINK))
    assert task.text == "(광고) 오늘 밤"
    assert f"Add a button that leads to {LINK}" in task.steps


def test_a_link_within_a_sentence_is_left_where_it_was_approved() -> None:
    text = f"Open {LINK} tonight"
    assert TestKakaotalk().hand().task(Message(text=text, link=LINK)).text == text


def test_a_picture_leaves_less_room() -> None:
    long = Message(text="등" * 401)
    assert not problems(long, Adapter.limits, Adapter.carries)
    with_picture = Message(text="등" * 401, media=(MOON,))
    assert problems(with_picture, Adapter.limits, Adapter.carries) == ["caption: 401 of 400 (code points)"]
    task = TestKakaotalk().hand().task(Message(text="등" * 9, media=(MOON,)))
    assert "Paste the text, 9 of 400 code points, and change nothing" in task.steps
