"""What the platforms told of our accounts, and the tokens that were renewed since they were set up."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from pydantic import SecretStr
from sqlalchemy import Connection, select, update

from channels.base import AccountFacts, Credentials
from orchestrator.store import accounts, holds
from orchestrator.store.tables import AccountState, Table

if TYPE_CHECKING:
    from orchestrator.store.vault import Vault

_rows = Table.metadata.tables[str(AccountState.__tablename__)]
_LEASE = timedelta(minutes=3)  #: longer than a renewal takes; a process that was killed holds it no longer


def learn(connection: Connection, name: str, facts: AccountFacts, now: datetime) -> None:
    """Keep what `check` learnt: it overrides the channel's defaults from here on."""
    accounts.load(connection, name)
    told = {"facts": msgspec.to_builtins(facts), "facts_at": now, "expires_at": facts.expires_at}
    connection.execute(update(_rows).where(_rows.c.name == name).values(**told))


def learnt(connection: Connection) -> dict[str, AccountFacts]:
    """What is known of each account that was ever checked."""
    query = select(_rows.c.name, _rows.c.facts).where(_rows.c.facts.is_not(None))
    return {name: msgspec.convert(told, AccountFacts) for name, told in connection.execute(query)}


def expiring(connection: Connection, before: datetime) -> dict[str, datetime]:
    """Accounts whose token ends before a moment, and when."""
    query = select(_rows.c.name, _rows.c.expires_at).where(_rows.c.expires_at < before)
    return dict(connection.execute(query.order_by(_rows.c.expires_at)).all())


def keep(connection: Connection, vault: Vault, name: str, renewed: Credentials) -> None:
    """Seal renewed tokens; the ones before are gone with the same write."""
    accounts.load(connection, name)
    values = {key: secret.get_secret_value() for key, secret in renewed.values.items()}
    sealed = vault.seal(json.dumps(values).encode(), f"account:{name}")
    kept = {"credentials": sealed, "expires_at": renewed.expires_at}
    connection.execute(update(_rows).where(_rows.c.name == name).values(**kept))


def claim(connection: Connection, vault: Vault, name: str, worker: str, now: datetime) -> Credentials | None:
    """The tokens to renew, held for this process alone; None where another one renews them at this moment."""
    if not holds.take(connection, f"tokens of {name}", worker, now, now + _LEASE):
        return None
    return credentials(connection, vault, name)


def rotate(
    connection: Connection, vault: Vault, name: str, before: Credentials, renewed: Credentials
) -> Credentials:
    """Keep what was renewed from `before`; where a person has logged in meanwhile, theirs stay."""
    accounts.load(connection, name)
    if credentials(connection, vault, name) == before:
        keep(connection, vault, name, renewed)
    return credentials(connection, vault, name)


def give_back(connection: Connection, name: str, worker: str) -> None:
    """The renewal is over, whatever came of it."""
    holds.give_back(connection, f"tokens of {name}", worker)


def credentials(connection: Connection, vault: Vault, name: str) -> Credentials:
    """An account's renewed tokens; none where its settings' own are still the newest."""
    query = select(_rows.c.credentials, _rows.c.expires_at).where(_rows.c.name == name)
    row = connection.execute(query).one_or_none()
    if row is None or row.credentials is None:
        return Credentials()
    values = json.loads(vault.unseal(row.credentials, f"account:{name}"))
    return Credentials({key: SecretStr(value) for key, value in values.items()}, row.expires_at)
