"""Creators as contacts: who we invite to a collab, by the business of it, under the creator's id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from orchestrator.store.contact_rows import Permission, Row
from orchestrator.store.contacts import find, load, take

if TYPE_CHECKING:
    from orchestrator.store import Store
    from orchestrator.workspace import Creator

MEDIUM = "email"


def keep(store: Store, creators: Mapping[str, Creator], now: datetime) -> int:
    """Bring these creators' addresses up to date; how many have one. Others get no invitation.

    Who is a customer too stays one: what was known of them is kept, the creator's id is added.
    """
    invited = {name: creator for name, creator in creators.items() if creator.email}
    if invited:
        with store.begin() as connection:
            rows = [_row(connection, store, name, creator, now) for name, creator in invited.items()]
            take(connection, store.vault, rows, now)
    return len(invited)


def _row(connection: Connection, store: Store, name: str, creator: Creator, now: datetime) -> Row:
    address = creator.email.get_secret_value() if creator.email else ""
    known = [id_ for id_, medium in find(connection, store.vault, address).items() if medium == MEDIUM]
    person = next(iter(load(connection, store.vault, known).values()), None)
    return Row(
        line=0,
        medium=MEDIUM,
        address=address,
        name=person.name if person else creator.name,
        market=creator.market,
        locale=creator.locale,
        zone=person.zone if person else "",
        segment={**(person.segment if person else {}), "creator": name},
        fields=person.fields if person else {},
        consent=Permission("business", now.date(), "creators.yaml"),
    )
