"""What alembic runs: the revisions, on the connection that it is given."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import String
from sqlmodel.sql.sqltypes import AutoString

from orchestrator.store.tables import Instant, Table


def rendered(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    """A revision says what is in the database, not which of our types wrote it: those may change."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()" if item.length is None else repr(String(item.length))
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    render_item=rendered,
    transactional_ddl=True,
)
context.run_migrations()
