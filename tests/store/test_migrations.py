"""The revisions lead to `tables.py` exactly, on both databases, from nothing and from every revision."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from orchestrator.store import Store, migrations
from orchestrator.store.tables import Table


def test_the_newest_revision_is_what_the_tables_say(store: Store) -> None:
    with store.begin() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": Table.metadata})
        assert compare_metadata(context, Table.metadata) == []


def test_every_revision_is_listed_in_order(store: Store) -> None:
    with store.begin() as connection:
        scripts = ScriptDirectory.from_config(migrations.settings(connection))
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == migrations.REVISIONS


def test_upgrading_twice_changes_nothing(store: Store) -> None:
    assert migrations.upgrade(store.engine) == (migrations.HEAD, migrations.HEAD)


def test_ids_that_the_world_knows_are_never_given_again(store: Store) -> None:
    """A key, a link or an unsubscribe token names a row; SQLite would reuse the id of a deleted one."""
    insert = text(
        "INSERT INTO contacts (medium, address_hash, market, locale, zone, segment, bucket, created_at)"
        " VALUES ('email', :digest, 'DE', '', '', '{}', 0, 0) RETURNING id"
    )
    with store.begin() as connection:
        first = connection.execute(insert, {"digest": b"1"}).scalar_one()
        connection.execute(text("DELETE FROM contacts"))
        assert connection.execute(insert, {"digest": b"2"}).scalar_one() > first
