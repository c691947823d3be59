"""The sample shop's flash sale, rehearsed: what went out, what did not and why, and what it came to."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from orchestrator.cli import desk
from orchestrator.cli.daemon import rehearse
from orchestrator.cli.measure import reported
from orchestrator.report import Report
from orchestrator.workspace import Workspace

SAMPLE = Path(__file__).parent.parent / "examples/lantern-house"
BEGIN = datetime(2026, 11, 27, 6, tzinfo=UTC)
LENGTH = timedelta(hours=30)
FLASH = "friday-flash"


def shop(folder: Path) -> Path:
    """The sample with its flash sale alone, and that sale's events."""
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("contacts", "outbox", ".silkpost"))
    for file in (folder / "campaigns").glob("*.yaml"):
        if file.stem != FLASH:
            file.unlink()
    feed = folder / "feed/engagement.jsonl"
    rows = [row for row in feed.read_text("utf-8").splitlines() if f'"{FLASH}/' in row]
    feed.write_text("\n".join(rows) + "\n", "utf-8")
    return folder


def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    rehearse(folder, BEGIN, LENGTH)
    monkeypatch.setenv("SILKPOST_NOW", (BEGIN + LENGTH).isoformat())
    workspace = Workspace.load(folder)
    with desk.open_store(workspace) as store:
        return reported(workspace, store, FLASH)


def test_one_changed_event_of_the_feed_changes_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every number follows from the sample's own events: a dearer order adds its difference, no more."""
    first = run(shop(tmp_path / "first"), monkeypatch)
    second = shop(tmp_path / "second")
    feed = second / "feed/engagement.jsonl"
    rows = [json.loads(row) for row in feed.read_text("utf-8").splitlines()]
    order = next(row for row in rows if row.get("kind") == "order" and row["amount"].endswith("EUR"))
    before = Decimal(order["amount"].split()[0])
    order["amount"] = f"{before + 100} EUR"
    feed.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    changed = run(second, monkeypatch)
    assert first.counts.revenue is not None
    assert changed.counts.revenue == first.counts.revenue + 100
    assert (changed.counts.orders, changed.counts.clicks) == (first.counts.orders, first.counts.clicks)
    assert first.counts.orders == sum(row.get("kind") == "order" for row in rows)
    assert first.counts.clicks == sum(row.get("kind") == "click" and not row.get("bot") for row in rows)


def test_a_sold_out_sale_says_so_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty lanterns: after the last order no post offers one, and the farewell leaves."""
    folder = shop(tmp_path / "shop")
    run(folder, monkeypatch)
    with desk.open_store(Workspace.load(folder)) as store, store.read() as connection:
        rows = connection.execute(
            text(
                "SELECT p.wave, p.market, d.state, d.why, d.sent_at FROM deliveries d"
                " JOIN placements p ON p.id = d.placement_id"
            )
        ).all()
    went = {(row.wave, row.market): row for row in rows}
    assert went["go", "US"].state == "skipped"
    assert went["go", "US"].why == "sold out"
    assert went["gone", "BR"].state == "sent"
    assert went["gone", "CN"].why == "the offer ended Fri 27 Nov 22:00"
    sent = [row for row in rows if row.state == "sent"]
    assert len(list((folder / "outbox").rglob("*.txt"))) == len(sent)
