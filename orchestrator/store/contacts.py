"""Contacts: imported, sealed, looked up by keyed hash, left alone once they said so, forgotten whole."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, delete, literal_column, or_, select, tuple_, update

from orchestrator.store.contact_rows import JSON_LINES, MEDIUMS, Refused, Row, rows
from orchestrator.store.engine import insert_into
from orchestrator.store.measures import NewEvent, append_events, millis
from orchestrator.store.tables import OF_CONTACT, consents, contacts, deliveries, events, suppressions
from orchestrator.store.vault import Vault, bucket

if TYPE_CHECKING:
    from orchestrator.store import Store

BATCH = 2_000  #: rows in one transaction
SHOWN = 20  #: problems told one by one
FORGOTTEN = "forgotten"
UNFOLLOWED = "unfollowed"  #: the one reason that ends by itself: when they follow again


@dataclass(frozen=True, slots=True)
class Person:
    """One contact, opened: for the moment of writing to them, or for an export."""

    id: int
    medium: str
    address: str
    name: str
    market: str
    locale: str
    zone: str
    fields: Mapping[str, str] = field(repr=False)
    segment: Mapping[str, Any] = field(repr=False)


@dataclass(slots=True)
class Imported:
    """What an import did."""

    added: int = 0
    updated: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)  #: the first of them, each `file:line: …`
    rejects: Path | None = None  #: where every refused row went

    @property
    def read(self) -> int:
        return self.added + self.updated + self.refused


# Importing


def import_file(
    store: Store,
    path: Path,
    *,
    now: datetime,
    market: str = "",
    segment: Collection[str] = (),
    on_progress: Callable[[int], None] | None = None,
) -> Imported:
    """Take a CSV or JSON-lines file in, in transactions of a few thousand rows; see `contact_rows.rows`.

    An address that is known is brought up to date, so a file may be imported again, or after a crash. Rows
    that cannot be taken are written beside the file as `<name>.rejects.jsonl`, for nobody else to read.
    """
    store.vault.need()
    done = Imported()
    source = rows(path, market=market, segment=segment)
    with _Rejects(path) as rejects:
        while batch := list(islice(source, BATCH)):
            good = [row for row in batch if isinstance(row, Row)]
            bad = [row for row in batch if isinstance(row, Refused)]
            with store.begin() as connection:
                added, updated, more = take(connection, store.vault, good, now)
            done.added += added
            done.updated += updated
            for refused in sorted([*bad, *more], key=lambda row: row.line):
                done.refused += 1
                rejects.write(refused)
                if len(done.problems) < SHOWN:
                    done.problems.append(f"{path}:{refused.line}: {refused.why}")
            if on_progress:
                on_progress(done.read)
    done.rejects = rejects.written
    return done


class _Rejects:
    """The file of refused rows, made when the first one comes."""

    def __init__(self, source: Path) -> None:
        self._path = source.with_name(f"{source.name}.rejects.jsonl")
        self._file: Any = None

    @property
    def written(self) -> Path | None:
        return self._path if self._file else None

    def write(self, row: Refused) -> None:
        if self._file is None:
            mode = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
            self._file = open(os.open(self._path, mode, 0o600), "w", encoding="utf-8")  # noqa: SIM115
        told = {"line": row.line, "why": row.why, "row": row.text}
        self._file.write(json.dumps(told, ensure_ascii=False).encode(errors="replace").decode() + "\n")

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()


def take(
    connection: Connection, vault: Vault, good: Sequence[Row], now: datetime
) -> tuple[int, int, list[Refused]]:
    """Write one batch; gives how many were new, how many known, and who asked to be forgotten."""
    by_key = {(row.medium, vault.fingerprint(row.medium, row.address)): row for row in good}
    barred = _forgotten(connection, by_key)
    refused = [
        Refused(by_key[key].line, "this person asked to be forgotten; nothing was kept", "") for key in barred
    ]
    taken = {key: row for key, row in by_key.items() if key not in barred}
    known = _ids(connection, taken)
    if taken:
        values = [_sealed(vault, key, row, now) for key, row in taken.items()]
        connection.execute(_upsert(connection), values)
        _permit(connection, _ids(connection, taken), taken)
    new = len(taken) - len(known)
    return new, len(good) - new - len(refused), refused


Key = tuple[str, bytes]


def _forgotten(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    query = select(suppressions.c.medium, suppressions.c.address_hash).where(
        suppressions.c.address_hash.in_([digest for _, digest in keys]), suppressions.c.why == FORGOTTEN
    )
    return {(medium, digest) for medium, digest in connection.execute(query)} & set(keys)


def _ids(connection: Connection, keys: Iterable[Key]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    by_medium: dict[str, list[bytes]] = {}
    for medium, digest in keys:
        by_medium.setdefault(medium, []).append(digest)
    for medium, digests in by_medium.items():
        query = select(contacts.c.address_hash, contacts.c.id).where(
            contacts.c.medium == medium, contacts.c.address_hash.in_(digests)
        )
        found |= {(medium, digest): id_ for digest, id_ in connection.execute(query)}
    return found


def _context(medium: str, digest: bytes) -> str:
    """What a sealed contact is bound to: moved to another row, it does not open."""
    return f"contact {medium} {digest.hex()}"


def _sealed(vault: Vault, key: Key, row: Row, now: datetime) -> dict[str, Any]:
    plain = json.dumps([row.address, row.name, row.fields], ensure_ascii=False, separators=(",", ":"))
    return {
        "medium": row.medium,
        "address_hash": key[1],
        "sealed": vault.seal(plain.encode(), _context(*key)),
        "market": row.market,
        "locale": row.locale,
        "zone": row.zone,
        "segment": dict(row.segment),
        "bucket": bucket(key[1]),
        "created_at": now,
    }


def _upsert(connection: Connection) -> Any:
    new = insert_into(connection, contacts)
    fresh = {name: new.excluded[name] for name in ("sealed", "market", "locale", "zone", "segment")}
    return new.on_conflict_do_update(index_elements=["medium", "address_hash"], set_=fresh)


def _permit(connection: Connection, ids: Mapping[Key, int], taken: Mapping[Key, Row]) -> None:
    """Keep each consent; one that was withdrawn comes back only by a later one."""
    given = {
        (ids[key], row.consent.kind): row.consent for key, row in taken.items() if row.consent is not None
    }
    query = select(consents).where(consents.c.contact_id.in_([contact for contact, _ in given]))
    for old in connection.execute(query):
        new = given.get((old.contact_id, old.kind))
        last = max(old.given_on, old.withdrawn_at.date()) if old.withdrawn_at else old.given_on
        if new and new.given_on <= last:
            del given[old.contact_id, old.kind]
    if not given:
        return
    new_row = insert_into(connection, consents)
    names = ("given_on", "source", "withdrawn_at")
    statement = new_row.on_conflict_do_update(
        index_elements=["contact_id", "kind"], set_={name: new_row.excluded[name] for name in names}
    )
    values = [
        {
            "contact_id": contact,
            "kind": kind,
            "given_on": one.given_on,
            "source": one.source,
            "withdrawn_at": None,
        }
        for (contact, kind), one in given.items()
    ]
    connection.execute(statement, values)


# Reading


def load(connection: Connection, vault: Vault, ids: Collection[int]) -> dict[int, Person]:
    """Open these contacts; whoever was forgotten, or never was, is not in the answer."""
    query = select(contacts).where(contacts.c.id.in_(list(ids)), contacts.c.sealed.is_not(None))
    return {row.id: _opened(vault, row) for row in connection.execute(query)}


def find(connection: Connection, vault: Vault, address: str) -> dict[int, str]:
    """The contacts at this address and the medium of each: one address may be a phone and a WhatsApp."""
    keys = [(medium, vault.fingerprint(medium, address)) for medium in MEDIUMS]
    return {id_: medium for (medium, _), id_ in _ids(connection, keys).items()}


def people(store: Store) -> Iterator[Person]:
    """Every contact, opened, in pages; no transaction stays open between them."""
    last = 0
    while True:
        query = select(contacts).where(contacts.c.id > last, contacts.c.sealed.is_not(None))
        with store.read() as connection:
            page = connection.execute(query.order_by(contacts.c.id).limit(BATCH)).all()
        if not page:
            return
        yield from (_opened(store.vault, row) for row in page)
        last = page[-1].id


def export(store: Store, path: Path) -> int:
    """Write every contact, opened, as JSON lines or CSV by the file's name, for `import_file` to read."""
    store.vault.need()
    columns = None if path.suffix.lower() in JSON_LINES else _columns(store)
    count = 0
    private = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with open(private, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns) if columns else None
        if table:
            table.writeheader()
        for row in _exported(store):
            if table:
                table.writerow(row)
            else:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _exported(store: Store) -> Iterator[dict[str, Any]]:
    source = people(store)
    while page := list(islice(source, BATCH)):
        query = select(consents).where(
            consents.c.contact_id.in_([person.id for person in page]), consents.c.withdrawn_at.is_(None)
        )
        with store.read() as connection:
            given = {row.contact_id: row for row in connection.execute(query)}
        for person in page:
            row: dict[str, Any] = {
                name: getattr(person, name)
                for name in ("medium", "address", "name", "market", "locale", "zone")
            }
            row |= {f"segment.{name}": value for name, value in person.segment.items()} | dict(person.fields)
            if consent := given.get(person.id):
                row |= {
                    "consent": consent.kind,
                    "consent_on": consent.given_on.isoformat(),
                    "consent_source": consent.source,
                }
            yield row


def _columns(store: Store) -> list[str]:
    names: dict[str, None] = {}
    for row in _exported(store):
        names |= dict.fromkeys(row)
    return list(names)


def _opened(vault: Vault, row: Any) -> Person:
    plain = vault.unseal(row.sealed, _context(row.medium, row.address_hash))
    address, name, fields = json.loads(plain)
    return Person(
        row.id, row.medium, address, name, row.market, row.locale, row.zone, fields, dict(row.segment)
    )


# Saying no


def unsubscribe_token(vault: Vault, contact_id: int, delivery_id: int = 0) -> str:
    """What stands in an unsubscribe link: signed, and no address in it."""
    return vault.token("unsubscribe", (contact_id, delivery_id))


def unsubscribe(
    connection: Connection, contact_id: int, delivery_id: int, now: datetime, why: str = "unsubscribed"
) -> bool:
    """Never write to this contact again, and keep that it was this delivery that ended it.

    True where this is news; asking twice is as good as asking once.
    """
    row = connection.execute(
        select(contacts.c.medium, contacts.c.address_hash).where(contacts.c.id == contact_id)
    ).one_or_none()
    if row is None:
        return False
    _withdraw(connection, [contact_id], now)
    news = _suppress(connection, (row.medium, row.address_hash), why, now)
    placement = connection.execute(
        select(deliveries.c.placement_id).where(
            deliveries.c.id == delivery_id, deliveries.c.contact_id == contact_id
        )
    ).scalar()
    event = NewEvent("contacts", f"{why}:{contact_id}", why, millis(now), placement or 0, contact_id)
    append_events(connection, [event])
    return news


def unsubscribe_address(
    connection: Connection, vault: Vault, address: str, why: str, now: datetime, medium: str = ""
) -> None:
    """The same for an address that a platform names, known to us or not."""
    found = find(connection, vault, address)
    for contact_id, theirs in found.items():
        if medium in ("", theirs):
            unsubscribe(connection, contact_id, 0, now, why)
    if not found:
        suppress(connection, vault, medium or _medium_of(address), address, why, now)


def suppress(
    connection: Connection, vault: Vault, medium: str, address: str, why: str, now: datetime
) -> bool:
    """Never contact this address, whoever it belongs to; True where this is news."""
    return _suppress(connection, (medium, vault.fingerprint(medium, address)), why, now)


def unfollowed(
    connection: Connection, vault: Vault, address: str, medium: str, contact_id: int, at: datetime
) -> None:
    """The account reaches this address no more, until it is followed again; what they agreed to stands.

    Platforms tell things again and in any order: what is older than a follow that we know changes nothing.
    """
    followed = select(events.c.id).where(
        events.c.contact_id == contact_id, literal_column(OF_CONTACT), events.c.kind == "followed"
    )
    if contact_id and connection.execute(followed.where(events.c.occurred_at >= at).limit(1)).first():
        return
    _suppress(connection, (medium, vault.fingerprint(medium, address)), UNFOLLOWED, at)


def followed(connection: Connection, vault: Vault, address: str, medium: str, at: datetime) -> None:
    """They follow again: whoever said nothing else since can be reached."""
    connection.execute(
        delete(suppressions).where(
            suppressions.c.medium == medium,
            suppressions.c.address_hash == vault.fingerprint(medium, address),
            suppressions.c.why == UNFOLLOWED,
            suppressions.c.since_at <= at,
        )
    )


def forget(connection: Connection, vault: Vault, address: str, now: datetime) -> int:
    """Take away all that says who this was; the hash that keeps them from being written to stays.

    Gives how many contacts were forgotten. What was sent stays counted, without a name.
    """
    found = find(connection, vault, address)
    for medium in set(found.values()) or {_medium_of(address)}:
        key = (medium, vault.fingerprint(medium, address))
        connection.execute(
            delete(suppressions).where(tuple_(suppressions.c.medium, suppressions.c.address_hash) == key)
        )
        _suppress(connection, key, FORGOTTEN, now)
    ids = list(found)
    _withdraw(connection, ids, now)
    theirs = deliveries.c.contact_id.in_(ids)
    connection.execute(update(deliveries).where(theirs).values(personal=None))
    connection.execute(
        update(deliveries)
        .where(theirs, deliveries.c.state == "planned")
        .values(state="skipped", why=FORGOTTEN)
    )
    blank: dict[str, Any] = {"sealed": None, "segment": {}, "locale": "", "zone": ""}
    connection.execute(update(contacts).where(contacts.c.id.in_(ids)).values(**blank))
    return len(ids)


def _medium_of(address: str) -> str:
    if "@" in address:
        return "email"
    return "phone" if address.lstrip().startswith(("+", "00")) else "line"


def _withdraw(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    connection.execute(
        update(consents)
        .where(consents.c.contact_id.in_(ids), consents.c.withdrawn_at.is_(None))
        .values(withdrawn_at=now)
    )


def _suppress(connection: Connection, key: Key, why: str, now: datetime) -> bool:
    values = {"medium": key[0], "address_hash": key[1], "why": why, "since_at": now}
    written = insert_into(connection, suppressions).values(**values)
    new = written.excluded
    away = suppressions.c.why == UNFOLLOWED  # a person's own word is more, and nothing lifts it
    written = written.on_conflict_do_update(
        index_elements=["medium", "address_hash"],
        set_={"why": new.why, "since_at": new.since_at},
        where=and_(away, or_(new.why != UNFOLLOWED, new.since_at > suppressions.c.since_at)),
    )
    return connection.execute(written.returning(suppressions.c.why)).scalar() is not None


# Keys


def reseal(store: Store) -> int:
    """Seal again, in pages, what an older key sealed; gives how many. The first key stays for look-ups."""
    count, last = 0, 0
    while True:
        query = select(contacts.c.id, contacts.c.medium, contacts.c.address_hash, contacts.c.sealed)
        query = query.where(contacts.c.id > last, contacts.c.sealed.is_not(None))
        with store.begin() as connection:
            page = connection.execute(query.order_by(contacts.c.id).limit(BATCH)).all()
            if not page:
                return count
            for row in page:
                if store.vault.current(row.sealed):
                    continue
                context = _context(row.medium, row.address_hash)
                sealed = store.vault.seal(store.vault.unseal(row.sealed, context), context)
                connection.execute(update(contacts).where(contacts.c.id == row.id).values(sealed=sealed))
                count += 1
        last = page[-1].id
