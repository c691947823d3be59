"""An account's settings: checked without their secrets, and filled with them when it is time to publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError

from locales.document import Document, Problem, SpecError, ValuePath
from locales.sentences import findings, types_at, unknown
from orchestrator.forms import SECRET

if TYPE_CHECKING:
    from channels.base import Settings
    from orchestrator.workspace import Account

MOST_BYTES = 64 << 10  #: of a file that holds a secret
_KEEP = "keep it outside, and write env:NAME or file:PATH"


@dataclass(frozen=True, slots=True)
class Missing:
    """The account cannot post yet: what its settings lack, such as `env:MASTODON_TOKEN`."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"without {', '.join(self.names)}"


def problems(document: Document, name: str, account: Account) -> list[Problem]:
    """What is wrong with one account's channel and settings, as they are written in `document`."""
    import channels

    if not channels.exists(account.channel):
        text = f'"{account.channel}" is {unknown(account.channel, channels.names())}'
        return [document.problem((name, "channel"), text)]
    if not account.settings:
        return []
    model = channels.load(account.channel).settings_type
    secrets = dict(_secrets(account.settings, model))
    inside: ValuePath = (name, "settings")
    found = [
        document.problem(inside + path, f"a secret is written out; {_KEEP}")
        for path, written in secrets.items()
        if not SECRET.fullmatch(str(written))
    ]
    try:
        model.model_validate(account.settings)
    except ValidationError as error:
        found += [
            document.problem(inside + each.path, each.text, key=each.key)
            for each in findings(error, account.settings, model)
            if each.path not in secrets
        ]
    return found


def without_secrets(account: Account) -> Settings | None:
    """The settings as far as they say anything with no secret in place; None where they do not say enough."""
    import channels

    model = channels.load(account.channel).settings_type
    values: Any = account.settings
    for (name, *rest), _ in _secrets(account.settings, model):
        if not rest and not model.model_fields[str(name)].is_required():
            values = {key: value for key, value in values.items() if key != name}
    try:
        return model.model_validate(values)
    except ValidationError:
        return None


def resolve_secrets(
    account: Account, environ: Mapping[str, str], *, root: Path = Path(), file: str = "accounts.yaml"
) -> Settings | Missing:
    """The settings with every secret in place, or what is missing; SpecError where a secret does not fit.

    Paths, of secrets and of settings, are the workspace's, unless they are absolute.
    """
    import channels

    model = channels.load(account.channel).settings_type
    if not account.settings and any(info.is_required() for info in model.model_fields.values()):
        return Missing(("settings",))
    missing: list[str] = []
    values: Any = account.settings
    secrets = dict(_secrets(account.settings, model))
    for path, written in secrets.items():
        if (secret := read_secret(str(written), environ, root)) is None:
            missing.append(str(written))
        else:
            values = _with(values, path, secret)
    if missing:
        return Missing(tuple(dict.fromkeys(missing)))
    for path in _paths(values, model):
        values = _with(values, path, str(root / _value(values, path)))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise SpecError(_unfit(error, values, model, secrets, file)) from None


def _unfit(
    error: ValidationError, values: Any, model: Any, secrets: Mapping[ValuePath, Any], file: str
) -> Iterator[Problem]:
    for each in findings(error, values, model):
        path = ".".join(map(str, each.path))
        if each.path in secrets:
            yield Problem(
                file, path=path, text=f"what {secrets[each.path]} holds does not fit; write another there"
            )
        else:
            yield Problem(file, path=path, text=each.text)


def read_secret(written: str, environ: Mapping[str, str], root: Path) -> str | None:
    """What a reference leads to; None where there is nothing."""
    kind, _, name = written.partition(":")
    if kind == "env":
        return environ.get(name) or None
    try:
        with (root / name).open(encoding="utf-8") as stream:
            return stream.read(MOST_BYTES).strip() or None
    except (OSError, ValueError):
        return None


def _secrets(settings: Any, model: Any) -> Iterator[tuple[ValuePath, Any]]:
    """Every written value that the channel keeps secret, with its path."""
    return ((path, value) for path, value in _leaves(settings, ()) if SecretStr in types_at(model, path))


def _paths(settings: Any, model: Any) -> list[ValuePath]:
    return [path for path, _ in _leaves(settings, ()) if Path in types_at(model, path)]


def _leaves(value: Any, path: ValuePath) -> Iterator[tuple[ValuePath, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _value(values: Any, path: ValuePath) -> Any:
    for part in path:
        values = values[part]
    return values


def _with(values: Any, path: ValuePath, new: str) -> Any:
    """A copy of `values` in which the leaf at `path` is `new`."""
    if not path:
        return new
    part, rest = path[0], path[1:]
    if isinstance(values, list):
        return [_with(each, rest, new) if index == part else each for index, each in enumerate(values)]
    return {key: _with(each, rest, new) if key == part else each for key, each in values.items()}
