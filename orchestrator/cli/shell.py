"""What every command shares: where the workspace is, how problems are told, what the exit code means."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

import typer

from orchestrator.cli import COMMANDS, words
from orchestrator.cli.spoken import spoken
from orchestrator.cli.usage import App, Group, told
from orchestrator.cli.words import say, several

if TYPE_CHECKING:
    from rich.console import Console

    from locales.document import Problem

DONE, PROBLEMS, USAGE, NEEDS_PERSON = 0, 1, 2, 3


@dataclass(slots=True)
class Shell:
    """How this one run of the program was asked to behave."""

    folder: Path
    language: str


here = Shell(Path(), "en")


def new_app() -> typer.Typer:
    return App(
        cls=Group,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
    )


def run(arguments: list[str], *, language: str | None, folder: str | None) -> int:
    """Run one command; every error of the author or the machine is a sentence, never a traceback."""
    here.language = words.chosen(language)
    words.use(here.language)
    name = arguments[0]
    if name not in COMMANDS:
        from difflib import get_close_matches

        near = get_close_matches(name, COMMANDS, 1)
        hint = say('did you mean "%(near)s"?', near=near[0]) if near else say("silkpost --help lists them")
        complain(say('"%(name)s" is not a command; %(hint)s', name=name, hint=hint))
        return USAGE
    here.folder = Path(folder) if folder else Path()
    module = import_module(f"orchestrator.cli.{COMMANDS[name][0]}")
    app: typer.Typer = module.app
    with _told():
        # An app of several commands picks its own by name; one of a single command would not.
        command = typer.main.get_group(app)
        try:
            code = command.main(args=arguments, prog_name="silkpost", standalone_mode=False)
        finally:
            with _unread():
                sys.stdout.flush()
    return code or DONE


@contextmanager
def _unread() -> Iterator[None]:
    """A reader that has gone, as in `| head`, is no error: the work goes on, and its output nowhere."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _told() -> Iterator[None]:
    from locales.document import SpecError

    try:
        yield
    except SpecError as error:
        refuse(error.problems)
    except Sentence as error:
        complain(str(error))
        sys.exit(error.code)
    except typer.TyperException as error:
        complain(told(error))
        sys.exit(error.exit_code)
    except OSError as error:
        what = error.strerror or str(error)
        complain(f"{error.filename}: {what}" if error.filename else what)
        sys.exit(PROBLEMS)
    except Exception as error:
        # What the store says of itself is a sentence too; its module is only imported by who uses it.
        store = sys.modules.get("orchestrator.store")
        if store is not None and isinstance(error, store.StoreError):
            complain(spoken(str(error)))
            sys.exit(PROBLEMS)
        raise


class Sentence(Exception):
    """One clear sentence for the operator, and the exit code that goes with it."""

    def __init__(self, text: str, code: int = PROBLEMS) -> None:
        super().__init__(text)
        self.code = code


def complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def refuse(problems: Iterable[Problem], *, nothing: str = "") -> NoReturn:
    """Print every problem, then how many, and leave with 1."""
    rows = list(problems)
    for problem in rows:
        complain(str(replace(problem, text=spoken(problem.text))))
    count = several("%(count)s problem.", "%(count)s problems.", len(rows))
    unchanged = say("Nothing was changed.")
    complain(f"{count} {nothing or unchanged}")
    sys.exit(PROBLEMS)


class _Plain:
    """Standard output as a file or a pipe has it: the blanks that Rich fills up columns with are left out."""

    def write(self, text: str) -> int:
        with _unread():
            sys.stdout.write(_BLANKS.sub("\n", text))
        return len(text)

    def flush(self) -> None:
        with _unread():
            sys.stdout.flush()


_BLANKS = re.compile(r"[ ]+\n")


def console(*, stderr: bool = False) -> Console:
    """Rich, when something is shown; plain where the output is not a terminal."""
    from rich.console import Console

    # What is shown is text: no brackets of an author's are markup, no colons an emoji.
    plainly = partial(Console, highlight=False, markup=False, emoji=False)
    if stderr or sys.stdout.isatty():
        return plainly(stderr=stderr)
    # A file or a pipe has no width of its own: nothing is cut short in it for want of columns.
    width = None if "COLUMNS" in os.environ else 240
    return plainly(file=cast("IO[str]", _Plain()), width=width)


def tell(text: str) -> None:
    """One finished text on standard output."""
    _Plain().write(f"{text}\n")


def write_json(value: Any) -> None:
    """One JSON document on standard output, keys in order, text as it is where the output can take it."""
    spoken = (sys.stdout.encoding or "").lower()
    tell(json.dumps(value, ensure_ascii=not spoken.startswith("utf"), indent=2, default=str))


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Any]:
    """A callable taking how many are done: a Rich bar on a terminal, a plain line now and then elsewhere."""
    if sys.stderr.isatty():
        from rich.progress import Progress

        with Progress(console=console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        step = max(1, (total or 100_000) // 10)
        if done - told >= step:
            told = done
            complain(f"{title}: {done:,}" + (f" / {total:,}" if total else ""))

    yield tell
