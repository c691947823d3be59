"""Statements of the path that every message walks: written for both databases once, compiled never.

What SQLAlchemy does around a statement is most of what a small transaction costs; its connections and
transactions stay in use.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection

from orchestrator.store.engine import said_plainly

_LIST = re.compile(r"IN \[(\w+)\]")
_NAME = re.compile(r"(?<![:\w]):(\w+)")


Rows: TypeAlias = Sequence[Sequence[Any]]


class Bulk:
    """Plain SQL that reads many rows of values at once, as the table `j`, and `?` for what all of them share.

    `columns` are the columns of `j` with PostgreSQL's types. One statement for a group is half the work of
    one for each row.
    """

    def __init__(self, sql: str, columns: Mapping[str, str]) -> None:
        names = ", ".join(columns)
        each = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(len(columns)))
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        self._sqlite = f"WITH j ({names}) AS (SELECT {each} FROM json_each(?)) {sql}"  # noqa: S608  our own names
        read = f"SELECT * FROM unnest({arrays})"  # noqa: S608
        self._postgresql = f"WITH j ({names}) AS ({read}) {sql.replace('?', '%s')}"

    def __call__(self, connection: Connection, rows: Sequence[Sequence[Any]], *shared: Any) -> Rows:
        """Run it; gives what it returns."""
        if connection.dialect.name == "sqlite":
            return _run(connection, self._sqlite, (json.dumps(rows), *shared))
        return _run(connection, self._postgresql, (*map(list, zip(*rows, strict=True)), *shared))


class Statement:
    """Plain SQL with `:name` for a value and `IN [name]` for a list of numbers or texts."""

    def __init__(self, sql: str) -> None:
        self._lists = _LIST.findall(sql)
        self._sqlite = _LIST.sub(r"IN (SELECT value FROM json_each(:\1))", sql)
        self._postgresql = _NAME.sub(r"%(\1)s", _LIST.sub(r"= ANY(:\1)", sql))

    def __call__(
        self, connection: Connection, bound: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> Rows:
        """Run it once, or once for each row of values; gives what it returns."""
        if connection.dialect.name != "sqlite":
            return _run(connection, self._postgresql, bound)
        if self._lists and isinstance(bound, Mapping):
            bound = {**bound, **{name: json.dumps(bound[name]) for name in self._lists}}
        return _run(connection, self._sqlite, bound)


def _run(connection: Connection, sql: str, bound: Any) -> Rows:
    """To SQLite without a detour where a transaction is open; its errors are said as the engine says them."""
    raw = connection.connection.dbapi_connection if connection.in_transaction() else None
    if not isinstance(raw, sqlite3.Connection):
        done = connection.exec_driver_sql(sql, bound)
        return done.all() if done.returns_rows else []
    try:
        if isinstance(bound, list):
            raw.executemany(sql, bound)
            return []
        return raw.execute(sql, bound).fetchall()
    except sqlite3.Error as error:
        said_plainly(error, connection.engine.url)
        raise
