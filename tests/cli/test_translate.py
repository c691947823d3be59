"""The shop's own words from the command line: extracted, sent out, taken back, drafted, accepted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

EN = 'launch:\n  warm: "A warm light, {shop}"   # the first line\n  crisp: "One day"\nalt: {lamp: "A lamp"}\n'
JA = '# by Aya\nlaunch:\n  warm: "あたたかな灯り、{shop}"\n'
TEMPLATE = '{{ t("launch." ~ tone) }}\n{{ _("Until %(deadline)s", deadline=deadline) }}\n{{ link }}\n'
CAMPAIGN = """\
campaign: evening
kind: holiday
markets: [JP, US]
products: [lantern-red]
offer: {discount: 10%, starts: 2027-03-01 00:00, ends: 2027-03-02 23:59}
channels: [posts]
waves: {go: {at: starts}}
content: {template: evening, variants: {a: {tone: warm}}}
"""
BOTH = CAMPAIGN.replace("{tone: warm}", "{tone: warm}, b: {tone: crisp}")


@pytest.fixture
def shop(folder: Path) -> Path:
    """A shop that writes in English and sells in Japan: two texts asked for, one of them translated."""
    (folder / "campaigns/valentines.yaml").unlink()
    (folder / "campaigns/evening.yaml").write_text(CAMPAIGN)
    (folder / "products.yaml").write_text(
        "lantern-red:\n  name: {en: Red lantern, ja: 赤い提灯}  # as on the box\n"
        "  prices: {base: 42.00 EUR}\n",
        "utf-8",
    )
    (folder / "templates/evening").mkdir(parents=True)
    (folder / "templates/evening/go.default.j2").write_text(TEMPLATE)
    (folder / "translations").mkdir(exist_ok=True)
    (folder / "translations/en.yaml").write_text(EN)
    (folder / "translations/ja_JP.yaml").write_text(JA, "utf-8")
    return folder


def asks(silkpost: Any) -> list[str]:
    """What a plan wants a person to weigh of its words."""
    plan = planned(silkpost)
    assert plan["problems"] == []
    return [ask for ask in plan["asks"] if "ja_JP" in ask or "product:" in ask]


def planned(silkpost: Any) -> dict[str, Any]:
    (plan,) = json.loads(silkpost("plan", "evening", "--json").out)
    return dict(plan)


def row(silkpost: Any, locale: str = "ja_JP") -> dict[str, Any]:
    (found,) = json.loads(silkpost("translate", "status", locale, "--json").out)
    return dict(found)


def test_a_changed_source_is_stale_until_somebody_follows_or_accepts_it(shop: Path, silkpost: Any) -> None:
    assert silkpost("translate", "status").code == 0
    assert silkpost("translate", "extract").out.endswith("0 missing, 0 forgotten\n")
    assert asks(silkpost) == []
    before = planned(silkpost)
    (shop / "translations/en.yaml").write_text(EN.replace("warm light", "warm glow"))
    _, found = silkpost("translate", "status", "--json").json("translate-status")
    (text,) = found["texts"]
    assert (text["key"], text["state"]) == ("launch.warm", "stale")
    assert (text["was"], text["source"]) == ("A warm light, {shop}", "A warm glow, {shop}")
    assert "1 text waits for a person; silkpost translate status" in silkpost("check").out
    (ask,) = asks(silkpost)
    assert ask.endswith("silkpost translate accept ja_JP launch.warm")
    assert silkpost("translate", "accept", "ja_JP", "launch.warm").code == 0
    assert asks(silkpost) == []
    after = planned(silkpost)
    japanese = {place["key"]: place["edition"] for place in before["placements"] if place["market"] == "JP"}
    assert japanese == {p["key"]: p["edition"] for p in after["placements"] if p["market"] == "JP"}


def test_what_is_missing_is_listed_where_it_belongs_and_stops_what_needs_it(
    shop: Path, silkpost: Any
) -> None:
    (shop / "campaigns/evening.yaml").write_text(CAMPAIGN.replace("warm}", "crisp}"))
    told = silkpost("translate", "status")
    assert told.code == 1
    assert "translations/ja_JP.yaml:2: launch.crisp is missing: One day" in told.out
    for _ in range(2):  # a second time changes nothing
        assert "missing in ja_JP: launch.crisp: One day" in silkpost("translate", "extract").out
        kept = (shop / "translations/ja_JP.yaml").read_text("utf-8")
        assert kept.startswith(JA)
        assert kept.count('# launch.crisp: "One day"\n') == 1
    (shop / "translations/ja_JP.yaml").write_text(kept.replace("# launch.crisp", "launch.crisp"), "utf-8")
    assert silkpost("translate", "extract").code == 0
    assert row(silkpost)["missing"] == 0
    assert "launch.warm" in silkpost("translate", "status").out  # nothing asks for it now


def test_a_key_that_nobody_wrote_is_told_of_the_shop_s_own_language(shop: Path, silkpost: Any) -> None:
    (shop / "templates/evening/go.default.j2").write_text("{{ t.lunch.warm }}" + TEMPLATE)
    told = silkpost("translate", "status")
    assert told.code == 1
    assert "en: lunch.warm is asked for, and the shop's own language lacks it" in told.out


def test_a_translator_s_file_is_shown_first_and_then_written_whole(shop: Path, silkpost: Any) -> None:
    (shop / "campaigns/evening.yaml").write_text(BOTH)
    silkpost("translate", "extract")
    assert silkpost("translate", "export", "--xliff", shop / "out", "ja_JP").code == 0
    sent = (shop / "out/ja_JP.xlf").read_text("utf-8")
    assert '<source>A warm light, <ph id="1">{shop}</ph></source>' in sent
    assert "templates/evening/go.default.j2:1" in sent
    back = sent.replace("One day</source>", "One day</source><target>一日だけ</target>")
    back = back.replace("あたたかな灯り、", "やさしい灯り、").replace("赤い提灯", "赤提灯")
    file = shop / "back.xlf"
    file.write_text(back, "utf-8")
    before = {path: path.read_bytes() for path in shop.rglob("*.yaml")}
    shown = silkpost("translate", "import", file)
    assert "+ ja_JP launch.crisp" in shown.out
    assert "3 changes, 0 of them not finished" in shown.out
    assert {path: path.read_bytes() for path in shop.rglob("*.yaml")} == before
    assert silkpost("translate", "import", file, "--write").code == 0
    assert (shop / "translations/ja_JP.yaml").read_text("utf-8") == (
        '# by Aya\nlaunch:\n  warm: "やさしい灯り、{shop}"\n  crisp: "一日だけ"\n'
    )
    assert 'name: {en: Red lantern, ja: "赤提灯"}  # as on the box' in (shop / "products.yaml").read_text()
    assert "0 changes" in silkpost("translate", "import", file).out
    assert row(silkpost)["texts"] == []


def test_a_translator_s_file_with_a_lost_placeholder_changes_nothing(shop: Path, silkpost: Any) -> None:
    silkpost("translate", "export", "--xliff", shop / "ja.xlf", "ja_JP")
    file = shop / "ja.xlf"
    broken = file.read_text("utf-8").replace('あたたかな灯り、<ph id="1">{shop}</ph>', "灯り")
    file.write_text(broken.replace("赤い提灯", "赤提灯"), "utf-8")
    told = silkpost("translate", "import", file, "--write")
    assert told.code == 1
    assert "ja.xlf: launch.warm: lacks {shop}, which the source has" in told.err
    assert "赤い提灯" in (shop / "products.yaml").read_text("utf-8")
    silkpost("translate", "import", file, "--write", "--leave-out")
    assert "赤提灯" in (shop / "products.yaml").read_text("utf-8")
    assert (shop / "translations/ja_JP.yaml").read_text("utf-8") == JA
    file.write_text(broken.replace('target-language="ja-JP"', 'target-language="ja-JB"'), "utf-8")
    assert "did you mean ja_JP?" in silkpost("translate", "import", file).err


def test_words_of_an_older_source_come_in_stale(shop: Path, silkpost: Any) -> None:
    silkpost("translate", "export", "--xliff", shop / "ja.xlf", "ja_JP")
    file = shop / "ja.xlf"
    file.write_text(file.read_text("utf-8").replace("あたたかな灯り", "灯り"), "utf-8")
    (shop / "translations/en.yaml").write_text(EN.replace("warm light", "warm glow"))
    assert "made from words that have changed since" in silkpost("translate", "import", file, "--write").out
    assert row(silkpost)["stale"] == 1


def test_the_glossary_and_forbidden_words_are_told(shop: Path, silkpost: Any) -> None:
    (shop / "glossary.yaml").write_text(
        "lantern: {use: {ja: [ランタン]}}\nlight: {use: {ja: 灯り}}\n", "utf-8"
    )
    (text,) = row(silkpost)["texts"]
    assert (text["key"], text["remarks"]) == (
        "product:lantern-red",
        ['"lantern" is "ランタン" in glossary.yaml'],
    )
    (shop / "glossary.yaml").write_text("lantern: {ja: ランタン}\n", "utf-8")
    assert "glossary.yaml:1:11: lantern.ja: unknown" in silkpost("translate", "status").err


def test_a_marked_sentence_is_put_into_a_catalog_and_an_empty_form_is_no_translation(
    shop: Path, silkpost: Any
) -> None:
    lamps = '{{ ngettext("%(num)d lamp", "%(num)d lamps", 3) }}'
    (shop / "templates/evening/go.default.j2").write_text(lamps + TEMPLATE)
    assert silkpost("translate", "extract").code == 0
    catalog = shop / "translations/ja_JP/LC_MESSAGES/silkpost.po"
    assert "#: templates/evening/go.default.j2:1\n" in catalog.read_text("utf-8")
    assert row(silkpost)["missing"] == 1
    assert "no translation of '%(num)d lamp'" in silkpost("plan", "evening").err
    catalog.write_text(
        catalog.read_text("utf-8").replace('msgstr[0] ""', 'msgstr[0] "灯り%(num)dつ"'), "utf-8"
    )
    assert row(silkpost)["missing"] == 0
    assert silkpost("plan", "evening").code == 0


class Machine(BaseHTTPRequestHandler):
    """DeepL's and OpenAI's interfaces on this machine; `answer` says what comes back for a text."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        answer, status = self.server.answer, self.server.status  # type: ignore[attr-defined]
        if self.path == "/v2/translate":
            said: object = {"translations": [{"text": answer(text)} for text in body["text"]]}
        else:
            asked = json.loads(body["messages"][-1]["content"])["texts"]
            made = {number: answer(text) for number, text in asked.items()}
            content = f"Sure:\n```json\n{json.dumps(made, ensure_ascii=False)}\n```"
            said = {"choices": [{"message": {"content": content}}]}
        data = json.dumps(said).encode() if status == 200 else b"your quota is spent"
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is said of a request."""


@pytest.fixture
def machine(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Both machines, reachable by name, with their key in the environment."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Machine)
    server.heard, server.answer, server.status = [], lambda text: text.replace("One day", "一日"), 200
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_address[1]}"
    with (shop / "silkpost.yaml").open("a") as stream:
        stream.write(
            "translation:\n  machines:\n"
            f"    deep: {{kind: deepl, url: {here}, key: env:MACHINE_KEY}}\n"
            f"    open: {{kind: openai, url: {here}/v1, key: env:MACHINE_KEY, model: small}}\n"
            "    far: {kind: openai, url: http://llm.example/v1, key: env:MACHINE_KEY}\n"
        )
    (shop / "campaigns/evening.yaml").write_text(CAMPAIGN.replace("warm}", "crisp}"))
    monkeypatch.setenv("MACHINE_KEY", "s3cret")
    monkeypatch.delenv("SILKPOST_OFFLINE")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["deep", "open"])
def test_a_draft_is_asked_about_until_a_person_has_read_it(
    name: str, shop: Path, silkpost: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = silkpost("translate", "draft", "--locale", "ja_JP", "--with", name)
    assert (told.code, told.err) == (0, "")
    assert "1 text, 7 characters" in told.out
    assert '  crisp: "一日"\n' in (shop / "translations/ja_JP.yaml").read_text("utf-8")
    (heard,) = machine.heard
    assert "s3cret" in heard[1]["Authorization"]
    monkeypatch.setenv("SILKPOST_OFFLINE", "1")
    assert asks(silkpost) == [
        "ja_JP launch.crisp is a draft that nobody has accepted; silkpost translate accept ja_JP launch.crisp"
    ]
    waiting = planned(silkpost)
    assert row(silkpost)["draft"] == 1
    silkpost("translate", "accept", "ja_JP")
    assert asks(silkpost) == []
    accepted = planned(silkpost)
    assert accepted["hash"] == waiting["hash"]  # its words are the same


def test_a_draft_that_a_person_writes_over_is_theirs(shop: Path, silkpost: Any, machine: Any) -> None:
    silkpost("translate", "draft", "--locale", "ja_JP", "--with", "deep")
    file = shop / "translations/ja_JP.yaml"
    file.write_text(file.read_text("utf-8").replace("一日", "今日だけ"), "utf-8")
    found = row(silkpost)
    assert (found["draft"], found["translated"]) == (0, 2)  # with the name of the lantern


@pytest.mark.parametrize("name", ["deep", "open"])
def test_a_machine_that_loses_a_placeholder_is_not_believed(
    name: str, shop: Path, silkpost: Any, machine: Any
) -> None:
    machine.answer = lambda text: "灯り"
    (shop / "campaigns/evening.yaml").write_text(BOTH)
    told = silkpost("translate", "draft", "--locale", "ja_JP", "--with", name, "launch.warm", "launch.crisp")
    assert told.code == 1
    assert "launch.warm: the machine's text lacks {shop}, which the source has" in told.err
    kept = (shop / "translations/ja_JP.yaml").read_text("utf-8")
    assert "あたたかな灯り、{shop}" in kept
    assert '  crisp: "灯り"\n' in kept


def test_placeholders_go_to_a_machine_as_tags_and_come_back(shop: Path, silkpost: Any, machine: Any) -> None:
    machine.answer = lambda text: text.replace("A warm light, ", "R&amp;D ")
    (shop / "campaigns/evening.yaml").write_text(BOTH)
    assert silkpost("translate", "draft", "--locale", "ja_JP", "--with", "deep", "launch.warm").code == 0
    (heard,) = machine.heard
    assert heard[2]["text"] == ["A warm light, <x>{shop}</x>"]
    assert (heard[2]["source_lang"], heard[2]["target_lang"]) == ("EN", "JA")
    assert '"R&D {shop}"' in (shop / "translations/ja_JP.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda machine: setattr(machine, "status", 456), "HTTP 456: your quota is spent; 1 texts were not"),
        (lambda machine: machine.server_close() or machine.shutdown(), "1 texts were not drafted"),
    ],
)
def test_a_machine_that_refuses_changes_nothing_and_its_key_is_not_told(
    change: Callable[[Any], object], told: str, shop: Path, silkpost: Any, machine: Any
) -> None:
    change(machine)
    said = silkpost("translate", "draft", "--locale", "ja_JP", "--with", "open")
    assert said.code == 1
    assert told in said.err
    assert "s3cret" not in said.err + said.out
    assert (shop / "translations/ja_JP.yaml").read_text("utf-8") == JA


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--locale", "ja_JP", "--with", "depe"), "--with depe: unknown; did you mean deep?"),
        (("--locale", "ja_JB", "--with", "deep"), "ja_JB: unknown; did you mean ja_JP?"),
        (("--locale", "ja_JP", "--with", "far"), "would send its key in the clear; write https"),
        (("--locale", "ja_JP", "--with", "deep", "launch.crips"), "did you mean launch.crisp?"),
    ],
)
def test_a_draft_asked_for_wrongly_is_refused(
    words: tuple[str, ...], told: str, silkpost: Any, machine: Any
) -> None:
    said = silkpost("translate", "draft", *words)
    assert said.code == 1
    assert told in said.err
    assert machine.heard == []
