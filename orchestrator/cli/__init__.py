"""`silkpost`: one table of commands; a command's module is imported when it is called, and not before."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

#: command -> (module of orchestrator.cli that holds it, what it does)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("workspace", "start a workspace in a folder"),
    "check": ("workspace", "say everything that is wrong, at once"),
    "schema": ("workspace", "write the JSON Schemas that editors complete and check by"),
    "plan": ("campaign", "show what would go out, as a diff against the store"),
    "apply": ("campaign", "store the plan; nothing leaves before it is approved"),
    "approve": ("campaign", "release what a plan holds"),
    "preview": ("campaign", "show one message as a reader would see it"),
    "run": ("daemon", "the daemon: dispatch, follow, collect, score"),
    "dispatch": ("daemon", "send what is due, once"),
    "collect": ("measure", "read engagement, or import it from a file"),
    "score": ("measure", "compare placements, channels, markets, waves and variants"),
    "report": ("measure", "the engagement summary, in the terminal or as HTML, JSON, CSV"),
    "status": ("operate", "what waits, and for what; what needs a person"),
    "pause": ("operate", "stop a campaign, a market or an account at once"),
    "resume": ("operate", "let it go on"),
    "withdraw": ("operate", "take a published post back where the platform can"),
    "resolve": ("operate", "settle a delivery whose outcome is unknown"),
    "simulate": ("daemon", "run the coming weeks in seconds, into the outbox"),
    "demo": ("daemon", "the sample shop, from check to report"),
    "contacts": ("contacts", "import, export, forget or suppress contacts"),
    "codes": ("codes", "pools of discount codes, one for each reader"),
    "channels": ("reference", "what each channel can carry; check: ask the platforms who we are"),
    "markets": ("reference", "what makes a market, each fact with its source"),
    "calendar": ("reference", "the named days of a market and year"),
    "translate": ("translate", "the shop's own words: what is missing, to translators and back"),
    "suggest": ("reference", "coming days worth a campaign, each with a file to begin from"),
    "rates": ("reference", "the exchange rates a plan would use, and their date"),
    "prices": ("prices", "what products cost before, and what the law makes of it; import a record"),
    "db": ("store", "upgrade, backup, restore or check the store"),
    "doctor": ("store", "look for what will hurt later"),
}
USAGE = "silkpost [--lang en|zh] [-C DIR] COMMAND [ARGS]...\n"
#: What every command takes, wherever it stands on the line.
EVERYWHERE = {"--lang": "language", "-C": "folder", "--workspace": "folder"}


def overview(translate: Callable[[str], str]) -> str:
    """The top-level help: built from the table alone, so that it costs no import."""
    width = max(map(len, COMMANDS)) + 2
    rows = [f"  {name:<{width}}{translate(text)}\n" for name, (_, text) in COMMANDS.items()]
    lead = translate("Carries a shop's campaigns across borders.")
    more = translate(
        "silkpost COMMAND --help says more. Exit codes: 0 done, 1 problems, 2 usage, 3 needs a person."
    )
    return f"{translate('Usage: ')}{USAGE}\n  {lead}\n\n{''.join(rows)}\n{more}\n"


def taken(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options that every command takes, and the words that are left."""
    found: dict[str, str] = {}
    left: list[str] = []
    words = iter(arguments)
    for word in words:
        name, given, value = word.partition("=")
        if name not in EVERYWHERE:
            left.append(word)
            if word == "--":
                left += words
            continue
        found[EVERYWHERE[name]] = value if given else next(words, "")
    return found, left


def main(arguments: list[str] | None = None) -> None:
    """The entry point; without `arguments` the process is ours, from the first object to the last."""
    if arguments is not None:
        _answer(arguments)
    gc.set_threshold(50_000)  # what start-up makes stays: to walk over it finds nothing, and is a tenth of it
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # else it reads every installed package's metadata
    try:
        _answer(sys.argv[1:])
    finally:
        gc.freeze()  # nobody need walk over what dies with the process


def _answer(arguments: list[str]) -> NoReturn:
    """Find the command's module, import it, run it; leave with its exit code."""
    from orchestrator.cli.words import LANGUAGES, say, use

    for stream in (sys.stdout, sys.stderr):  # a terminal without our characters shows their codes
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options, words = taken(arguments)
    language = options.get("language")
    use(language)
    if language is not None and language not in LANGUAGES:
        sys.stderr.write(say('--lang: "%(name)s" is not spoken here; write en or zh', name=language) + "\n")
        sys.exit(2)
    if options.get("folder") == "":
        sys.stderr.write(say("-C: names no folder; write one after it") + "\n")
        sys.exit(2)
    if not words or words[0] in ("--help", "-h", "help"):
        sys.stdout.write(overview(say))
        sys.exit(0)
    if words[0] == "--version":
        sys.stdout.write(f"silkpost {_version()}\n")
        sys.exit(0)
    from orchestrator.cli.shell import run

    sys.exit(run(words, language=language, folder=options.get("folder")))


def _version() -> str:
    """Of what is installed, else of the checkout that runs as it is."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("silkpost")
    except PackageNotFoundError:
        import tomllib
        from pathlib import Path

        project = Path(__file__).parents[2] / "pyproject.toml"
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"])
