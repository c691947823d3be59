"""What products cost before, what the law makes of it today, and bringing the shop's own record in."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import desk
from orchestrator.cli.output import ChargedOut, PricesOut
from orchestrator.cli.shell import (
    DONE,
    PROBLEMS,
    USAGE,
    Sentence,
    complain,
    console,
    here,
    new_app,
    progress,
    write_json,
)
from orchestrator.cli.spoken import unknown
from orchestrator.cli.words import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.pricebook import Standing
    from orchestrator.prior import Charged
    from orchestrator.store.prices import Place
    from orchestrator.workspace import Workspace

app = new_app()


@app.command(
    help=say("What products cost before, and what the law makes of it today; import FILE: bring a record in.")
)
def prices(
    product: Annotated[str, typer.Argument(help=say("a product's id, or import"))] = "",
    file: Annotated[
        Path | None,
        typer.Argument(help=say("CSV or JSON lines with columns product, market, price, from and to")),
    ] = None,
    market: Annotated[str, typer.Option("--market", help=say("such as DE; none means all"))] = "",
    json: Annotated[bool, typer.Option("--json", help=say("one JSON document on standard output"))] = False,
) -> None:
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    if product == "import":
        if file is None:
            raise Sentence(say("import: names no file; write silkpost prices import FILE"), USAGE)
        raise typer.Exit(PROBLEMS if _import(workspace, file) else DONE)
    if file is not None:
        raise Sentence(say('"%(act)s" takes no file; write silkpost prices import FILE', act=product), USAGE)
    found = _history(workspace, product, market.upper())
    if json:
        write_json(found)
        return
    out = console()
    for name in dict.fromkeys(row["product"] for row in found):
        out.print(name, style="bold")
        for row in found:
            if row["product"] == name:
                out.print(f"  {row['market']}  {row['price'] or '–'} · {_rule(row)}")
                for charged in row["charged"]:
                    out.print(f"      {_charged(charged)}", style="dim")
    if not found:
        out.print(say("no price is fixed or on record here"))


def _import(workspace: Workspace, file: Path) -> int:
    """Take a file in; how many rows were refused."""
    from orchestrator.price_file import import_file

    if not file.is_file():
        raise Sentence(say("%(file)s: there is no such file", file=file))
    with desk.open_store(workspace, create=True) as store, progress(say("prices")) as tell:
        done = import_file(store, file, workspace, desk.now(), on_progress=tell)
    for problem in done.problems:
        complain(problem)
    if done.refused > len(done.problems):
        complain(say("and %(count)s more like these", count=f"{done.refused - len(done.problems):,}"))
    told = say(
        "%(added)s added, %(updated)s changed, %(known)s known before, %(refused)s refused",
        added=f"{done.added:,}",
        updated=f"{done.updated:,}",
        known=f"{done.known:,}",
        refused=f"{done.refused:,}",
    )
    console().print(told)
    return done.refused


def _history(workspace: Workspace, product: str, code: str) -> list[PricesOut]:
    """Every product and market of which something is fixed or on record, or the ones that are named."""
    from locales.market import codes
    from locales.sentences import shown
    from orchestrator.pricebook import standings

    if product and product not in workspace.products:
        what = unknown(product, tuple(workspace.products))
        raise Sentence(say("product %(name)s is %(what)s", name=shown(product), what=what))
    if code and code not in (known := codes(workspace.markets_folder)):
        raise Sentence(say("market %(name)s is %(what)s", name=shown(code), what=unknown(code, known)))
    names = [product] if product else list(workspace.products)
    record: Mapping[Place, Sequence[Charged]] = {}
    if desk.store_exists(workspace):
        from orchestrator.store import prices as table

        with desk.open_store(workspace) as store, store.read() as connection:
            record = table.history(connection, names)
    found = standings(workspace, names, record, desk.now())
    return [_row(each) for each in found if code in ("", each.market)]


def _row(each: Standing) -> PricesOut:
    return {
        "product": each.product,
        "market": each.market,
        "price": str(each.price) if each.price else None,
        "fact": each.fact,
        "cited": each.cited,
        "basis": each.basis,
        "days": each.days,
        "lowest": str(each.lowest) if each.lowest else None,
        "on": each.on.isoformat() if each.on else None,
        "real": each.real,
        "prior": str(each.prior) if each.prior else None,
        "charged": [
            {
                "price": str(one.price),
                "from_at": one.from_at.isoformat(),
                "until_at": one.until_at.isoformat() if one.until_at else None,
                "source": one.source,
            }
            for one in each.charged
        ],
    }


def _rule(row: PricesOut) -> str:
    """What the law makes of today: `lowest of 30 days 19.90 EUR on 2026-11-02 (PAngV s. 11, …)`."""
    if not row["basis"]:
        return say("no rule of the price before")
    if row["price"] is None:
        return say("no fixed price to count from (%(law)s)", law=row["cited"])
    if row["basis"] == "lowest":
        if row["lowest"] is None and row["prior"]:
            told = say("lowest of %(days)s days: the record is too short, prior says %(price)s (%(law)s)")
        elif row["lowest"] is None:
            told = say("lowest of %(days)s days: the record is too short (%(law)s)")
        elif row["lowest"] == row["price"]:
            told = say("lowest of %(days)s days: the price now (%(law)s)")
        else:
            told = say("lowest of %(days)s days %(price)s on %(on)s (%(law)s)")
        price = row["lowest"] or row["prior"]
        return told % {"days": row["days"], "price": price, "on": (row["on"] or "")[:10], "law": row["cited"]}
    if row["real"] is None:
        return say("whether it was a real price is not on record (%(law)s)", law=row["cited"])
    if row["real"]:
        return say("a real price before: it held long enough (%(law)s)", law=row["cited"])
    return say("no price to count from: it did not hold long enough (%(law)s)", law=row["cited"])


def _charged(one: ChargedOut) -> str:
    last = one["until_at"] and datetime.fromisoformat(one["until_at"]) - timedelta(minutes=1)
    span = f"{one['from_at'][:10]} – {last:%Y-%m-%d}" if last else one["from_at"][:10]
    return f"{one['price']}  {span}" + ("" if one["source"] == "usual" else f"  {one['source']}")
