"""The operator's folder: read whole, every problem of every file at once, secrets kept out of sight."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from channels.mastodon import MastodonSettings
from locales.document import SpecError
from locales.money import Money
from orchestrator.credentials import Missing, resolve_secrets
from orchestrator.scaffold import scaffold
from orchestrator.workspace import Account, Workspace, load_all

Write = Callable[..., Path]

GOOD = {
    "silkpost.yaml": "shop: Lantern House\ncurrency: EUR\n",
    "accounts.yaml": """\
posts:
  channel: mastodon
  settings: {server: https://social.lantern-house.example, token: env:POSTS_TOKEN}
letters: {channel: email_smtp, sender: {US: {name: Lantern House, address: 1 Example Street}}}
""",
    "products.yaml": "lantern-red: {name: Red lantern, prices: {base: 36.90 EUR, US: 39.00 USD}}\n",
    "creators.yaml": "aoi: {name: Aoi, market: JP, locale: ja_JP, email: aoi@creators.example}\n",
    "audiences/readers.yaml": 'where: {orders: ">= 2", tier: [gold, silver]}\n',
    "calendar.yaml": "JP:\n  shop-birthday: [2026-06-01]\n",
    "campaigns/spring.yaml": """\
campaign: spring-2026
kind: holiday
day: shop-birthday
year: 2026
markets: [JP]
products: [lantern-red]
offer: {discount: 10%, starts: day 09:00, ends: day 21:00}
channels: [posts]
waves: {launch: {at: starts}}
""",
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the good folder, with some files changed; None leaves one out."""

    def write(changed: dict[str, str | None] | None = None) -> Path:
        for name, text in {**GOOD, **(changed or {})}.items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def told(folder: Path) -> list[str]:
    with pytest.raises(SpecError) as error:
        load_all(folder)
    return [str(problem) for problem in error.value.problems]


def test_a_good_folder_is_typed(write: Write) -> None:
    workspace, campaigns = load_all(write())
    assert workspace.settings.shop == "Lantern House"
    assert workspace.products["lantern-red"].prices["US"] == Money(Decimal("39.00"), "USD")
    assert workspace.audiences["readers"].where == {"orders": ">= 2", "tier": ["gold", "silver"]}
    assert workspace.calendar["JP"]["shop-birthday"] == [date(2026, 6, 1)]
    assert workspace.kind("posts") == ("broadcast", "")
    assert workspace.kind("letters") == ("direct", "email")
    assert [campaign.spec.campaign for campaign in campaigns] == ["spring-2026"]
    assert campaigns[0].file == "campaigns/spring.yaml"
    assert workspace.where("accounts.yaml", "letters") == "accounts.yaml:4"


def test_every_problem_of_every_file_comes_at_once(write: Write) -> None:
    found = told(
        write(
            {
                "silkpost.yaml": "shop: Lantern House\ncurency: EUR\n",
                "accounts.yaml": "posts: {channel: mastodn}\n",
                "products.yaml": "lantern-red: {name: Red, prices: {US: 39.00 EUR, UK: 32.00 GBP}}\n",
                "creators.yaml": "aoi: {name: Aoi, market: JP}\n",
                "audiences/readers.yaml": "consent: [optin]\n",
                "calendar.yaml": "JP: {shop-birthday: 2026-06-01}\n",
                "campaigns/spring.yaml": GOOD["campaigns/spring.yaml"].replace(
                    "kind: holiday", "kind: holidays"
                ),
            }
        )
    )
    assert found == [
        'accounts.yaml:1:18: posts.channel: "mastodn" is unknown; did you mean mastodon?',
        'audiences/readers.yaml:1:11: consent[0]: "optin" is unknown; did you mean opt_in?',
        'calendar.yaml:1:21: JP.shop-birthday: is one text, "2026-06-01"; write a list: [2026-06-01]',
        'campaigns/spring.yaml:2:7: kind: "holidays" is unknown; did you mean holiday?',
        "creators.yaml:1:1: aoi.locale: missing; write the locale to write to the creator in, such as ja_JP",
        "products.yaml:1:39: lantern-red.prices.US: 39.00 EUR is not in USD, the currency of US",
        "products.yaml:1:50: lantern-red.prices.UK: unknown; did you mean GB?",
        "silkpost.yaml:2:1: curency: unknown; did you mean currency?",
    ]  # fmt: skip


def test_a_folder_that_is_no_workspace_says_how_to_begin(tmp_path: Path) -> None:
    assert told(tmp_path) == [
        f"silkpost.yaml: {tmp_path} holds no silkpost.yaml; write one, or begin with silkpost init"
    ]


@pytest.mark.parametrize(
    ("account", "what"),
    [
        (
            "{channel: mastodon, settings: {server: https://a.example, token: hunter2hunter2}}",
            "1:74: posts.settings.token: a secret is written out; keep it outside, and write env:NAME",
        ),
        (
            "{channel: mastodon, settings: {server: a.example, token: env:T}}",
            '1:48: posts.settings.server: "a.example" does not fit; write it in the form ^https?://[^/\\s]+$',
        ),
        (
            "{channel: mastodon, settings: {sever: https://a.example, token: env:T}}",
            "1:40: posts.settings.sever: unknown; did you mean server?",
        ),
        (
            "{channel: mastodon, settings: {server: https://a.example}}",
            "1:29: posts.settings.token: missing; it has to be written",
        ),
        ("{channel: mastodon, markets: [JP, XX]}", '1:43: posts.markets[1]: "XX" is unknown'),
        (
            "{channel: mastodon, markets: [JP], locales: [de_DE]}",
            '1:54: posts.locales[0]: "de_DE" is unknown; write ja_JP',
        ),
        (
            "{channel: mastodon, quota: fast}",
            '1:36: posts.quota: "fast" is not a pace; write one such as 20 per 1m',
        ),
    ],
)  # fmt: skip
def test_an_accounts_settings_are_checked_where_they_stand(write: Write, account: str, what: str) -> None:
    found = told(write({"accounts.yaml": f"posts:  {account}\n"}))
    assert len(found) == 1
    assert found[0].startswith(f"accounts.yaml:{what}")
    assert "hunter2" not in found[0]


def test_the_stores_password_stays_outside(write: Write) -> None:
    found = told(write({"silkpost.yaml": "shop: L\nstore: postgresql://silkpost:hunter2@db/silkpost\n"}))
    assert found == [
        "silkpost.yaml:2:8: store: holds a password; keep the address outside and write env:NAME or file:PATH"
    ]


def account(**settings: str) -> Account:
    return Account(channel="mastodon", settings={"server": "https://a.example", **settings})


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    found = resolve_secrets(account(token="env:T"), {"T": "one"})
    assert isinstance(found, MastodonSettings)
    assert found.token.get_secret_value() == "one"
    assert "one" not in repr(found)
    (tmp_path / "token").write_text("two\n")
    found = resolve_secrets(account(token="file:token"), {}, root=tmp_path)
    assert isinstance(found, MastodonSettings)
    assert found.token.get_secret_value() == "two"
    found = resolve_secrets(account(token=f"file:{tmp_path / 'token'}"), {}, root=Path("elsewhere"))
    assert isinstance(found, MastodonSettings)


@pytest.mark.parametrize("environ", [{}, {"T": ""}])
def test_a_secret_that_is_not_there_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    assert resolve_secrets(account(token="env:T"), environ) == Missing(("env:T",))
    assert resolve_secrets(account(token="file:none"), environ, root=tmp_path) == Missing(("file:none",))
    assert resolve_secrets(account(token="file:."), environ, root=tmp_path) == Missing(("file:.",))
    assert resolve_secrets(Account(channel="mastodon"), environ) == Missing(("settings",))


def test_a_secret_that_does_not_fit_is_not_printed() -> None:
    short = Account(channel="webhook", settings={"url": "https://a.example", "secret": "env:S"})
    with pytest.raises(SpecError) as error:
        resolve_secrets(short, {"S": "hunter2"})
    assert "what env:S holds does not fit" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_path_in_settings_is_the_workspaces(tmp_path: Path) -> None:
    found = resolve_secrets(Account(channel="outbox", settings={"folder": "out"}), {}, root=tmp_path)
    assert found.model_dump()["folder"] == tmp_path / "out"  # type: ignore[union-attr]


def test_an_outbox_takes_after_the_channel_it_stands_for(write: Write) -> None:
    text = "posts: {channel: outbox, settings: {folder: out, as_channel: email_smtp}}\n"
    assert Workspace.load(write({"accounts.yaml": text})).kind("posts") == ("direct", "email")


def test_products_may_be_a_spreadsheet(write: Write) -> None:
    """As a spreadsheet saves it: a byte order mark, Windows line ends, empty cells."""
    rows = "\ufeffid,name,name.de_DE,url,stock,price.base,price.US\r\n"
    sheet = (
        rows.replace("name,name.de_DE", "name.en,name.de_DE")
        + 'lantern-red,"Lantern, red",Rote Laterne,,40,36.90 EUR,\r\n'
    )
    workspace = Workspace.load(write({"products.yaml": None, "products.csv": sheet}))
    product = workspace.products["lantern-red"]
    assert product.name == {"en": "Lantern, red", "de_DE": "Rote Laterne"}
    assert (product.stock, product.prices) == (40, {"base": Money(Decimal("36.90"), "EUR")})


@pytest.mark.parametrize(
    ("sheet", "what"),
    [
        ("id,name,price.JP\na,A,3980\n", 'products.csv:2:1: a.prices.JP: "3980" is not a price'),
        ("id,name,prize.JP\na,A,3980 JPY\n", "products.csv:1:1: prize.JP: unknown; did you mean price.?"),
        ("id,name\na,A\na,B\n", "products.csv:3:1: a: written twice, first at line 2; keep one"),
        ("id,name\na,A,B\n", "products.csv:2:1: 3 cells under 2 columns; write as many"),
        ("name\nA\n", "products.csv:1:1: id: this column is missing"),
        ('id,name\na,"A\n', "products.csv:2:1: not CSV: unexpected end of data"),
        ("id,name,stock\n\na,A,many\n", 'products.csv:3:1: a.stock: "many" is not a whole number'),
    ],
)
def test_a_wrong_spreadsheet_is_told_by_line(write: Write, sheet: str, what: str) -> None:
    folder = write({"products.yaml": None, "products.csv": sheet, "campaigns/spring.yaml": None})
    assert any(line.startswith(what) for line in told(folder)), told(folder)


def test_two_product_files_are_one_too_many(write: Write) -> None:
    found = told(write({"products.csv": "id,name\na,A\n"}))
    assert found == ["products.csv: stands beside products.yaml; keep one of them"]


def test_a_file_with_another_ending_is_not_passed_over(write: Write) -> None:
    found = told(write({"campaigns/summer.yml": "campaign: summer\n"}))
    assert found == ["campaigns/summer.yml: is not read; rename it summer.yaml"]


def test_an_id_is_used_once(write: Write) -> None:
    found = told(write({"campaigns/spring-2026.yaml": GOOD["campaigns/spring.yaml"]}))
    assert found == [
        'campaigns/spring.yaml:1:11: campaign: "spring-2026" is the id of campaigns/spring-2026.yaml too; '
        "an id is used once, ever"
    ]


def test_one_campaign_can_be_read_beside_a_wrong_one(write: Write) -> None:
    workspace = Workspace.load(write({"campaigns/other.yaml": "campaign: other\nkind: flash\n"}))
    assert [campaign.spec.campaign for campaign in workspace.campaigns(["spring-2026"])] == ["spring-2026"]
    with pytest.raises(SpecError, match=r"campaigns/other\.yaml:1:1: markets: missing"):
        workspace.campaigns()
    with pytest.raises(SpecError, match="did you mean spring-2026"):
        workspace.campaigns(["spring-2025"])


def test_no_file_outside_the_workspace_is_named(write: Write) -> None:
    workspace = Workspace.load(write())
    (workspace.root / "leak").symlink_to("/etc")
    for written in ("../x.jpg", "/etc/passwd", "media/../../x", "leak/passwd"):
        with pytest.raises(ValueError, match="leads out of the workspace"):
            workspace.path(written)
    assert workspace.path("media/a.jpg") == (workspace.root / "media/a.jpg").resolve()


def test_a_workspaces_own_market_is_checked(write: Write) -> None:
    found = told(write({"markets/JP.yaml": "curency: JPY\n", "markets/japan.yaml": "currency: JPY\n"}))
    assert found == [
        "markets/JP.yaml:1:1: curency: unknown; did you mean currency?",
        'markets/japan.yaml: "japan" is not a market\'s code; name the file as JP.yaml',
    ]


def test_a_huge_file_is_one_problem_beside_the_others(write: Write) -> None:
    folder = write({"accounts.yaml": "posts: {channel: mastodon, handel: x}\n"})
    (folder / "products.yaml").write_bytes(b"a" * (30 << 20))
    assert told(folder) == [
        "accounts.yaml:1:28: posts.handel: unknown; did you mean handle?",
        "products.yaml: is larger than 1 MiB; write it as several files",
    ]


@pytest.mark.parametrize("shop", ["Lantern House", 'Aoi\'s "Lamps": 灯 #1'])
def test_what_init_writes_passes_its_own_check(tmp_path: Path, shop: str) -> None:
    files = scaffold(tmp_path / "new", shop, today=date(2026, 11, 22))
    assert tmp_path / "new" / ".gitignore" in files
    workspace, campaigns = load_all(tmp_path / "new")
    assert workspace.settings.shop == shop
    assert [campaign.spec.campaign for campaign in campaigns] == ["valentines-2027"]
    assert ".silkpost/" in (tmp_path / "new" / ".gitignore").read_text().splitlines()
    for file in files:
        if file.suffix == ".yaml":
            assert file.read_text("utf-8").startswith("# yaml-language-server: $schema=")


def test_init_keeps_its_hands_off_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SpecError, match="is not empty; name a new or empty folder"):
        scaffold(tmp_path, "Lantern House")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(SpecError, match="no name"):
        scaffold(tmp_path / "new", "  ")
    with pytest.raises(SpecError, match="cannot be written"):
        scaffold(tmp_path / "notes.txt" / "new", "Lantern House")


def test_reading_a_workspace_loads_nothing_heavy(write: Write) -> None:
    """What only a daemon or a terminal needs is not imported to read files."""
    heavy = ("sqlmodel", "sqlalchemy", "holidays", "starlette", "apscheduler", "forex_python")
    code = (
        "import sys; from pathlib import Path; from orchestrator.workspace import load_all;"
        f"load_all(Path({str(write())!r})); print([name for name in {heavy!r} if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == "[]", run.stderr
