"""Discount codes in pools: taken in sealed, each given to one message of one person and never to another."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, and_, case, func, select, text, update

from orchestrator.store.engine import insert_into
from orchestrator.store.errors import StoreError
from orchestrator.store.hot import Statement
from orchestrator.store.tables import codes, millis, placements

if TYPE_CHECKING:
    from orchestrator.store import Store
    from orchestrator.store.vault import Vault

BATCH = 2_000  #: codes in one transaction
SHOWN = 20  #: problems told one by one
LONGEST = 64
_CODE = re.compile(r"[^\W_](?:[\w.+-]*[^\W_])?")


@dataclass(slots=True)
class Imported:
    """What an import did."""

    added: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)  #: the first of them, each `file:line: …`


class Standing(NamedTuple):
    """How many codes of one pool are where: of one campaign, or of none yet."""

    pool: str
    campaign: str  #: empty: given to nobody
    free: int
    reserved: int  #: frozen with an intent; the message is not known to be out
    used: int  #: their message was sent
    redeemed: int  #: of all that were given: those that an order came with
    held: int  #: free in a backup that was restored: given since, perhaps


# Importing


def import_file(
    store: Store, pool: str, path: Path, *, on_progress: Callable[[int], None] | None = None
) -> Imported:
    """Take codes in: a CSV file with a column `code`, or a code a line; streamed, a batch a transaction.

    What is no code, or stands in a pool already, is refused with its line. After a restore a code that nobody
    was given is free again once it is imported again: the shop knows which were not used.
    """
    store.vault.need()
    done, read = Imported(), 0
    source = _rows(path)
    while batch := list(islice(source, BATCH)):
        read += len(batch)
        refused = [(line, why) for line, _, why in batch if why]
        with store.begin() as connection:
            added, more = _take(
                connection, store.vault, pool, [(line, code) for line, code, why in batch if not why]
            )
        done.added += added
        for line, why in sorted([*refused, *more]):
            done.refused += 1
            if len(done.problems) < SHOWN:
                done.problems.append(f"{path}:{line}: {why}")
        if on_progress:
            on_progress(read)
    return done


def make_up(store: Store, pool: str, count: int) -> None:
    """So many more codes that buy nothing, for a rehearsal."""
    with store.begin() as connection:
        before = connection.execute(select(func.count()).where(codes.c.pool == pool)).scalar_one()
        rows = [(n, f"SAMPLE-{pool}-{n}".upper()) for n in range(before + 1, before + count + 1)]
        _take(connection, store.vault, pool, rows)


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Each line's number, its code, and what is wrong with it."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        written = _column(file, path) if path.suffix.lower() == ".csv" else enumerate(file, 1)
        for line, value in written:
            if code := value.strip():
                yield line, code, _wrong(code)


def _column(file: Iterable[str], path: Path) -> Iterator[tuple[int, str]]:
    """The column `code` of a table, or the one column that there is."""
    table = csv.reader(line.replace("\0", "\ufffd") for line in file)
    at = 0
    for row in table:
        if table.line_num == 1:
            names = [name.strip().lower() for name in row]
            if "code" in names:
                at = names.index("code")
                continue
            if len(row) > 1:
                raise StoreError(f"{path}:1: no column is called code; there are {', '.join(names)}")
        if row:
            yield table.line_num, row[at] if at < len(row) else ""


def _wrong(code: str) -> str:
    if len(code) > LONGEST:
        return f"a code of {len(code)} characters; it may have {LONGEST}"
    if not _CODE.fullmatch(code):
        return "not a code; it has letters and digits, and between them . + - and _"
    return ""


def _take(
    connection: Connection, vault: Vault, pool: str, rows: Sequence[tuple[int, str]]
) -> tuple[int, list[tuple[int, str]]]:
    """Write one batch; gives how many were new, and the lines of those that were not."""
    refused: list[tuple[int, str]] = []
    fresh: dict[bytes, tuple[int, str]] = {}
    for line, code in rows:
        key = digest(vault, code)
        if key in fresh:
            refused.append((line, f"the code of line {fresh[key][0]} again"))
        else:
            fresh[key] = line, code
    now, known, again = epoch(connection), _known(connection, [*fresh]), []
    for key, row in known.items():
        if row.pool == pool and row.placement_id is None and row.epoch < now:
            again.append(row.id)
        else:
            refused.append((fresh[key][0], f"stands in the pool {row.pool} already"))
    if again:
        connection.execute(update(codes).where(codes.c.id.in_(again)).values(epoch=now))
    new = [
        {"pool": pool, "digest": key, "sealed": vault.seal(code.encode(), _context(key)), "epoch": now}
        for key, (_, code) in fresh.items()
        if key not in known
    ]
    if new:
        connection.execute(insert_into(connection, codes).on_conflict_do_nothing(), new)
    return len(new) + len(again), refused


def _known(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, Any]:
    return {row.digest: row for row in connection.execute(select(codes).where(codes.c.digest.in_(digests)))}


def epoch(connection: Connection) -> int:
    """How often this store came back from a backup: a code of an earlier time may have been given since."""
    found = connection.execute(text("SELECT value FROM settings WHERE name = 'epoch'"))
    return int(found.scalar_one())


def digest(vault: Vault, code: str) -> bytes:
    """What a code is looked up by; people write it in either case."""
    return vault.fingerprint("code", unicodedata.normalize("NFKC", code.strip()).casefold())


def _context(key: bytes) -> str:
    """What a sealed code is bound to: moved to another row, it does not open."""
    return f"code {key.hex()}"


# Giving


_GIVEN = Statement(
    "SELECT contact_id, digest, sealed FROM codes"
    " WHERE placement_id = :placement AND contact_id IN [contacts]"
)
_NEXT = (
    "SELECT id, digest, sealed FROM codes WHERE pool = :pool AND placement_id IS NULL AND epoch = :epoch"
    " ORDER BY id LIMIT :most"
)
_FREE, _FREE_LOCKED = Statement(_NEXT), Statement(f"{_NEXT} FOR UPDATE SKIP LOCKED")
_GIVE = Statement(
    "UPDATE codes SET placement_id = :placement, contact_id = :contact, given_at = :now WHERE id = :id"
)


def give(
    connection: Connection, vault: Vault, pool: str, placement: int, contacts: Collection[int], now: datetime
) -> dict[int, str]:
    """Each contact's own code for one placement; who is missing in the answer found the pool empty.

    Runs in the transaction of the intents, so that a code and its message are kept together or not at all.
    Once given it stays theirs, whatever becomes of the message: a code that may be known is never free again.
    """
    bound = {"placement": placement, "contacts": list(contacts)}
    found = {contact: (key, sealed) for contact, key, sealed in _GIVEN(connection, bound)}
    lacking = [contact for contact in contacts if contact not in found]
    if lacking:
        free = _FREE if connection.dialect.name == "sqlite" else _FREE_LOCKED
        wanted = {"pool": pool, "epoch": epoch(connection), "most": len(lacking)}
        fresh = dict(zip(lacking, free(connection, wanted), strict=False))
        if fresh:
            given = {"placement": placement, "now": millis(now)}
            rows = [{**given, "contact": contact, "id": id_} for contact, (id_, _, _) in fresh.items()]
            _GIVE(connection, rows)
        found |= {contact: (key, sealed) for contact, (_, key, sealed) in fresh.items()}
    return {contact: vault.unseal(sealed, _context(key)).decode() for contact, (key, sealed) in found.items()}


def is_empty(connection: Connection, pool: str) -> bool:
    return not _FREE(connection, {"pool": pool, "epoch": epoch(connection), "most": 1})


# Looking


class Owner(NamedTuple):
    """Whom a code was given to, and by which placement's message."""

    placement_id: int
    contact_id: int


def redeemed(connection: Connection, vault: Vault, code: str, at: datetime) -> Owner | None:
    """An order came with this code: whose it was, kept as redeemed; None where it was given to nobody."""
    row = _known(connection, [key := digest(vault, code)]).get(key)
    if row is None or row.placement_id is None:
        return None
    if row.redeemed_at is None:
        connection.execute(update(codes).where(codes.c.id == row.id).values(redeemed_at=at))
    return Owner(row.placement_id, row.contact_id)


def any_given(connection: Connection) -> bool:
    """Whether a pool has given a code at all: most shops have none, and look none up."""
    return (
        connection.execute(select(codes.c.id).where(codes.c.placement_id.is_not(None)).limit(1)).first()
        is not None
    )


def standing(connection: Connection) -> list[Standing]:
    """Every pool, by the campaigns its codes were given for; what is free is a row without a campaign."""
    rows = connection.execute(_STANDING, {"epoch": epoch(connection)})
    return [Standing._make(row) for row in rows]


_SENT = (
    "EXISTS (SELECT 1 FROM deliveries d WHERE d.placement_id = c.placement_id"
    " AND d.contact_id = c.contact_id AND d.state = 'sent')"
)
_STANDING = text(
    "SELECT g.pool, g.campaign, SUM(g.free), SUM(g.given - g.used), SUM(g.used), SUM(g.redeemed),"  # noqa: S608
    " SUM(g.held)"
    " FROM (SELECT c.pool, COALESCE(p.campaign, '') AS campaign,"
    " CASE WHEN c.placement_id IS NULL AND c.epoch = :epoch THEN 1 ELSE 0 END AS free,"
    " CASE WHEN c.placement_id IS NULL AND c.epoch <> :epoch THEN 1 ELSE 0 END AS held,"
    " CASE WHEN c.placement_id IS NULL THEN 0 ELSE 1 END AS given,"
    f" CASE WHEN {_SENT} THEN 1 ELSE 0 END AS used,"
    " CASE WHEN c.redeemed_at IS NULL THEN 0 ELSE 1 END AS redeemed"
    " FROM codes c LEFT JOIN placements p ON p.id = c.placement_id) g"
    " GROUP BY g.pool, g.campaign ORDER BY g.pool, g.campaign"
)


def free(connection: Connection) -> dict[str, int]:
    """How many codes each pool can still give."""
    mine = func.sum(
        case((and_(codes.c.placement_id.is_(None), codes.c.epoch == epoch(connection)), 1), else_=0)
    )
    return {pool: int(n) for pool, n in connection.execute(select(codes.c.pool, mine).group_by(codes.c.pool))}


def given(connection: Connection, keys: Collection[str]) -> int:
    """How many codes the placements of these keys have given already."""
    query = select(func.count()).select_from(codes.join(placements, placements.c.id == codes.c.placement_id))
    return int(connection.execute(query.where(placements.c.key.in_(keys))).scalar_one())


# Keys


def reseal(store: Store) -> int:
    """Seal again, in pages, what an older key sealed; gives how many."""
    count, last = 0, 0
    while True:
        query = select(codes.c.id, codes.c.digest, codes.c.sealed).where(codes.c.id > last)
        with store.begin() as connection:
            page = connection.execute(query.order_by(codes.c.id).limit(BATCH)).all()
            if not page:
                return count
            for row in page:
                if not store.vault.current(row.sealed):
                    plain = store.vault.unseal(row.sealed, _context(row.digest))
                    sealed = store.vault.seal(plain, _context(row.digest))
                    connection.execute(update(codes).where(codes.c.id == row.id).values(sealed=sealed))
                    count += 1
        last = page[-1].id
