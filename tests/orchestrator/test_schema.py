"""The JSON Schemas that editors use: they take what we take, and refuse what we refuse."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from orchestrator import schema
from orchestrator.scaffold import SHIPPED, scaffold

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "lantern-house"
REFUSALS = ROOT / "tests" / "refusals"


class EditorLoader(yaml.SafeLoader):
    """YAML 1.2's core, as editors read it: no dates, no `yes` that is true, no 12:30 that is 750."""


EditorLoader.yaml_implicit_resolvers = {}
for tag, form, first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?[0-9]+\.[0-9]+$", "-+0123456789"),
):
    EditorLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(form), list(first))


def errors(name: str, text: str) -> list[str]:
    value: Any = yaml.load(text, EditorLoader)
    validator = jsonschema.Draft202012Validator(schema.schemas()[name])
    return [error.message for error in validator.iter_errors(value)]


def kind_of(path: Path) -> str:
    if path.parent.name in ("campaigns", "audiences", "markets"):
        return path.parent.name.removesuffix("s")
    return {"silkpost": "settings"}.get(path.stem, path.stem)


FILES = sorted(
    path
    for root in (SHOP, REFUSALS / "shop")
    for path in root.rglob("*.yaml")
    if kind_of(path) in schema.inputs()
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_file_of_the_sample_shop_fits_its_schema(path: Path) -> None:
    assert errors(kind_of(path), path.read_text("utf-8")) == []


def test_what_init_writes_fits_and_names_its_schema(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    files = [
        path for path in scaffold(folder, "Lantern House", today=date(2026, 11, 22)) if path.suffix == ".yaml"
    ]
    written = schema.write(folder)
    assert len(files) == len(list(SHIPPED.rglob("*.yaml")))
    for path in files:
        modeline = path.read_text("utf-8").splitlines()[0]
        assert (path.parent / modeline.partition("$schema=")[2]).resolve() in written
        assert errors(kind_of(path), path.read_text("utf-8")) == []


#: Refusals that need no more than the file itself: an editor underlines these too.
BY_SHAPE = [
    "budget-without-currency",
    "channels-not-a-list",
    "discount-without-sign",
    "empty-value",
    "goal-unknown",
    "id-form",
    "kind-unknown",
    "level-wrong",
    "market-form",
    "missing",
    "time-form",
    "time-full-width",
    "unknown-key",
    "wave-id",
    "wave-late",
    "year",
]


@pytest.mark.parametrize("name", BY_SHAPE)
def test_an_editor_underlines_what_we_refuse(name: str) -> None:
    assert errors("campaign", (REFUSALS / "campaigns" / f"{name}.yaml").read_text("utf-8"))


def test_a_market_may_be_changed_in_part_but_a_fact_only_whole() -> None:
    fact = "{value: '9', source: own sales, mark: secondary, read: 2026-11-22, review_by: 2027-05-22}"
    assert errors("market", f"ending: {fact}\n") == []
    assert errors("market", "ending: {value: '9'}\n")
    assert errors("market", "curency: JPY\n")


def test_every_schema_is_one(tmp_path: Path) -> None:
    for path in schema.write(tmp_path):
        found = json.loads(path.read_text("utf-8"))
        jsonschema.Draft202012Validator.check_schema(found)
        assert found["$schema"] == schema.DIALECT
    assert "plan-output" in schema.schemas()


@pytest.mark.parametrize("name", ["campaign", "accounts", "products", "creators", "audience", "settings"])
def test_every_key_an_operator_may_write_is_described(name: str) -> None:
    """A completion without a word of explanation helps nobody; a nested part is explained by its own."""
    whole = schema.of(schema.inputs()[name])
    parts = {name: whole, **whole.get("$defs", {})}
    bare = [
        f"{part}.{key}"
        for part, definition in parts.items()
        for key, shape in definition.get("properties", {}).items()
        if "description" not in shape and "$ref" not in shape and "const" not in shape
    ]
    assert bare == []


def test_each_kind_of_file_has_a_model() -> None:
    assert all(issubclass(model, BaseModel) for model in schema.inputs().values())
