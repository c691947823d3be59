"""The conformance suite explains its assertions; requests are checked against the vendors' own contracts."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from channels.testing import Seen

pytest.register_assert_rewrite("channels.testing", "channels._by_hand_testing", "channels._in_time_testing")

SPECS = Path(__file__).parents[3] / "shared/specs"
Overlay = Callable[[dict[str, Any]], None]


@pytest.fixture
def openapi() -> Callable[..., Contract]:
    """`openapi("line/messaging-api.yml")` gives a check: what is wrong with a request, [] where nothing is.

    `overlay` repairs a document that would refuse requests which the vendor's own pages show.
    """

    def of(path: str, overlay: Overlay | None = None) -> Contract:
        if not (SPECS / path).exists():
            pytest.skip(f"the vendor's contract is not beside the repository ({path})")
        return _contract(path, overlay)

    return of


@pytest.fixture
def graph() -> Callable[[str, str, str, Mapping[str, Any]], list[str]]:
    """`graph("Page", "POST", "feed", fields)`: what Meta's specification of the node says is wrong."""
    if not (SPECS / "meta-graph").exists():
        pytest.skip("the vendor's contract is not beside the repository (meta-graph)")
    return _graph_errors


def _graph_errors(node: str, method: str, edge: str, given: Mapping[str, Any]) -> list[str]:
    calls = {(each["method"], each.get("endpoint") or each["name"]): each for each in _graph_node(node)}
    if (method, edge) not in calls:
        return [f"{method} {node}/{edge}: the contract has no such call"]
    known = {one["name"]: one for one in calls[method, edge]["params"]}
    names = {name.partition("[")[0]: value for name, value in given.items()}
    names = {name: value for name, value in names.items() if name not in ("fields", "limit", "ids")}
    found = [f"{name}: not declared" for name in names if name not in known]
    found += [f"{name}: missing" for name, one in known.items() if one.get("required") and name not in names]
    return found + [f"{n}: {v!r}" for n, v in names.items() if n in known and not _graph_fits(known[n], v)]


def _graph_fits(one: Mapping[str, Any], value: Any) -> bool:
    kind = one["type"]
    if kind in ("int", "unsigned int"):
        return bool(re.fullmatch(r"-?\d+", str(value)))
    if kind == "bool":
        return value in ("true", "false")
    named = re.fullmatch(r"list<(\w+)>", kind)
    allowed = _graph_enums().get((named[1] if named else kind).lower())
    return allowed is None or all(each in allowed for each in str(value).split(","))


@functools.cache
def _graph_node(node: str) -> Any:
    return json.loads((SPECS / "meta-graph" / f"{node}.json").read_text("utf-8"))["apis"]


@functools.cache
def _graph_enums() -> dict[str, list[str]]:
    found = json.loads((SPECS / "meta-graph/enum_types.json").read_text("utf-8"))
    return {each["name"].lower(): each["values"] for each in found}


@functools.cache
def _contract(path: str, overlay: Overlay | None) -> Contract:
    text = (SPECS / path).read_text("utf-8")
    document = json.loads(text) if path.endswith(".json") else yaml.load(text, yaml.CSafeLoader)
    document = _modern(document)
    if overlay:
        overlay(document)
    return Contract(document)


def _modern(value: Any) -> Any:
    """OpenAPI 3.0's own keywords in the words of JSON Schema 2020-12, references made absolute, keys text."""
    if isinstance(value, list):
        return [_modern(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {str(name): _modern(each) for name, each in value.items()}
    if found.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    for name in ("Minimum", "Maximum"):
        if isinstance(exclusive := found.get(f"exclusive{name}"), bool):
            bound = found.pop(name.lower(), None) if exclusive else None
            found.pop(f"exclusive{name}")
            found |= {} if bound is None else {f"exclusive{name}": bound}
    if isinstance(reference := found.get("$ref"), str):
        found["$ref"] = f"urn:spec{reference}"
    return found


class Contract:
    """An OpenAPI document that says what is wrong with a request."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._following: set[tuple[int, str]] = set()
        extended = validators.extend(Draft202012Validator, {"discriminator": self._discriminator})
        registry: Registry[Any] = Registry().with_resource("urn:spec", DRAFT202012.create_resource(document))
        self._validator = functools.partial(extended, registry=registry, format_checker=FormatChecker())
        self._routes = sorted(_routes(document), key=lambda route: route[0].groups)

    def __call__(self, seen: Seen) -> list[str]:
        path = urlsplit(seen.target).path
        for pattern, pointer, item in self._routes:
            operation = item.get(seen.method.lower())
            if operation and pattern.fullmatch(path):
                where = f"{pointer}/{seen.method.lower()}"
                return [*self._names(seen, item, operation), *self._body(seen, where, operation)]
        return [f"{seen.method} {path}: the contract has no such call"]

    def schema(self, name: str, value: Any) -> list[str]:
        """What is wrong with a value under one of the document's named schemas."""
        return self._errors({"$ref": f"urn:spec#/components/schemas/{name}"}, value)

    def _names(self, seen: Seen, item: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
        known = [self._plain(one) for one in (*item.get("parameters", []), *operation.get("parameters", []))]
        for one in known:
            given = {"query": seen.query, "header": seen.headers}.get(one["in"], {})
            name = one["name"].lower() if one["in"] == "header" else one["name"]
            if name not in given:
                if one.get("required") and one["in"] != "path":
                    yield f"{one['in']} {name}: missing"
                continue
            listed = one.get("explode") is False and isinstance(given[name], str)
            written = given[name].split(",") if listed and "," in given[name] else given[name]
            value = _typed(written, self._plain(one.get("schema", {})))
            yield from (f"{one['in']} {name}: {each}" for each in self._errors(one.get("schema", {}), value))
        asked = {one["name"] for one in known if one["in"] == "query"}
        yield from (f"query {name}: not declared" for name in seen.query if name not in asked)
        secured = operation.get("security", self._document.get("security"))
        if secured and {} not in secured and "authorization" not in seen.headers:
            yield "no Authorization header"

    def _body(self, seen: Seen, where: str, operation: Mapping[str, Any]) -> list[str]:
        declared = operation.get("requestBody")
        if not declared:
            return ["a body where none is declared"] if seen.body else []
        pointer = declared.get("$ref", f"urn:spec{where}/requestBody")
        content = self._plain(declared)["content"]
        kind = seen.headers.get("content-type", "").split(";")[0]
        if kind not in content:
            return [f"content-type {kind!r} is none of {sorted(content)}"]
        schema = {"$ref": f"{pointer}/content/{_escaped(kind)}/schema"}
        return self._errors(schema, self._read(seen, kind, self._plain(schema)))

    def _read(self, seen: Seen, kind: str, schema: Any) -> Any:
        if kind.endswith("json"):
            return seen.json
        properties = schema.get("properties", {})
        return {
            name: "" if isinstance(value, bytes) else _typed(value, self._plain(properties.get(name, {})))
            for name, value in seen.fields.items()
        }

    def _errors(self, schema: Mapping[str, Any], value: Any) -> list[str]:
        """A body's schema is closed: a name that it does not declare is an error."""
        closed = {**schema, "unevaluatedProperties": False} if "$ref" in schema else schema
        errors = self._validator(closed).iter_errors(value)
        return [f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message}" for error in errors]

    def _discriminator(self, validator: Any, said: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
        """The schema that the value's own type names, which the base schema alone would never ask for."""
        mapping, name = said.get("mapping"), said["propertyName"]
        if not mapping or not isinstance(value, dict) or (id(value), name) in self._following:
            return
        if (kind := value.get(name)) not in mapping:
            yield ValidationError(f"{name} is {kind!r}; may be one of {sorted(mapping)}")
            return
        self._following.add((id(value), name))
        try:
            closed = {"$ref": f"urn:spec{mapping[kind]}", "unevaluatedProperties": False}
            yield from validator.descend(value, closed)
        finally:
            self._following.discard((id(value), name))

    def _plain(self, value: Any) -> Any:
        while isinstance(value, dict) and "$ref" in value:
            value = self._at(value["$ref"])
        return value

    def _at(self, pointer: str) -> Any:
        found: Any = self._document
        for part in pointer.removeprefix("urn:spec#/").split("/"):
            found = self._plain(found)[unquote(part).replace("~1", "/").replace("~0", "~")]
        return found


def _routes(document: Mapping[str, Any]) -> Iterator[tuple[re.Pattern[str], str, Mapping[str, Any]]]:
    bases = [urlsplit(server["url"]).path.rstrip("/") for server in document.get("servers", [])] or [""]
    for path, item in document["paths"].items():
        shape = re.sub(r"\\\{[^}]+\\\}", "([^/]+)", re.escape(path))
        base = "|".join(sorted({re.escape(base) for base in bases}))
        yield re.compile(f"(?:{base}){shape}"), f"#/paths/{_escaped(path)}", item


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """A form's or a query's text as the type that the contract declares."""
    kind = schema.get("type")
    if kind == "array":
        return value if isinstance(value, list) else [value]
    if kind in ("integer", "number") and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return int(value) if kind == "integer" else float(value)
    return {"true": True, "false": False}.get(value, value) if kind == "boolean" else value
