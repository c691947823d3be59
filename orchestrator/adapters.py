"""The adapters of a workspace's accounts: the outbox stands in where secrets are missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from channels import load
from channels.base import Channel, Clock, Credentials, Quota
from channels.http import client
from orchestrator.credentials import Missing, resolve_secrets
from orchestrator.moment import duration

if TYPE_CHECKING:
    import httpx

    from orchestrator.store import Store
    from orchestrator.workspace import Workspace

OUTBOX = "outbox"
FOLDER = "outbox"  #: in the workspace: a folder an account


class Adapters:
    """Open adapters by account, all over one HTTP client. With `outbox`, nothing can leave the machine."""

    def __init__(
        self,
        workspace: Workspace,
        clock: Clock,
        *,
        store: Store | None = None,
        outbox: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._workspace, self._clock, self._store = workspace, clock, store
        self._environ = os.environ if environ is None else environ
        self._outbox = outbox
        self._open: dict[str, Channel] = {}
        self._live: dict[str, bool] = {}
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for adapter in self._open.values():
            await adapter.close()
        if self._http is not None:
            await self._http.aclose()

    def live(self, account: str) -> bool:
        """Whether this account publishes for real: its secrets are here, and its channel is no outbox."""
        self.get(account)
        return self._live[account]

    def get(self, account: str) -> Channel:
        """The adapter of an account; LookupError where the workspace has no such account."""
        if account not in self._open:
            self._open[account] = self._make(account)
        return self._open[account]

    def _make(self, name: str) -> Channel:
        if name not in self._workspace.accounts:
            raise LookupError(f"{name}: no account of that name in accounts.yaml")
        account = self._workspace.accounts[name]
        found = resolve_secrets(account, self._environ, root=self._workspace.root)
        self._live[name] = not self._outbox and not isinstance(found, Missing) and account.channel != OUTBOX
        if self._http is None:
            self._http = client()
        if self._live[name] and not isinstance(found, Missing):
            real = load(account.channel)(found, self._credentials(name), self._http, self._clock)
            real.quota = self._quota(name, real.quota)
            return real
        stand_in = load(OUTBOX)
        settings = {
            "folder": self._workspace.root / FOLDER / name,
            "account": account.handle or name,
            "as_channel": "" if account.channel == OUTBOX else account.channel,
        }
        return stand_in(stand_in.settings_type(**settings), Credentials(), self._http, self._clock)

    def _quota(self, name: str, usual: Quota | None) -> Quota | None:
        """What the operator asks for, else what the platform told of this account, else the channel's own."""
        if pace := self._workspace.accounts[name].quota:
            count, window = pace.split(" per ")
            return Quota(int(count), duration(window), "accounts.yaml")
        if self._store is None:
            return usual
        from orchestrator.store import tokens

        with self._store.read() as connection:
            told = tokens.learnt(connection).get(name)
        return told.quota if told and told.quota else usual

    def _credentials(self, name: str) -> Credentials:
        """Tokens that were renewed since the account was set up, if any."""
        if self._store is None:
            return Credentials()
        from orchestrator.store import tokens

        with self._store.read() as connection:
            return tokens.credentials(connection, self._store.vault, name)
