"""`silkpost channels login NAME`: tokens for an account, by the vendor's own page."""

from __future__ import annotations

import os
import sys
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.cli import desk
from orchestrator.cli.shell import DONE, PROBLEMS, Sentence, console, here
from orchestrator.cli.spoken import unknown
from orchestrator.cli.words import say

if TYPE_CHECKING:
    from channels.base import Channel, OAuth, Settings
    from orchestrator.workspace import Workspace


async def log_in(name: str, port: int) -> int:
    """Log in to one account, seal its tokens in the store, and ask the platform who it is."""
    from channels.base import ChannelError
    from channels.http import client
    from orchestrator import login
    from orchestrator.clock import SystemClock
    from orchestrator.store import tokens
    from orchestrator.workspace import Workspace

    workspace = Workspace.load(here.folder)
    oauth, settings = _asked(workspace, name)
    done = say("Silkpost has the answer; go back to the terminal.")
    with desk.open_store(workspace, create=True) as store:
        async with client() as http:
            try:
                got = await login.log_in(
                    oauth, settings, http, SystemClock(), show=_show, done=done, port=port
                )
            except TimeoutError:
                raise Sentence(say("%(name)s: nobody came back from the page in time", name=name)) from None
            except login.NotAgreed as error:
                raise Sentence(say("%(name)s: not agreed: %(why)s", name=name, why=error)) from None
            except ChannelError as error:
                raise Sentence(f"{name}: {error}") from None
            except OSError:
                told = say("port %(port)d is taken; write another after --port", port=port)
                raise Sentence(told) from None
            await store.run(tokens.keep, store.vault, name, got)
            channel = _adapter(workspace, name)(settings, got, http, SystemClock())
            try:
                facts = await channel.check()
            except ChannelError as error:
                console().print(f"  ✗ {name}: {error}", style="red")
                return PROBLEMS
            await store.run(tokens.learn, name, replace(facts, expires_at=got.expires_at), desk.now())
    console().print(f"  ✓ {name}: {facts.name}")
    return DONE


def _asked(workspace: Workspace, name: str) -> tuple[OAuth, Settings]:
    """How this account is logged in to; a sentence where it is not, or not yet."""
    from orchestrator.credentials import Missing, resolve_secrets

    if name not in workspace.accounts:
        what = unknown(name, tuple(workspace.accounts))
        raise Sentence(say('account "%(name)s": %(what)s', name=name, what=what))
    account = workspace.accounts[name]
    oauth = _adapter(workspace, name).oauth
    if oauth is None:
        told = say(
            "%(name)s: %(channel)s has no log-in that comes back to this machine; its tokens are settings",
            name=name,
            channel=account.channel,
        )
        raise Sentence(told)
    found = resolve_secrets(account, os.environ, root=workspace.root)
    if isinstance(found, Missing):
        told = say(
            "%(name)s: %(missing)s; a token that logging in brings is left out", name=name, missing=found
        )
        raise Sentence(told)
    if not getattr(found, "client_id", ""):
        raise Sentence(
            say("%(name)s: there is no client_id; write that of the app you registered", name=name)
        )
    return oauth, found


def _adapter(workspace: Workspace, name: str) -> type[Channel]:
    from channels import load

    return load(workspace.accounts[name].channel)


def _show(address: str) -> None:
    console().print(say("Open this page and agree; the app must know the redirect address in it:"))
    console().print(address, soft_wrap=True)
    if sys.stdout.isatty():
        webbrowser.open(address)
