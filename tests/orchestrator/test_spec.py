"""Campaign files: each thing that can be wrong, in one sentence with its place; nothing else is raised."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locales.document import SpecError, read, validate
from locales.money import Money
from orchestrator import check
from orchestrator.moment import Moment
from orchestrator.spec import CampaignSpec
from orchestrator.workspace import Workspace, load_all

REFUSALS = Path(__file__).parent.parent / "refusals"
WRONG = sorted((REFUSALS / "campaigns").glob("*.yaml"))

HOLIDAY = """\
# yaml-language-server: $schema=../.silkpost/schema/campaign.json
campaign: double-eleven-2026
kind: holiday
day: singles-day                 # by name; the date comes from each market's calendar
year: 2026
markets: [CN, JP, DE, US, SA]
products: [lantern-red, lantern-moon]
offer:
  discount: 25%
  starts: day 00:00              # wall clock in each market
  ends: day 23:59
  code: LIGHT11
  stock: 400
budget: 5000 EUR
goal: {orders: 400}
channels: [posts, email]
waves:
  teaser:    {at: day -7d best}
  launch:    {at: starts, late: 30m}
  reminder:  {at: day 19:30, channels: [email]}
  last_call: {at: ends -3h, late: 20m}
audience: {email: readers}
content:
  template: autumn
  variants: {warm: {tone: warm}, crisp: {tone: crisp}}
  holdout: 10%                   # direct channels only
approval: {by: 1}
"""
COLLAB = """\
campaign: moon-lantern-collab
kind: collab
markets: [JP, KR]
creators: [aoi, minseo]          # creators.yaml
deliverables: {video: 1, story: 2, due: 2026-09-18}
fee: {aoi: 120000 JPY, minseo: 900000 KRW}
offer: {discount: 10%, code: "{creator}10", starts: 2026-09-20 09:00, ends: 2026-09-27 23:59}
outreach: {channel: email, template: invite, follow_up: [3d, 7d], stop: on reply}
waves: {announce: {at: starts}, recap: {at: ends -1d best}}
channels: [posts]
"""
FLASH = """\
campaign: friday-flash
kind: flash
markets: [US, GB, BR]
products: [lantern-red]
offer:
  price: {US: 29.00 USD, GB: 24.00 GBP, BR: 149.00 BRL}
  starts: 2026-11-27 18:00
  ends: 2026-11-27 22:00
  stock: 60
waves: {go: {at: starts}, half: {at: starts +2h}, gone: {when: sold out}}
channels: [posts, telegram]
"""
GOOD = {"double-eleven": HOLIDAY, "moon-lantern-collab": COLLAB, "friday-flash": FLASH}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop") / "lantern-house"
    shutil.copytree(REFUSALS / "shop", root)
    (root / "products.yaml").write_text(
        "lantern-red: {name: Red lantern, prices: {base: 36.90 EUR}}\n"
        "lantern-moon: {name: Moon lantern, prices: {base: 54.00 EUR, JP: 5480 JPY}}\n"
    )
    return root


@pytest.fixture(scope="module")
def workspace(shop: Path) -> Workspace:
    return Workspace.load(shop)


def problems(text: str, workspace: Workspace, name: str = "campaigns/any.yaml") -> list[str]:
    """What is said of a campaign; only SpecError is caught."""
    try:
        document = read(Path(name), text)
        spec = validate(document, CampaignSpec)
    except SpecError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in check.problems(spec, document, workspace)]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda path: path.stem)
def test_each_wrong_campaign_is_told_in_these_words(wrong: Path, tmp_path: Path) -> None:
    """A file's leading comments are what is said of it: line:column: path: what is; what may be."""
    text = wrong.read_text("utf-8")
    expected = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    root = tmp_path / "shop"
    shutil.copytree(REFUSALS / "shop", root)
    (root / "campaigns").mkdir()
    (root / "campaigns" / "autumn.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as error:
        load_all(root)
    told = [str(problem).removeprefix("campaigns/autumn.yaml:") for problem in error.value.problems]
    assert told == expected


def test_there_are_enough_refusals() -> None:
    assert len(WRONG) >= 60


@pytest.mark.parametrize("name", GOOD)
def test_the_example_campaigns_are_good(name: str, workspace: Workspace) -> None:
    assert problems(GOOD[name], workspace, f"campaigns/{name}.yaml") == []


def test_what_is_written_is_typed() -> None:
    holiday = validate(read(Path("a"), HOLIDAY), CampaignSpec)
    assert holiday.offer.discount == Decimal(25)
    assert holiday.waves["launch"].late == timedelta(minutes=30)
    assert holiday.waves["teaser"].at == Moment("day", days=-7, best=True)
    assert holiday.budget == Money(Decimal("5000.00"), "EUR")
    assert holiday.content.holdout == Decimal(10)
    collab = validate(read(Path("a"), COLLAB), CampaignSpec)
    assert collab.deliverables is not None
    assert collab.deliverables.due == date(2026, 9, 18)
    assert collab.outreach is not None
    assert collab.outreach.follow_up == [timedelta(days=3), timedelta(days=7)]
    assert collab.offer.code == "{creator}10"


def test_every_problem_of_a_file_is_told_at_once(workspace: Workspace) -> None:
    text = HOLIDAY.replace("[CN, JP, DE, US, SA]", "[CN, UK, JP, JP]").replace("ends -3h", "ends +3h")
    text = text.replace("lantern-moon", "lantern-mon").replace("readers", "reader").replace("autumn", "autum")
    told = problems(text, workspace)
    assert [line.split(":")[1] for line in told] == sorted(
        (line.split(":")[1] for line in told), key=int
    ) or told
    for part in (
        "markets[1]",
        "markets[3]",
        "products[1]",
        "waves.last_call.at",
        "audience.email",
        "template",
    ):
        assert any(part in line for line in told), part


def test_an_unread_part_is_not_held_against_a_campaign(workspace: Workspace) -> None:
    """Where accounts.yaml could not be read, nothing is said of the channels a campaign names."""
    document = read(Path("any.yaml"), HOLIDAY.replace("[posts, email]", "[nowhere]"))
    spec = validate(document, CampaignSpec)
    assert check.problems(spec, document, workspace)
    told = check.problems(spec, document, workspace, unread={"accounts"})
    assert not [problem for problem in told if problem.path.startswith(("channels", "audience"))]


ODD = [
    "&a",
    "*a",
    "!!python/object",
    "---",
    "\t",
    "\x00",
    "\ufeff",
    "💡",
    "<<:",
    "null",
    "~",
    "'",
    '"',
    "-0",
    "1e999",
    "NaN",
    "0x10",
    "2026-02-30",
    "{locale.__class__}",
    "{0}",
    "{",
    "}",
    "../..",
    "%",
    "\u2028",
    "\u202e",
    "JP",
    "XX",
    "best",
    "env:X",
    "+9999d",
]
TOKENS = [
    *re.findall(r"\w+|\s+|[^\w\s]", HOLIDAY + COLLAB + FLASH),
    *ODD,
    "{" * 40,
    "[" * 40,
    "9" * 400,
    "? ",
    "| ",
    "> ",
]


def _mutated(text: str, draw: random.Random) -> bytes:
    """A random change or two of bytes, lines or tokens: few enough that many files are still YAML."""
    raw = text.encode()
    for _ in range(draw.randint(1, 2)):
        change = draw.choice([_bytes, _lines, _tokens, _tokens])
        raw = change(raw, draw)
    return raw


def _bytes(raw: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(raw) + 1)
    return raw[:at] + bytes([draw.randrange(256)]) + raw[at + draw.randint(0, 2) :]


def _lines(raw: bytes, draw: random.Random) -> bytes:
    lines = raw.split(b"\n")
    one, two = draw.randrange(len(lines)), draw.randrange(len(lines))
    what = draw.randrange(4)
    if what == 0:
        lines[one], lines[two] = lines[two], lines[one]
    elif what == 1:
        lines.insert(one, lines[two])
    elif what == 2:
        del lines[one]
    else:
        lines[one] = b" " * draw.randint(0, 6) + lines[one].lstrip()
    return b"\n".join(lines)


def _tokens(raw: bytes, draw: random.Random) -> bytes:
    found = re.findall(rb"\w+|\s+|[^\w\s]", raw) or [b""]
    at = draw.randrange(len(found))
    found[at : at + draw.randint(0, 2)] = [draw.choice(TOKENS).encode()]
    return b"".join(found)


def _mutations(count: int) -> Iterator[bytes]:
    draw = random.Random(20261111)
    texts = list(GOOD.values())
    for index in range(count):
        yield _mutated(texts[index % len(texts)], draw)


def test_ten_thousand_mutated_files_raise_nothing_but_problems(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "any.yaml"
    refused, checked, began = 0, 0, time.process_time()
    for raw in _mutations(10_000):
        path.write_bytes(raw)
        try:
            document = read(path, file="campaigns/any.yaml")
            spec = validate(document, CampaignSpec)
        except SpecError as error:
            found = list(error.problems)
        else:
            found = check.problems(spec, document, workspace)
            checked += 1
        refused += bool(found)
        assert all(problem.text and "\n" not in str(problem) for problem in found), raw
    assert time.process_time() - began < 20
    assert refused > 5_000
    assert checked > 1_000, "too few reach the checks against markets, calendar and accounts"


edits: list[Callable[[bytes, random.Random], bytes]] = [_bytes, _lines, _tokens]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.sampled_from(edits), max_size=12),
    st.randoms(use_true_random=False),
)
def test_any_chain_of_edits_is_read_or_refused(
    workspace: Workspace, name: str, chain: list[Callable[[bytes, random.Random], bytes]], draw: random.Random
) -> None:
    raw = GOOD[name].encode()
    for edit in chain:
        raw = edit(raw, draw)
    problems(raw.decode(errors="replace"), workspace)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_value_in_a_wrong_place_points_at_its_line(name: str, data: st.DataObject) -> None:
    """A key nobody knows, put anywhere at the top, is told with the line it stands on."""
    lines = GOOD[name].splitlines()
    tops = [index for index, line in enumerate(lines) if re.match(r"\w+:", line)]
    at = data.draw(st.sampled_from(tops))
    lines.insert(at, "zzzz: 1")
    with pytest.raises(SpecError) as error:
        validate(read(Path("a.yaml"), "\n".join(lines)), CampaignSpec)
    assert [(problem.line, problem.path) for problem in error.value.problems] == [(at + 1, "zzzz")]
