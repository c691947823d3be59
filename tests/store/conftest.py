"""Every test of the store runs on a SQLite file and on a PostgreSQL server of the test run's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from content.message import Message
from content.offer import Offer
from content.render import Edition
from orchestrator.plan import Placement
from orchestrator.prepare import Prepared
from orchestrator.store import Keys, Store, migrations
from orchestrator.store.plans import NewPlan
from orchestrator.store.tables import Table
from orchestrator.store.testing import NoPostgreSQL, database, postgresql

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
KEYS = Keys.new()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def keys() -> Keys:
    return KEYS


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server; tests that need it are skipped only where none can be started."""
    try:
        running = postgresql()
        url = running.__enter__()
    except NoPostgreSQL as error:
        pytest.skip(f"no PostgreSQL: {error}")
    yield url
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    Store.open(f"sqlite:///{path}", create=True).close()
    return path


@pytest.fixture(scope="session")
def empty_database(server: str) -> Iterator[str]:
    with database(server) as url:
        Store.open(url, create=True).close()
        yield url


@pytest.fixture
def sqlite_url(empty_file: Path, tmp_path: Path) -> str:
    path = tmp_path / ".silkpost" / "silkpost.db"
    path.parent.mkdir()
    shutil.copy(empty_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    made = request.getfixturevalue("empty_database")
    yield made
    _empty(made)


def _empty(url: str) -> None:
    """As it was made: a second database costs ten times as much as emptying the one."""
    names = ", ".join(f'"{name}"' for name in Table.metadata.tables if name != "settings")
    with psycopg.connect(url) as connection:
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        connection.execute("DELETE FROM settings WHERE name NOT IN ('id', 'epoch')")
        connection.execute("UPDATE settings SET value = '0' WHERE name = 'epoch'")
        connection.execute("UPDATE alembic_version SET version_num = %s", [migrations.HEAD])


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url, KEYS) as opened:
        yield opened


def _prepared(text: str = "Lanterns, 25 % off", **changes: object) -> Prepared:
    values: dict[str, object] = {
        "campaign": "double-eleven-2026",
        "campaign_kind": "holiday",
        "wave": "launch",
        "market": "DE",
        "locale": "de_DE",
        "account": "mastodon-eu",
        "channel": "mastodon",
        "kind": "broadcast",
        "item": "-",
        "variant": "-",
        "due_at": NOW + timedelta(days=1),
        "local": NOW + timedelta(days=1),
        "zone": "Europe/Berlin",
        "late": timedelta(hours=6),
        "starts_at": NOW,
        "ends_at": NOW + timedelta(days=9),
    }
    placement = Placement(**(values | changes))  # type: ignore[arg-type]
    offer = Offer(None, None, (), NOW, NOW + timedelta(days=9), None)
    return Prepared(placement, Edition(placement.key, Message(text)), offer, label="")


def _letter(text: str = "Dear {name}", **changes: object) -> Prepared:
    direct = {"kind": "direct", "channel": "email_smtp", "account": "letters", "audience": "friends"}
    return _prepared(text, **(direct | changes))


def _plan(*prepared: Prepared, **changes: object) -> NewPlan:
    values: dict[str, object] = {
        "campaign": "double-eleven-2026",
        "hash": "7f3a9c" + "0" * 6,
        "spec": "campaign: double-eleven-2026\n",
        "facts": {"rates": "ECB 2026-11-20"},
        "prepared": prepared,
        "by": "mei",
        "mediums": {"email_smtp": "email"},
    }
    return NewPlan(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def post() -> Callable[..., Prepared]:
    return _prepared


@pytest.fixture
def letter() -> Callable[..., Prepared]:
    return _letter


@pytest.fixture
def plan() -> Callable[..., NewPlan]:
    return _plan
