"""What was approved is what is published: a picture that is painted over later does not reach it."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

from content.render import Edition, Renderer
from locales.rates import bundled, from_file
from orchestrator.propose import apply, propose
from orchestrator.shelf import FOLDER
from orchestrator.store import Keys, Store
from orchestrator.store.tables import editions
from orchestrator.workspace import load_all

SAMPLE = Path(__file__).parents[2] / "examples/lantern-house"
NOW = datetime(2026, 11, 7, tzinfo=UTC)


def test_media_are_kept_as_they_were_when_the_plan_was_applied(tmp_path: Path) -> None:
    shop = Path(shutil.copytree(SAMPLE, tmp_path / "shop"))
    settings = shop / "silkpost.yaml"
    settings.write_text(settings.read_text("utf-8") + "media: {base_url: https://media.example/m}\n", "utf-8")
    workspace, campaigns = load_all(shop)
    campaign = next(each for each in campaigns if each.spec.campaign == "double-eleven-2026")
    rates = from_file(shop / "rates.yaml")
    rates = type(rates)("EUR", bundled().on, "both", {**bundled().table, **rates.table})
    made = Renderer(
        workspace.templates, workspace.translations, shop="Lantern House", strings=workspace.strings
    )
    with Store.open(f"sqlite:///{shop}/silkpost.db", Keys.new(), create=True) as store:
        apply(store, propose(workspace, campaign, made, rates, NOW, store), "ana", NOW)
        (shop / "media/lanterns.jpg").write_bytes(b"painted over")
        with store.read() as connection:
            bodies = connection.execute(editions.select()).all()
    carried = {media for row in bodies for media in Edition.from_json(row.body).message.media}
    assert len({media.sha256 for media in carried}) == 1
    for media in carried:
        kept = Path(media.path)
        assert kept.parent == shop / FOLDER
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == media.sha256
        assert media.url == f"https://media.example/m/{media.sha256}.jpg"
