"""`python -m orchestrator.store.migrations MESSAGE`: write the revision that leads to `tables.py`."""

import sys
import tempfile
from pathlib import Path

from alembic import command

from orchestrator.store import migrations
from orchestrator.store.engine import address, engines


def main(message: str) -> None:
    """Compare an empty store at the newest revision with the tables, and write what differs."""
    with tempfile.TemporaryDirectory() as folder:
        engine, reader = engines(address(f"sqlite:///{Path(folder) / 'empty.db'}"), 1.0)
        migrations.upgrade(engine)
        with engine.begin() as connection:
            settings = migrations.settings(connection)
            command.revision(
                settings, message, autogenerate=True, rev_id=f"{len(migrations.REVISIONS) + 1:04d}"
            )
        engine.dispose()
        reader.dispose()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
