"""The tables' history: every revision in order, and the way from any of them to the newest."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from orchestrator.store.errors import SchemaMismatch, StoreMissing

if TYPE_CHECKING:
    from alembic.config import Config

#: Every revision, oldest first. A test holds it against the files of `versions/`.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]
FOLDER = Path(__file__).parent


def settings(connection: Connection) -> Config:
    """What alembic needs to work on this connection, without a file beside the code."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def current(connection: Connection) -> str | None:
    """The revision a database stands at; None where it holds no store."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check(connection: Connection, where: str) -> None:
    """Raise unless the database stands at this code's newest revision."""
    found = current(connection)
    if found == HEAD:
        return
    if found is None:
        raise StoreMissing(f"{where}: there is no store in it yet; `silkpost db upgrade` makes one")
    if found in REVISIONS:
        raise SchemaMismatch(
            f"{where}: its tables are at {found}, this silkpost works with {HEAD}; "
            "back it up, then run `silkpost db upgrade`"
        )
    raise SchemaMismatch(
        f"{where}: its tables are at {found}, which is newer than this silkpost ({HEAD}); "
        "install the silkpost that wrote it"
    )


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring a database to the newest revision, making it where there is none; returns from and to.

    Everything happens in one transaction: it is done wholly or not at all.
    """
    from alembic import command

    if engine.dialect.name == "sqlite":
        _private_file(Path(engine.url.database or ""))
    with engine.begin() as connection:
        before = current(connection)
        if before is not None and before not in REVISIONS:
            check(connection, engine.url.render_as_string(hide_password=True))
        if before != HEAD:
            command.upgrade(settings(connection), "head")
        _name(connection)
    return before, HEAD


def _private_file(path: Path) -> None:
    """An empty file that only its owner may read, where there is none: SQLite would let everybody read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _name(connection: Connection) -> None:
    """Give a new store its id, which is in every key a platform sees, and its first epoch."""
    connection.execute(
        text("INSERT INTO settings (name, value) VALUES ('id', :id), ('epoch', '0') ON CONFLICT DO NOTHING"),
        {"id": secrets.token_hex(16)},
    )
