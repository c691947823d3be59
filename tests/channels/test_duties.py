"""Each channel's eight duties, their proofs and its contract; the tables of the READMEs are made here."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import channels
from channels import _by_hand_testing, _in_time_testing, testing
from channels.base import Channel, Completion, Finds, Hears, Reads, Renews
from content.message import Feature
from locales.document import load
from orchestrator.cli import reference

ROOT = Path(__file__).parents[2]
SPECS = ROOT.parent / "shared/specs"
TESTS = ROOT / "tests/channels"
DUTIES = {
    "carries": "1 carried or refused",
    "limits": "2 limits",
    "steps": "3 killed at each step",
    "repeats": "4 never twice",
    "tokens": "5 tokens",
    "engagement": "6 engagement",
    "webhooks": "7 webhooks",
    "errors": "8 errors",
}
SUITES = {
    "ChannelConformance": testing.ChannelConformance,
    "HttpConformance": testing.HttpConformance,
    "ByHandConformance": _by_hand_testing.ByHandConformance,
}
#: What a platform that publishes in several steps may do to us meanwhile, and the suite's test of it.
IN_TIME = {
    "slow": ("SlowWork", "it works on media for a while"),
    "review": ("Review", "it reviews a post for a day"),
    "expiry": ("Expiry", "what was begun expires"),
    "token": ("TokenEnd", "the token ends between two steps"),
}
SUITES |= {name: getattr(_in_time_testing, name) for name, _ in IN_TIME.values()}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
WRITTEN: Any = load(TESTS / "duties.yaml").value


@cache
def named(file: str) -> dict[str, str]:
    """Every test of a file by its name, and where pytest finds it; what a suite gives is among them."""
    found: dict[str, str] = {}
    for node in ast.parse((TESTS / file).read_text("utf-8")).body:
        if isinstance(node, FUNCTIONS):
            found.setdefault(node.name, f"{file}::{node.name}")
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            own = [each.name for each in node.body if isinstance(each, FUNCTIONS)]
            bases = [
                SUITES[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in SUITES
            ]
            own += [name for base in bases for name in dir(base) if name.startswith("test_")]
            for name in own:
                found.setdefault(name, f"{file}::{node.name}::{name}")
    return found


def derived(adapter: type[Channel], tests: dict[str, str]) -> dict[str, list[str]]:
    """What the class says it can, and the suite's own test of that."""
    suite = {
        "limits": "test_the_contract_is_stated",
        "steps": "test_whenever_we_are_killed_there_is_never_a_second_post",
    }
    if adapter.idempotent_for:
        suite["repeats"] = "test_a_repeated_key_is_dropped_exactly_where_that_is_promised"
    elif issubclass(adapter, Finds):
        suite["repeats"] = "test_find_tells_only_what_is_known"
    if reads(adapter):
        suite["engagement"] = "test_engagement_reports_what_is_declared_and_missing_is_not_zero"
    if issubclass(adapter, Hears):
        suite["webhooks"] = "test_a_webhook_without_a_signature_is_unauthorized"
    if "test_each_status_is_exactly_one_fact" in tests:
        suite["errors"] = "test_each_status_is_exactly_one_fact"
    return {duty: [name] for duty, name in suite.items()}


def reads(adapter: type[Channel]) -> bool:
    return issubclass(adapter, Reads) and bool(adapter.metrics)


def can(adapter: type[Channel]) -> dict[str, bool]:
    """Duties that the class says it fulfils: a reason why not would be a lie."""
    return {
        "repeats": bool(adapter.idempotent_for) or issubclass(adapter, Finds),
        "engagement": reads(adapter),
        "webhooks": issubclass(adapter, Hears),
        "tokens": issubclass(adapter, Renews),
    }


def written(name: str, duty: str) -> tuple[list[str], list[str]]:
    """The tests that the file names for a duty, and the reasons."""
    told = WRITTEN["channels"].get(name, {}).get(duty, [])
    each = [told] if isinstance(told, str) else list(told)
    tests = [one for one in each if one.rpartition("::")[2].startswith("test_")]
    return tests, [one for one in each if one not in tests]


def place(name: str, test: str) -> str | None:
    """Where a test is: of the channel's own file, or of the one before its `::`."""
    file, _, short = test.rpartition("::")
    file = file or f"test_{name}.py"
    return named(file).get(short) if (TESTS / file).exists() else None


def problems(name: str) -> Iterator[str]:
    """What the table lacks for one channel, each as a sentence that says what to write where."""
    where = f"tests/channels/duties.yaml: {name}"
    if name not in WRITTEN["channels"]:
        yield f"{where}: missing; write its eight duties, each a test of test_{name}.py or a reason"
        return
    if not (TESTS / f"test_{name}.py").exists():
        yield f"tests/channels/test_{name}.py: missing"
        return
    if unknown := set(WRITTEN["channels"][name]) - set(DUTIES):
        yield f"{where}: {', '.join(sorted(unknown))}: no duty; may be {', '.join(DUTIES)}"
    adapter = channels.load(name)
    able, suite = can(adapter), derived(adapter, named(f"test_{name}.py"))
    for duty in DUTIES:
        tests, reasons = written(name, duty)
        for test in (*tests, *suite.get(duty, [])):
            if place(name, test) is None:
                yield f"{where}.{duty}: {test}: no such test; write one that is there"
        for reason in reasons:
            if reason not in WRITTEN["reasons"]:
                yield f"{where}.{duty}: {reason}: no reason of that name"
            if able.get(duty):
                yield f"{where}.{duty}: {reason}: but the class can; write the test that proves it"
        if not (tests or reasons) and (duty not in suite or needs_more(adapter, duty)):
            yield f"{where}.{duty}: blank; write the test that proves it, or why it cannot be"


def needs_more(adapter: type[Channel], duty: str) -> bool:
    """What keeps a checkpoint or is followed proves its own steps, besides the suite's kills."""
    source = Path(inspect.getfile(adapter)).read_text("utf-8")
    return duty == "steps" and (adapter.completion is Completion.LATER or "checkpoint(" in source)


def cell(name: str, duty: str) -> str:
    """The tests, and where there are none or they are not all the reason with its source."""
    tests, reasons = written(name, duty)
    suite = derived(channels.load(name), named(f"test_{name}.py")).get(duty, [])
    shown = [f"`{place(name, test)}`" for test in (*tests, *suite)]
    told = [WRITTEN["reasons"][each] for each in reasons]
    return "; ".join([*dict.fromkeys(shown), *(f"{each['why']} ({each['source']})" for each in told)])


def through_time(name: str, case: str) -> tuple[list[str], list[str]]:
    """The tests of one case, the suite's and those that are named; and the reasons why there is none."""
    tests = named(f"test_{name}.py")
    suite = SUITES[IN_TIME[case][0]]
    found = [test for test in vars(suite) if test.startswith("test_") and test in tests]
    told = WRITTEN["in-time"].get(name, {}).get(case, [])
    each = [told] if isinstance(told, str) else list(told)
    found += [one for one in each if one.startswith("test_")]
    return found, [one for one in each if not one.startswith("test_")]


def in_steps() -> tuple[str, ...]:
    """The channels that keep something between two steps, or are followed."""
    told = WRITTEN["in-time"]
    return tuple(name for name in ours() if name in told or needs_more(channels.load(name), "steps"))


def table_of_time() -> str:
    rows = [
        f"| channel | {' | '.join(why for _, why in IN_TIME.values())} |",
        f"|---|{'---|' * len(IN_TIME)}",
    ]
    for name in in_steps():
        cells = []
        for case in IN_TIME:
            tests, reasons = through_time(name, case)
            told = [
                f"{WRITTEN['reasons'][one]['why']} ({WRITTEN['reasons'][one]['source']})" for one in reasons
            ]
            cells.append("; ".join([*(f"`{place(name, test)}`" for test in tests), *told]))
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def table_of_duties() -> str:
    rows = [f"| channel | {' | '.join(DUTIES.values())} |", f"|---|{'---|' * len(DUTIES)}"]
    rows += [f"| `{name}` | {' | '.join(cell(name, duty) for duty in DUTIES)} |" for name in ours()]
    return "\n".join(rows)


@cache
def contracts(name: str) -> dict[str, str]:
    """What a channel's test holds its requests against, read out of the test; and where that was read."""
    text = (TESTS / f"test_{name}.py").read_text("utf-8")
    tree = ast.parse(text)
    loaded = {
        f"specs/{path}": WRITTEN["contracts"].get(f"specs/{path}", "") for path in sorted(vendors(tree))
    }
    return loaded | {
        f"test_{name}.py::{constant}": comment(text, line) for constant, line in by_hand(tree).items()
    }


def vendors(tree: ast.Module) -> set[str]:
    """The vendor's own files that a test loads: by a path, by the `openapi` fixture or by `graph`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(path)) if path.startswith("shared/specs/"):
                found.add(path.removeprefix("shared/specs/"))
            case ast.Call(func=ast.Name(id="openapi"), args=[ast.Constant(value=str(path)), *_]):
                found.add(path)
            case ast.Call(func=ast.Name(id="graph")):
                found.add("meta-graph")
    return found


def by_hand(tree: ast.Module) -> dict[str, int]:
    """The constants of a test that it validates with as a JSON Schema, and the lines where they begin."""
    begins = {
        target.id: node.lineno
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    used: list[ast.expr] = []
    for node in ast.walk(tree):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and re.fullmatch(r"(jsonschema\.)?Draft\w+Validator", called):
            used.append(node.args[0])
        elif isinstance(node, ast.Call) and called == "jsonschema.validate":
            used.append(node.args[1])
    names = [each.value if isinstance(each, ast.Subscript) else each for each in used]
    validated = {each.id for each in names if isinstance(each, ast.Name)}
    return {constant: line for constant, line in begins.items() if constant in validated}


def comment(text: str, line: int) -> str:
    """The page that a schema came from, of the `#:` lines right above it; without a day it is unverified."""
    above: list[str] = []
    for each in reversed(text.splitlines()[: line - 1]):
        if not each.startswith("#:"):
            break
        above.insert(0, each.removeprefix("#:").strip())
    page = " ".join(above).removesuffix(".")
    dated = not page or re.search(r"read 20|unverified", page)
    return page if dated else f"{page} (unverified: the day is not written)"


def unheld(name: str) -> Iterator[str]:
    """What is wrong with what a channel is held to, each as a sentence that says what to write where."""
    found, reason = contracts(name), WRITTEN["no-contract"].get(name)
    where = f"tests/channels/duties.yaml: no-contract: {name}"
    if found and reason:
        yield f"{where}: but test_{name}.py validates against {', '.join(found)}; leave the line out"
    if not found and reason is None:
        yield f"{where}: missing; validate its requests in test_{name}.py, or write the reason why not"
    if not found and reason is not None and reason not in WRITTEN["reasons"]:
        yield f"{where}: {reason}: no reason of that name"
    for contract, source in found.items():
        if contract.startswith("specs/") and not source:
            yield f"tests/channels/duties.yaml: contracts: {contract}: missing; write where it was read"
        elif not source:
            yield f"tests/channels/{contract}: no `#:` above it; write the page and the day it was read"


def table_of_contracts() -> str:
    rows = ["| channel | validated against | where it was read |", "|---|---|---|"]
    for name in ours():
        found = contracts(name)
        kinds = [f"`{each}`" + ("" if each.startswith("specs/") else ", by hand") for each in found]
        sources = list(found.values())
        if not found:
            reason = WRITTEN["reasons"][WRITTEN["no-contract"][name]]
            kinds, sources = [f"nothing: {reason['why']}"], [reason["source"]]
        told = "; ".join(dict.fromkeys(sources)).replace("|", r"\|")
        rows.append(f"| `{name}` | {'; '.join(kinds)} | {told} |")
    return "\n".join(rows)


def table_of_carries() -> str:
    """What `silkpost channels --json` says, a column for each thing that a message may ask for."""
    rows = [f"| channel | text | {' | '.join(Feature)} |", f"|---|---:|{':---:|' * len(Feature)}"]
    for name in ours():
        told = reference._channel(name, channels.load(name))
        length = f"{told['text']:,} {told['counting']}" if told["text"] else "no limit"
        marks = ("✓" if feature in told["carries"] else "" for feature in Feature)
        rows.append(f"| `{name}` | {length} | {' | '.join(marks)} |")
    return "\n".join(rows)


def ours() -> tuple[str, ...]:
    """The channels of this tree; a plugin that happens to be installed has a README of its own."""
    return tuple(name for name in channels.names() if (ROOT / f"channels/{name}.py").exists())


@pytest.mark.parametrize("name", in_steps())
@pytest.mark.parametrize("case", IN_TIME)
def test_each_case_in_time_is_proven_or_has_its_reason(name: str, case: str) -> None:
    tests, reasons = through_time(name, case)
    where = f"tests/channels/duties.yaml: in-time: {name}.{case}"
    assert tests or reasons, f"{where}: blank; take {IN_TIME[case][0]} in test_{name}.py, or write why not"
    assert all(place(name, test) for test in tests), f"{where}: no such test"
    assert set(reasons) <= set(WRITTEN["reasons"]), f"{where}: no reason of that name"


@pytest.mark.parametrize("name", ours())
def test_each_duty_names_what_proves_it_or_why_it_cannot_be(name: str) -> None:
    assert not list(problems(name)), "\n".join(problems(name))


@pytest.mark.parametrize("name", ours())
def test_each_request_is_held_to_a_contract_or_has_its_reason(name: str) -> None:
    assert not list(unheld(name)), "\n".join(unheld(name))


def test_a_contract_that_is_loaded_and_denied_or_unread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WRITTEN["no-contract"], "x", "by-hand")
    assert list(unheld("x")) == [
        "tests/channels/duties.yaml: no-contract: x: but test_x.py validates against specs/x/openapi.json; "
        "leave the line out"
    ]
    monkeypatch.delitem(WRITTEN["no-contract"], "console")
    assert list(unheld("console")) == [
        "tests/channels/duties.yaml: no-contract: console: missing; "
        "validate its requests in test_console.py, or write the reason why not"
    ]
    assert by_hand(ast.parse("PAGE = {}\nDraft202012Validator(PAGE)")) == {"PAGE": 1}
    assert comment("# another\n#: A page,\n#: read 2026-11-22.\nPAGE = {}", 4) == "A page, read 2026-11-22"
    assert comment("#: A page.\nPAGE = {}", 2) == "A page (unverified: the day is not written)"
    assert comment("# another\nPAGE = {}", 2) == ""


def test_every_vendors_contract_is_used_and_was_read_where_it_says() -> None:
    used = {each for name in ours() for each in contracts(name) if each.startswith("specs/")}
    assert set(WRITTEN["contracts"]) == used, "tests/channels/duties.yaml: contracts: as the tests load them"
    assert set(WRITTEN["no-contract"]) <= set(ours()), "a channel that is not there"
    if not (SPECS / "MANIFEST.json").exists():
        pytest.skip("the vendors' contracts are not beside the repository")
    manifest = json.loads((SPECS / "MANIFEST.json").read_text("utf-8"))
    for path, told in WRITTEN["contracts"].items():
        under = [one for one in manifest if f"specs/{one['file']}/".startswith(f"{path}/")]
        read = {f"{one['repo']} {one['commit'][:7]}, {one['commit_date'][:10]}" for one in under}
        assert read == {told.removeprefix("github.com/")}, f"tests/channels/duties.yaml: contracts: {path}"


def test_every_reason_has_its_source_and_is_somebodys() -> None:
    used = {each for name in WRITTEN["channels"] for duty in DUTIES for each in written(name, duty)[1]}
    used |= {each for name in in_steps() for case in IN_TIME for each in through_time(name, case)[1]}
    used |= set(WRITTEN["no-contract"].values())
    for name, reason in WRITTEN["reasons"].items():
        assert set(reason) == {"why", "source"}
        known = ("read 20", "unverified", "channels/")
        assert any(word in reason["source"] for word in known), f"{name}: read when?"
        assert name in used, f"{name}: a reason of nobody's"
    assert not set(WRITTEN["channels"]) - set(ours()), "a channel that is not there"


@pytest.mark.parametrize(
    ("file", "name", "table"),
    [
        ("channels/README.md", "duties", table_of_duties),
        ("channels/README.md", "in-time", table_of_time),
        ("channels/README.md", "contracts", table_of_contracts),
        ("README.md", "channels", table_of_carries),
    ],
)
def test_a_readme_shows_the_table_as_it_is(
    file: str, name: str, table: Any, request: pytest.FixtureRequest
) -> None:
    begins, ends = f"<!-- {name}: made by tests/channels/test_duties.py -->", f"<!-- {name}: end -->"
    readme = ROOT / file
    before, _, rest = readme.read_text("utf-8").partition(f"{begins}\n")
    shown, _, after = rest.partition(f"\n{ends}")
    assert after, f"{file}: the marks {begins} and {ends} are not there"
    made = table()
    if request.config.getoption("--update-golden") and shown != made:
        readme.write_text(f"{before}{begins}\n{made}\n{ends}{after}", "utf-8")
        shown = made
    assert shown == made, (
        f"{file}: pytest tests/channels/test_duties.py --update-golden writes the table anew"
    )


def test_a_channel_without_its_duties_is_told_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = dict(WRITTEN["channels"]["x"])
    others = {"limits": "test_nowhere", "tokens": "key-lasts", "webhooks": [], "colour": "red"}
    monkeypatch.setitem(WRITTEN["channels"], "x", {**entry, **others, "carries": []})
    found = "\n".join(problems("x"))
    assert "x: colour: no duty; may be carries, limits" in found
    assert "x.limits: test_nowhere: no such test" in found
    assert "x.tokens: key-lasts: but the class can" in found
    assert "x.carries: blank" in found
    monkeypatch.delitem(WRITTEN["channels"], "x")
    assert list(problems("x")) == [
        "tests/channels/duties.yaml: x: missing; write its eight duties, each a test of test_x.py or a reason"
    ]
