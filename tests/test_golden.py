"""What the sample shop would publish, byte for byte: for a reader of each locale to read."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from content.render import Renderer
from locales.rates import bundled
from orchestrator.cli import show
from orchestrator.gather import gather
from orchestrator.plan import plan
from orchestrator.prepare import prepare
from orchestrator.workspace import load_all

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests/golden"
NOW = datetime(2026, 11, 7, tzinfo=UTC)
WORKSPACE, CAMPAIGNS = load_all(ROOT / "examples/lantern-house")


def published(name: str) -> dict[str, str]:
    """`<market>.<locale>.<channel>.txt` -> every message of that kind, in the order of their keys."""
    (campaign,) = (each for each in CAMPAIGNS if each.spec.campaign == name)
    settings = WORKSPACE.settings
    renderer = Renderer(
        WORKSPACE.templates,
        WORKSPACE.translations,
        shop=settings.shop,
        shop_url=settings.url,
        strings=WORKSPACE.strings,
    )
    facts = gather(WORKSPACE, [campaign.spec], bundled(), NOW)
    found = prepare(campaign.spec, plan(campaign.spec, facts), facts, renderer)
    assert [str(problem) for problem in found.problems] == []
    texts: dict[str, list[str]] = defaultdict(list)
    for row in found.prepared:
        placement = row.placement
        file = f"{placement.market}.{placement.locale}.{placement.channel}.txt"
        texts[file].append(show.message(row, facts))
    return {file: "\n".join(parts) for file, parts in texts.items()}


@pytest.mark.parametrize("name", [campaign.spec.campaign for campaign in CAMPAIGNS])
def test_what_would_be_published_is_what_was_read(name: str, request: pytest.FixtureRequest) -> None:
    texts = published(name)
    folder = GOLDEN / name
    if request.config.getoption("--update-golden"):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.txt"):
            old.unlink()
        for file, text in texts.items():
            (folder / file).write_bytes(text.encode())
    assert {path.name for path in folder.glob("*.txt")} == set(texts)
    for file, text in texts.items():
        assert (folder / file).read_bytes() == text.encode(), file


def test_ten_markets_read_their_own_language() -> None:
    """Each market's messages are in its locale, and none is a copy of another's."""
    texts = published("double-eleven-2026")
    markets = {file.split(".")[0] for file in texts}
    assert markets == {"CN", "JP", "KR", "TW", "US", "GB", "DE", "FR", "BR", "SA"}
    bodies = {file: text.split("\n\n", 1)[1] for file, text in texts.items()}
    assert len(set(bodies.values())) == len(bodies)
