"""Statements of the path that every message walks: written for both databases once, compiled never.

SQLAlchemy's own compilation is most of what a small transaction costs; its connections, transactions and
errors stay in use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult

_LIST = re.compile(r"IN \[(\w+)\]")
_NAME = re.compile(r"(?<![:\w]):(\w+)")


class Statement:
    """Plain SQL with `:name` for a value and `IN [name]` for a list of numbers or texts."""

    def __init__(self, sql: str) -> None:
        self._lists = _LIST.findall(sql)
        self._sqlite = _LIST.sub(r"IN (SELECT value FROM json_each(:\1))", sql)
        self._postgresql = _NAME.sub(r"%(\1)s", _LIST.sub(r"= ANY(:\1)", sql))

    def __call__(
        self, connection: Connection, bound: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run it once, or once for each row of values."""
        if connection.dialect.name != "sqlite":
            return connection.exec_driver_sql(self._postgresql, bound)
        if self._lists and isinstance(bound, Mapping):
            bound = {**bound, **{name: json.dumps(bound[name]) for name in self._lists}}
        return connection.exec_driver_sql(self._sqlite, bound)
