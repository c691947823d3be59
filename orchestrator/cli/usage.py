"""Help and usage errors in the terminal's language: typer's own words are fixed in English (0.29)."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from orchestrator.cli.words import say


class _Spoken:
    """What a command and a group of commands have in common; the base class comes after it."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = self.collect_usage_pieces(ctx)  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=say("Usage: "))

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = say("say this, and nothing else")
        return option

    def format_options(self, ctx: Any, formatter: Any) -> None:
        titles = {"argument": say("Arguments"), "option": say("Options")}
        for kind, title in titles.items():
            params = [each for each in self.get_params(ctx) if each.param_type_name == kind]  # type: ignore[attr-defined]
            if rows := [_row(record) for each in params if (record := each.get_help_record(ctx))]:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _row(record: tuple[str, str]) -> tuple[str, str]:
    """An option and its help, with typer's remark on it: `[default: 21; required]`."""
    names, text = record
    text = re.sub(r"\bdefault: (?=[^\[]*\]$)", say("default: "), text)
    return names, re.sub(r"\brequired\]$", say("required") + "]", text)


class Command(_Spoken, TyperCommand):
    """One command."""


class Group(_Spoken, TyperGroup):
    """Several commands under one name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        super().format_options(ctx, formatter)
        width = formatter.width - 6 - max(map(len, self.commands), default=0)
        with formatter.section(say("Commands")):
            named = self.commands.items()
            formatter.write_dl([(name, command.get_short_help_str(width)) for name, command in named])


class App(typer.Typer):
    """A typer app whose commands speak the terminal's language."""

    def command(self, *names: Any, **options: Any) -> Any:
        return super().command(*names, **{"cls": Command, **options})


def told(error: typer.TyperException) -> str:
    """What was typed and cannot be, as one sentence.

    typer has no public class for most of its refusals: they are told apart by what they carry, and one that
    is none of these speaks for itself.
    """
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    command = context.command_path if context else "silkpost"
    name = _name(param) if param is not None else getattr(error, "option_name", "")
    what, near = error.format_message(), ""
    if what.startswith(say("Usage: ")):  # a group of commands, alone on the line
        return what
    if hasattr(error, "param_type"):
        what = say("%(name)s is missing", name=name)
    elif hasattr(error, "possibilities"):
        what, near = say("there is no option %(name)s", name=name), min(error.possibilities or [""])
    elif "requires" in what and name:
        what = say("%(name)s has no value; write one after it", name=name)
    elif "does not take a value" in what:
        what = say("%(name)s takes no value; write it alone", name=name)
    elif param is not None:
        why = error.message.removeprefix("Input should be ").split(", ")[0]
        what = say("%(name)s does not fit: it should be %(why)s", name=name, why=why)
    elif found := re.search(r"unexpected extra argument\(s\) \((.*)\)", what):
        what = say("%(words)s is one word too many", words=found[1])
    elif found := re.search(r"No such command '(.*?)'(?:.*Did you mean '(.*?)')?", what):
        what, near = say("there is no command %(name)s", name=found[1]), found[2] or ""
    more = say("see %(command)s --help", command=command)
    hint = say('did you mean "%(near)s"?', near=near) if near else more
    return f"{command}: {what}; {hint}"


def _name(param: Any) -> str:
    """As it is written: `--months`; an argument as the usage line names it."""
    return max(param.opts, key=len) if param.param_type_name == "option" else str(param.name)
