"""JSON Schemas of every YAML file, from the models that read them: editors complete and check by them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from orchestrator.files import write_whole

FOLDER = Path(".silkpost") / "schema"  #: in a workspace; the modelines of `silkpost init` point there
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS = ("string", "number", "boolean")


def inputs() -> dict[str, type[BaseModel]]:
    """The model of each kind of file: `campaign` for campaigns/*.yaml, `accounts` for accounts.yaml, …"""
    from locales.market import Market
    from orchestrator.spec import CampaignSpec
    from orchestrator.workspace import (
        Accounts,
        Audience,
        Creators,
        Glossary,
        OwnDays,
        Products,
        Settings,
        Strings,
    )

    return {
        "accounts": Accounts,
        "audience": Audience,
        "calendar": OwnDays,
        "campaign": CampaignSpec,
        "creators": Creators,
        "glossary": Glossary,
        "market": Market,
        "products": Products,
        "settings": Settings,
        "translations": Strings,
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by name: of the files, and of what commands print with --json (`plan-output`, …)."""
    import msgspec

    from locales.market import Market
    from orchestrator.cli.output import OUTPUTS
    from orchestrator.report import schema as of_report

    found = {name: of(model) for name, model in inputs().items()}
    found["market"] = _overlay(found["market"])
    for name, printed in OUTPUTS.items():
        found[f"{name}-output"] = {"$schema": DIALECT, **msgspec.json.schema(printed)}
    found["report-output"] = {"$schema": DIALECT, **of_report()}
    found["markets-output"] = {"$schema": DIALECT, **Market.model_json_schema(mode="serialization")}
    return dict(sorted(found.items()))


def of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of one model, as an editor reads YAML: what we read as text may look like a number there."""
    return {"$schema": DIALECT, **model.model_json_schema(by_alias=True, schema_generator=_AsWritten)}


def write(workspace: Path) -> list[Path]:
    """Write every schema into the workspace's `.silkpost/schema`; returns the files."""
    folder = workspace / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        path = folder / f"{name}.json"
        write_whole(path, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        written.append(path)
    return written


class _AsWritten(GenerateJsonSchema):
    """YAML as editors see it (1.2): `400` is a number to them, `yes` a text; we read both as meant."""

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        return {**super().str_schema(schema), "type": list(_SCALARS)}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"enum": [True, False, "yes", "no"]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key is written with a value, or left out; empty is a problem."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if key != "default" or value not in (None, "")}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _overlay(schema: dict[str, Any]) -> dict[str, Any]:
    """A workspace's market file is laid over ours: only a fact, which replaces ours, has to be whole."""
    parts = {name: part if _is_fact(part) else _loose(part) for name, part in schema["$defs"].items()}
    return {**_loose(schema), "$defs": parts}


def _is_fact(part: Mapping[str, Any]) -> bool:
    return "value" in part.get("properties", {})


def _loose(part: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "required"}
