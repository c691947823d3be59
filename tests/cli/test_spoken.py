"""The engine's sentences in Simplified Chinese: found again at the edge, and none kept that nobody says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from locales.catalog import sentences
from orchestrator.cli import words
from orchestrator.cli.spoken import BETWEEN, PLACE, SHAPES, spoken
from orchestrator.policy import Case, Send, decide

ROOT = Path(__file__).parents[2]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: What the engine puts together from smaller parts.
OURS = {
    BETWEEN,
    "reply by %(who)s",
    "text changed since approval %(hash)s",
    "%(number)s free code",
    "%(number)s free codes",
}


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    words.use("zh")
    yield
    words.use("en")


DUE = datetime(2026, 11, 11, 3, tzinfo=UTC)
CASE = Case(due_at=DUE, late=timedelta(hours=6), zone="Asia/Tokyo", market="JP")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("due Wed 11 Nov 12:00", "预定 11月11日周三 12:00"),
        # a reason inside a reason, and clauses beside each other
        (
            "late: due Wed 11 Nov 12:00, grace 6 h; it was waiting: paused: market JP by ana: a quake",
            "过期：预定 11月11日周三 12:00，宽限 6 小时；当时在等：已暂停：市场 JP，由 ana：a quake",
        ),
        (
            "moves to Wed 11 Nov 22:00: quiet hours from 21:00 in America/Adak; the offer ends 20:00",
            "移到 11月11日周三 22:00：America/Adak 自 21:00 起为免打扰时段；优惠于 20:00 结束",
        ),
        ("Sun 8 Nov is remembrance-sunday in GB", "11月8日周日是 GB 的 remembrance-sunday"),
        ('"holidy" is unknown; did you mean holiday?', '"holidy" 未知；是否想写 holiday？'),
        # an author's own words and a platform's are left as they are
        ("paper lanterns in the rain", "paper lanterns in the rain"),
        ("", ""),
    ],
)
def test_a_sentence_is_found_again_with_what_it_is_about(said: str, expected: str) -> None:
    assert spoken(said) == expected
    words.use("en")
    assert spoken(said) == said


@pytest.mark.parametrize(
    ("change", "later"),
    [
        ({"due_at": None, "trigger": "sold_out"}, timedelta(0)),
        ({"ends_at": DUE - timedelta(hours=1)}, timedelta(0)),
        ({"approved": False}, timedelta(0)),
        ({"paused": "market JP by ana"}, timedelta(hours=7)),
        ({"empty_pool": "spring"}, timedelta(0)),
        ({"removed": True}, timedelta(0)),
        ({"sold_out": True}, timedelta(0)),
        ({"quota_until": DUE + timedelta(hours=1)}, timedelta(0)),
        ({"breaker_until": DUE + timedelta(hours=7)}, timedelta(0)),
        ({"capped_until": DUE + timedelta(hours=2), "ends_at": DUE + timedelta(hours=1)}, timedelta(0)),
        ({}, timedelta(hours=-1)),
        ({}, timedelta(hours=7)),
    ],
)
def test_whatever_policy_decides_is_said_in_chinese(change: dict[str, Any], later: timedelta) -> None:
    from msgspec.structs import replace

    decision = decide(replace(CASE, **change), DUE + later)
    assert not isinstance(decision, Send)
    said = spoken(decision.why)
    assert CHINESE.search(said)
    assert not re.search(r"[a-z]+ [a-z]+", said), said


def test_no_sentence_is_kept_that_nobody_says() -> None:
    """A sentence changed in the engine alone would silently fall back to English."""
    written, unsaid = _written(), []
    for sentence, translated in sentences("zh_Hans_CN", "engine").items():
        pieces = [piece.strip(" ,:()") for piece in PLACE.split(sentence)[::2]]
        by_clock = any(re.fullmatch(shape, sentence) for shape in SHAPES.values() if "|" in shape)
        if sentence not in OURS and not by_clock:
            unsaid += [(sentence, piece) for piece in pieces if not any(piece in text for text in written)]
        assert sorted(PLACE.findall(sentence)) == sorted(PLACE.findall(translated)), sentence
    assert unsaid == []


def _written() -> set[str]:
    """Every text that stands in the engine's sources, and the names of markets and days."""
    files = [*(ROOT / "locales/markets").glob("*.yaml"), ROOT / "locales/calendar.yaml"]
    found = {line for file in files for line in file.read_text("utf-8").splitlines()}
    for folder in ("orchestrator", "locales", "content", "channels"):
        for file in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(file.read_text("utf-8"))
            found.update(
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            )
    return found


def test_plan_status_and_doctor_speak_chinese_and_json_does_not(silkpost: Any) -> None:
    words.use("en")
    assert re.search(r"2月\d+日周", silkpost("--lang", "zh", "plan").out)
    silkpost("apply")
    status = silkpost("--lang", "zh", "status").out
    assert re.search(r"待发送 6 .*\n.*: 预定 2月\d+日周", status)
    assert "due Thu 11 Feb" in silkpost("status").out
    assert "planned" in silkpost("status", "--json", "--lang", "zh").out
    assert "这里没有凭据；其消息写入 outbox" in silkpost("--lang", "zh", "doctor").out
