"""A disk that fills up: what stood there stands, nothing half is left, and the sentence names the file."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from locales.document import SpecError
from orchestrator.files import write_whole
from orchestrator.scaffold import scaffold
from orchestrator.store import Keys, StoreError


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file of this process grows past so many bytes: the system refuses as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_whole(file, "yesterday's")
    file.chmod(0o640)
    with no_room(100), pytest.raises(OSError, match="File too large") as refused:
        write_whole(file, "x" * 101)
    assert refused.value.filename == str(file)
    assert (file.read_text(), files(tmp_path)) == ("yesterday's", ["report.html"])
    write_whole(file, b"today's")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("today's", 0o640)


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, "a page")
        assert os.read(reader, 100) == b"a page"
        assert pipe.is_fifo()
    finally:
        os.close(reader)


@pytest.mark.parametrize("there", [False, True])
def test_a_workspace_that_does_not_fit_leaves_the_folder_as_it_was(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "shop"
    if there:
        folder.mkdir()
    with no_room(300), pytest.raises(SpecError, match="cannot be written: File too large"):
        scaffold(folder, "Lantern House")
    assert files(tmp_path) == (["shop"] if there else [])
    assert scaffold(folder, "Lantern House")


def test_keys_that_do_not_fit_leave_nothing_that_could_be_taken_for_keys(tmp_path: Path) -> None:
    where = f"file:{tmp_path}/keys"
    with no_room(10), pytest.raises(StoreError, match="keys: the keys cannot be made: File too large"):
        Keys.load(where, create=True)
    assert files(tmp_path) == []
    with pytest.raises(StoreError, match="there are no keys; restore the file"):
        Keys.load(where)
