"""Translations: edits that change nothing else, states that hand-made edits do not break, untrusted XLIFF."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locales.document import SpecError, load
from orchestrator.translation import memory, xliff
from orchestrator.translation.edit import place_of, put, quoted, write_all
from orchestrator.translation.memory import State, made, state
from orchestrator.translation.proof import PLACEHOLDER, faults, terms_in
from orchestrator.translation.survey import Entry
from orchestrator.workspace import Strings, Term

#: Anything that YAML can hold at all: no control characters, no lone halves of a pair.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\ufeff"), min_size=1
).filter(str.strip)
names = st.text("abcxyz_-.é", min_size=1, max_size=6).filter(lambda name: name.strip("-."))
trees = st.recursive(
    texts, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=6
).filter(lambda tree: isinstance(tree, dict))
once = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def block(tree: object, indent: int = 0) -> str:
    """A file as people write it: blocks, a comment in each, the innermost in braces."""
    lines = []
    assert isinstance(tree, dict)
    for name, inner in tree.items():
        before = f"{' ' * indent}{quoted(name)}:"
        if isinstance(inner, str):
            lines.append(f"{before} {quoted(inner)}  # kept\n")
        elif any(isinstance(each, dict) for each in inner.values()):
            lines.append(f"{before}\n{' ' * indent}  # inside\n{block(inner, indent + 2)}")
        else:
            flow = ", ".join(f"{quoted(key)}: {quoted(text)}" for key, text in inner.items())
            lines.append(f"{before} {{{flow}}}\n")
    return "".join(lines)


def is_part(tree: object, where: tuple[str, ...]) -> bool:
    """Whether other texts stand under that name, which a text would take away."""
    for name in where:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return isinstance(tree, dict)


@once
@given(trees, st.lists(names, min_size=1, max_size=3), texts)
def test_a_text_is_put_into_a_file_and_every_other_line_stays(
    tree: dict[str, object], path: list[str], text: str
) -> None:
    before = block(tree)
    assert load(Path("x"), before).value == tree
    where = place_of(tree, ".".join(path))
    if is_part(tree, where):
        with pytest.raises(SpecError, match="cannot be written here by a machine"):
            put(before, {where: text}, file="x")
        return
    after = put(before, {where: text}, file="x")
    here = load(Path("x"), after).value
    for part in where:
        here = here[part]
    assert here == text
    assert after.count("# inside") == before.count("# inside")
    assert after.count("# kept") == before.count("# kept")


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("a: {b: x}  # c\n", ("a", "d"), 'a: {b: x, d: "n"}  # c\n'),
        ("a: {}\n", ("a", "d"), 'a: {d: "n"}\n'),
        ("a: {\n  b: x,  # c\n}\n", ("a", "d"), 'a: {\n  b: x, d: "n",  # c\n}\n'),
        ("a:\n  b: x\n\n# end\nc: y", ("a", "d"), 'a:\n  b: x\n  d: "n"\n\n# end\nc: y'),
        ("c: y", ("d", "e"), 'c: y\nd:\n  e: "n"\n'),
        ("# only\n", ("d",), '# only\nd: "n"\n'),
        ("a: |\n  one\n  two\n# c\nb: y\n", ("a",), 'a: "n"\n# c\nb: y\n'),
        ("a: >-\n  one\n", ("b",), 'a: >-\n  one\nb: "n"\n'),
        ("a: 'it''s' # c\n", ("a",), 'a: "n" # c\n'),
        ("a: 日本\r\nb: y\r\n", ("a",), 'a: "n"\r\nb: y\r\n'),
    ],
)
def test_what_a_file_looks_like_afterwards(before: str, path: tuple[str, ...], after: str) -> None:
    assert put(before, {path: "n"}, file="x") == after


def test_what_cannot_be_written_is_said_and_not_guessed() -> None:
    with pytest.raises(SpecError, match=r"a\.b cannot be written here by a machine; write it in"):
        put("a: x\n", {("a", "b"): "n"}, file="x")


def test_a_key_goes_where_the_source_has_it() -> None:
    like = {"launch": {"warm": "x", "late.night": "y"}}
    assert place_of({}, "launch.warm", like) == ("launch", "warm")
    assert place_of({"launch": {"cold": "k"}}, "launch.warm", like) == ("launch", "warm")
    assert place_of({"launch.cold": "k"}, "launch.late.night", like) == ("launch", "late.night")
    assert place_of({"launch": "a text of its own"}, "launch.warm", like) == ("launch.warm",)
    flat = Strings.model_validate({"launch.warm": "a", "b": {"c.d": "e"}}).flat()
    assert flat == {"launch.warm": "a", "b.c.d": "e"}


def test_a_write_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    with pytest.raises(OSError, match="b"):
        write_all({tmp_path / "b": "new", tmp_path / "a": "new"})
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_state_survives_whoever_edits_by_hand() -> None:
    """The file of sources is never edited by hand, and may be lost: no text is called what it is not."""
    draft, whole = made("Light", "Licht", draft=True), made("Light", "Licht")
    assert state("Light", "Licht", draft) is State.DRAFT
    assert state("Light", "Lampe", draft) is State.TRANSLATED  # a person has written over it
    assert state("Light", "Licht", whole) is State.TRANSLATED
    assert state("Lights", "Licht", whole) is State.STALE
    assert state("Lights", "Lichter", whole) is State.TRANSLATED  # a person has followed
    assert state("Lights", "Licht", None) is State.TRANSLATED  # nothing is remembered


def test_what_is_remembered_reads_back_and_merges_by_lines(tmp_path: Path) -> None:
    kept = {
        ("ja_JP", "a b\t\u2028"): made("x\u2028y\n", "😀", draft=True),
        ("de_DE", "k"): made("\u00a0", "z"),
    }
    path = tmp_path / memory.FILE
    path.parent.mkdir()
    path.write_text(memory.written(kept), "utf-8", newline="\n")
    assert memory.read(tmp_path) == kept
    assert memory.written(kept).count("\n") == 2
    path.write_text("<<<<<<< ours\n" + memory.written(kept) + '{"locale": "x"}\n', "utf-8", newline="\n")
    with pytest.raises(SpecError) as found:
        memory.read(tmp_path)
    assert [problem.line for problem in found.value.problems] == [1, 4]


@pytest.mark.parametrize(
    ("source", "text", "wrong"),
    [
        ("Hello %(name)s", "Hallo %(name)s", ""),
        ("Hello %(name)s", "Hallo %(Name)s", "lacks %(name)s, which the source has"),
        ("Hello {name}, {name}", "Hallo {name}", "lacks {name}, which the source has"),
        ("Hello", "Hallo {name}", "has {name}, which the source has not"),
        ("<b>Now</b>", "<b>Jetzt<b>", "lacks </b>, which the source has"),
        ("25% off", "25 %de moins", ""),
        ("You & me", "Du &amp; ich", "holds &amp;; write the character itself"),
        ("One", "Ein\\ns", "holds \\n; write the character itself"),
        ("One", "Ei\nns", "goes over several lines, and the source is one; write it on one"),
        ("One", " ", "is empty; write it, or leave it out"),
        ("One", "Ei\u2067ns", "holds marks of direction that do not close; leave them out"),
        ("One", "Ei\u0007ns", "holds a control character, U+0007; leave it out"),
    ],
)
def test_a_text_that_may_not_go_out_is_told(source: str, text: str, wrong: str) -> None:
    found = list(faults(source, text))
    assert (wrong in found) if wrong else not found


def test_the_glossary_is_found_by_whole_words_and_for_the_reader_s_language() -> None:
    glossary = {
        "lantern": Term(use={"ja": ["提灯", "灯"], "zh_Hant": "燈籠"}),
        "Lantern House": Term(keep=True),
        "灯": Term(use={"ja": "灯"}),
    }
    assert dict(terms_in("A Lantern", "ja_JP", glossary)) == {"lantern": ["提灯", "灯"]}
    assert dict(terms_in("Lanterns", "ja_JP", glossary)) == {}
    assert dict(terms_in("lantern", "zh_Hant_HK", glossary)) == {"lantern": ["燈籠"]}
    assert dict(terms_in("Lantern House", "de_DE", glossary)) == {
        "lantern": [],
        "Lantern House": ["Lantern House"],
    }
    assert dict(terms_in("红灯笼", "ja_JP", glossary)) == {"灯": ["灯"]}


def entry(source: str, text: str, at: State = State.TRANSLATED) -> Entry:
    return Entry("launch.warm", "ja_JP", at, source, text)


placed = st.lists(
    st.sampled_from(["%(name)s", "{code}", "<b>", "</b>", " ", "&", "a", "灯", "\n", "%"]), max_size=8
).map("".join)


@once
@given(placed.filter(str.strip), placed.filter(str.strip))
def test_xliff_gives_back_every_text_as_it_went(source: str, text: str) -> None:
    data = xliff.export("en", "ja_JP", [(entry(source, text), ["a note"])])
    (back,) = xliff.read(data, file="x")
    (unit,) = back.units
    assert (back.source, back.locale) == ("en", "ja_JP")
    assert (unit.key, unit.source, unit.text, unit.done) == ("launch.warm", source, text, True)


def test_placeholders_are_tags_that_come_back_whole_whatever_a_tool_leaves_of_them() -> None:
    source = "Hi %(name)s, {n} left"
    data = xliff.export("en", "ja_JP", [(entry(source, "", State.MISSING), [])]).decode()
    assert '<ph id="1">%(name)s</ph>' in data
    assert '<ph id="2">{n}</ph>' in data
    assert "<target" not in data
    target = '<target>あと<x id="2"/>、<mrk mtype="seg"><ph id="1"/></mrk>さん</target>'
    (back,) = xliff.read(data.replace("</source>", f"</source>{target}").encode(), file="x")
    assert back.units[0].text == "あと{n}、%(name)sさん"
    assert PLACEHOLDER.findall(back.units[0].source) == ["%(name)s", "{n}"]


@pytest.mark.parametrize(
    ("at", "state_there", "done"),
    [
        (State.TRANSLATED, "translated", True),
        (State.STALE, "needs-translation", False),
        (State.DRAFT, "needs-review-translation", False),
    ],
)
def test_what_a_translator_has_to_do_is_said_in_the_file(at: State, state_there: str, done: bool) -> None:
    data = xliff.export("en", "ja_JP", [(entry("x", "y", at), [])])
    assert f'state="{state_there}"' in data.decode()
    assert xliff.read(data, file="x")[0].units[0].done is done
    assert Tree.fromstring(data).get("version") == "1.2"


FILE = '<xliff version="1.2"><file source-language="en" target-language="ja">{0}</file></xliff>'


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><xliff>&b;</xliff>",
            "document type or entities",
        ),
        ("<!DOCTYPE x SYSTEM 'file:///etc/passwd'><xliff/>", "document type or entities"),
        ("not xml", "is not XML"),
        ("", "is not XML"),
        ('<xliff version="2.0"/>', "is <xliff> with 2.0; save it as XLIFF 1.2"),
        ("<html/>", "is <html> with no version; save it as XLIFF 1.2"),
        ('<xliff version="1.2"><file/></xliff>', "names no target-language"),
        (FILE.format("<trans-unit><source>a</source></trans-unit>"), "without an id or a source"),
        (
            FILE.format('<trans-unit id="a"><source>a</source><target>b</target></trans-unit>' * 2),
            "holds a twice",
        ),
    ],
)
def test_a_file_from_anybody_is_refused_in_one_sentence(data: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        xliff.read(data.encode(), file="back.xlf")


@once
@given(st.binary(max_size=200) | st.text(st.sampled_from(list("<>/=\"'&;xliffunit? !ab-"))).map(str.encode))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with suppress(SpecError):
        xliff.read(data, file="x")


def test_json_lines_hold_one_fact_each() -> None:
    line = memory.written({("ja_JP", "k"): made("s", "t")})
    assert set(json.loads(line)) == {"locale", "key", "source", "text"}
