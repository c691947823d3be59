"""The engagement summary: its figures, and what shows them in a terminal, as a page, as JSON or as CSV."""

from __future__ import annotations

from typing import Any

from orchestrator.report.books import Books, books
from orchestrator.report.summary import Report, best_hours, report

__all__ = [
    "Books",
    "Report",
    "best_hours",
    "books",
    "report",
    "schema",
    "to_csv",
    "to_html",
    "to_json",
    "to_terminal",
]


def to_json(made: Report) -> str:
    """Stable: fields are added, never renamed; `schema()` documents them."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(made), indent=2).decode()


def schema() -> dict[str, Any]:
    """The JSON Schema of `to_json`."""
    import msgspec

    return msgspec.json.schema(Report)


def to_csv(made: Report) -> str:
    from orchestrator.report.sheet import to_csv

    return to_csv(made)


def to_html(made: Report, language: str = "en") -> str:
    """One page that holds all it needs: nothing is fetched when it is opened."""
    from orchestrator.report.page import to_html

    return to_html(made, language)


def to_terminal(made: Report, language: str = "en") -> Any:
    """A Rich renderable."""
    from orchestrator.report.terminal import to_terminal

    return to_terminal(made, language)
