"""The strict reading of YAML: what is refused, where, in which words, and how soon."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, SecretStr

from locales import document
from locales.document import Problem, SpecError, dotted, load, read, validate

HERE = Path("a.yaml")


def even(value: Any) -> Any:
    if int(value) % 2:
        raise ValueError(f"{value} is odd; write an even number")
    return value


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = Field(1, ge=1, le=9)
    tint: Literal["red", "green"] = "red"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str | dict[str, str] = "-"
    size: int = 1
    weight: Decimal = Decimal(1)
    on: date | None = None
    open: bool = True
    tags: list[str] = []
    inner: Inner = Inner()
    many: dict[str, Inner] = {}
    pair: Annotated[int, BeforeValidator(even)] = 2
    needed: str = Field(description="anything at all")


def told(text: str, model: type[BaseModel] = Outer) -> list[str]:
    with pytest.raises(SpecError) as error:
        validate(read(HERE, text), model)
    return [str(problem).removeprefix("a.yaml:") for problem in error.value.problems]


def refused(text: str) -> str:
    with pytest.raises(SpecError) as error:
        load(HERE, text)
    assert len(error.value.problems) == 1
    return str(error.value).removeprefix("a.yaml:")


def test_every_scalar_is_a_string() -> None:
    """Norway stays a country, half past twelve a time, and 007 keeps its zeros."""
    value = load(HERE, "markets: [NO, yes]\nat: 12:30\nid: 007\nnothing: null\non: 2026-11-11\n").value
    assert value == {
        "markets": ["NO", "yes"],
        "at": "12:30",
        "id": "007",
        "nothing": "null",
        "on": "2026-11-11",
    }


def test_positions_of_keys_and_values() -> None:
    read_ = load(HERE, "a:\n  - x\n  - {b:   y}\n")
    assert read_.position(("a",), key=True) == (1, 1)
    assert read_.position(("a", 0)) == (2, 5)
    assert read_.position(("a", 1, "b")) == (3, 11)
    assert read_.position(("a", 1, "b"), key=True) == (3, 6)
    assert read_.position(("a", 7)) == (1, 1)  # nearest around
    assert dotted(("a", 1, "b")) == "a[1].b"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1\na: 2\n", "2:1: a: written twice, first at line 1; keep one"),
        ("a: &x [1]\nb: *x\n", '1:4: a: an anchor or alias, "x"; write it out each time'),
        ("a: !!int 1\n", '1:4: a: a tag, "tag:yaml.org,2002:int"; write the value without it'),
        ("a: !!python/x 1\n", '1:4: a: a tag, "tag:yaml.org,2002:python/x"; write the value without it'),
        ("a: 1\n---\nb: 2\n", "2:1: a second document begins; a file holds one"),
        ("a:\n\tb: 1\n", "2:1: a tab indents this line; indent with spaces"),
        ("a: 'x\n", "1:4: a quote opens here and does not close; close it"),
        ("a: {{ x }}\n", "1:5: a: a key is not plain text; put quotes around a text that begins with { or ["),
        ("a: x\x07y\n", "1:5: a control character, U+0007; YAML is plain text"),
        ("\ufeffa: 1\n", "1:1: begins with a byte order mark; save it as UTF-8 without one"),
        ("a:\nb: 1\n", "1:1: a: empty; write a value, or leave the key out"),
        ("%TAG ! tag:x,2026:\n---\na: !y 1\n", '3:4: a: a tag, "tag:x,2026:y"; write the value without it'),
    ],
)  # fmt: skip
def test_what_the_dialect_leaves_out(text: str, what: str) -> None:
    assert refused(text) == what


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"a: caf\xe9\n", "a.yaml:1:7: the byte 0xE9 is not UTF-8; save the file as UTF-8"),
        (
            "a: ü\nb: é\n".encode()[:-2] + b"\n",
            "a.yaml:2:4: the byte 0xC3 is not UTF-8; save the file as UTF-8",
        ),
        ("a: 1".encode("utf-16"), "a.yaml:1:1: is UTF-16; save it as UTF-8"),
    ],
)
def test_bytes_that_are_no_utf8(tmp_path: Path, raw: bytes, what: str) -> None:
    (tmp_path / "a.yaml").write_bytes(raw)
    with pytest.raises(SpecError) as error:
        load(tmp_path / "a.yaml", file="a.yaml")
    assert str(error.value) == what


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SpecError, match="cannot be read"):
            load(path)


def test_thirty_megabytes_are_refused_unread(tmp_path: Path) -> None:
    """A sparse file of 30 GB would fill the memory if it were read whole."""
    path = tmp_path / "big.yaml"
    with path.open("wb") as stream:
        stream.truncate(30 << 30)
    began = time.perf_counter()
    with pytest.raises(SpecError, match=r"big\.yaml: is larger than 1 MiB; write it as several files"):
        load(path, file="big.yaml")
    assert time.perf_counter() - began < 1


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "[" * 5_000,
        "{a: " * 5_000,
        "- " * 5_000,
        "? " * 9_000,
        "&a [*a]",
        "[,]" * 9,
    ],
)
def test_a_bomb_is_a_problem_at_once(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(SpecError) as error:
        load(HERE, text)
    assert len(error.value.problems) <= document.MOST_DEPTH + 1
    assert time.perf_counter() - began < 1


def test_more_values_than_anyone_writes() -> None:
    assert "more than 100,000 values" in refused("[" + "a," * 200_000 + "]")


def test_many_problems_are_cut_and_counted() -> None:
    text = "needed: x\n" + "".join(f"key{n}: x\n" for n in range(5_000))
    found = told(text)
    assert len(found) == document.MOST_PROBLEMS + 1
    assert found[-1].endswith("4900 more problems follow")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("size: ten", '2:7: size: "ten" is not a whole number; write digits alone'),
        ("size: 1.5", '2:7: size: "1.5" is not a whole number; write digits alone'),
        ("size: [1]", "2:7: size: is a list; write a whole number"),
        ("weight: heavy", '2:9: weight: "heavy" is not a number; write digits, such as 12.5'),
        ("weight: NaN", '2:9: weight: "NaN" is not a number; write digits, such as 12.5'),
        ("on: 2026-02-30", '2:5: on: "2026-02-30" is not a day of the calendar; write it as 2026-11-11'),
        ("open: perhaps", '2:7: open: "perhaps" is not yes or no; write yes or no'),
        ("tags: sale", '2:7: tags: is one text, "sale"; write a list: [sale]'),
        ("tags: {a: b}", "2:7: tags: is a mapping; write a list, such as [a, b]"),
        ("tags: [a, [b]]", "2:11: tags[1]: is a list; write one text"),
        ("inner: deep", '2:8: inner: is one text, "deep"; write a mapping, such as {name: value}'),
        ("inner: {depht: 2}", "2:9: inner.depht: unknown; did you mean depth?"),
        ("inner: {zzz: 2}", "2:9: inner.zzz: unknown; write depth or tint"),
        ("depth: 2", "2:1: depth: unknown here; write it under inner"),
        ("inner: {depth: 0}", '2:16: inner.depth: "0" is too small; write 1 or more'),
        ("inner: {depth: 10}", '2:16: inner.depth: "10" is too large; write 9 or less'),
        ("inner: {tint: gren}", '2:15: inner.tint: "gren" is unknown; did you mean green?'),
        ("inner: {tint: blue}", '2:15: inner.tint: "blue" is unknown; write green or red'),
        ("many: {x: {depth: deep}}", '2:19: many.x.depth: "deep" is not a whole number; write digits alone'),
        ("many: {x: {dept: 2}}", "2:12: many.x.dept: unknown; did you mean depth?"),
        ("pair: 3", "2:7: pair: 3 is odd; write an even number"),
        ("name: [a, b]", "2:7: name: is a list; write one text or a mapping, such as {name: value}"),
        ("name: {en: [a]}", "2:12: name.en: is a list; write one text"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_one_sentence(line: str, what: str) -> None:
    assert told(f"needed: x\n{line}\n") == [what]


def test_a_missing_key_says_what_to_write() -> None:
    assert told("size: 1\n") == ["1:1: needed: missing; write anything at all"]
    assert told("") == ["1:1: needed: missing; write anything at all"]


def test_a_misspelt_key_is_not_missing_too() -> None:
    assert told("neded: x\n") == ["1:1: neded: unknown; did you mean needed?"]


def test_all_problems_come_at_once_in_order() -> None:
    found = told("size: ten\nweight: 2\nweight: 3\ninner: {tint: blu}\nopen:\ntags: &t [a]\n")
    assert [problem.split(":")[0] for problem in found] == ["1", "1", "3", "4", "5", "6"]


def test_yes_and_no_are_read_as_such() -> None:
    model = validate(load(HERE, "needed: no\nopen: no\nsize: '3'\nname: {en: x}\n"), Outer)
    assert (model.needed, model.open, model.size, model.name) == ("no", False, 3, {"en": "x"})


def test_a_part_of_a_document_keeps_its_positions() -> None:
    found = load(HERE, "x:\n  y: {depth: 0}\n")
    with pytest.raises(SpecError) as error:
        validate(found, Inner, at=("x", "y"))
    assert str(error.value) == 'a.yaml:2:14: x.y.depth: "0" is too small; write 1 or more'


def test_a_root_model_knows_its_fields() -> None:
    class Many(RootModel[dict[str, Inner]]):
        pass

    assert told("x: {tnt: red}\n", Many) == ["1:5: x.tnt: unknown; did you mean tint?"]


def test_an_unknown_key_does_not_print_its_value() -> None:
    class Sealed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        token: SecretStr

    assert "s3cret" not in "".join(told("token: {a: s3cret}\ntokn: s3cret\n", Sealed))


def test_problems_sort_by_place_and_are_told_once() -> None:
    one, two = Problem("a", 2, 1, "x", "t"), Problem("a", 10, 1, "x", "t")
    assert SpecError([two, one, two]).problems == (one, two)
    assert str(Problem("a", text="whole")) == "a: whole"


plain = st.text(alphabet="abcfgh -:{}[]#&*!|>'\"%@`\n,?", max_size=80)


@settings(max_examples=400, deadline=None)
@given(plain)
def test_no_text_raises_anything_else(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        validate(read(HERE, text), Outer)
    except SpecError as error:
        problems = error.problems
    assert problems, "a text without the letters of `needed` cannot be whole"
    assert all(problem.text and "\n" not in str(problem) for problem in problems)


trees = st.recursive(
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4)
        | st.dictionaries(st.text("abc", min_size=1), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(trees)
def test_what_json_writes_is_read_back(tree: Any) -> None:
    """JSON is YAML: any tree of strings comes back whole, and every part of it has a position."""
    import json

    found = load(HERE, json.dumps(tree, ensure_ascii=False))
    assert found.value == tree
    assert all(line == 1 for line, _ in found.values.values())
