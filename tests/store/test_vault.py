"""The vault opens only what it sealed, finds an address in any spelling, and signs what leaves in a URL."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store import Keys, KeysError, Vault
from orchestrator.store.vault import add_key, bucket

VAULT = Vault(Keys.new(), "store")


@given(st.binary(max_size=200), st.text(max_size=30))
def test_what_is_sealed_opens_in_its_own_place_only(plain: bytes, context: str) -> None:
    sealed = VAULT.seal(plain, context)
    assert VAULT.unseal(sealed, context) == plain
    assert sealed != VAULT.seal(plain, context), "equal values must not look equal"
    with pytest.raises(KeysError, match="changed or belongs elsewhere"):
        VAULT.unseal(sealed, context + "!")


@given(st.data())
def test_one_changed_bit_never_opens(data: st.DataObject) -> None:
    sealed = bytearray(VAULT.seal(b"hana@lantern-house.example", "contact"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(KeysError):
        VAULT.unseal(bytes(sealed), "contact")


@pytest.mark.parametrize(
    ("medium", "one", "other", "same"),
    [
        ("email", "Hana@Lantern-House.example", " hana@lantern-house.EXAMPLE ", True),
        ("email", "hana@lantern-house.example", "hana2@lantern-house.example", False),
        ("phone", "+81 90-1234-5678", "0081 (90) 12345678", True),
        ("phone", "+81 90 1234 5678", "+81 90 1234 5679", False),
        ("line", "U4af49806", "u4af49806", False),  # an id is kept as it is
    ],
)
def test_an_address_is_found_in_any_spelling(medium: str, one: str, other: str, same: bool) -> None:
    assert (VAULT.fingerprint(medium, one) == VAULT.fingerprint(medium, other)) is same


def test_the_same_text_in_another_medium_is_another_address() -> None:
    assert VAULT.fingerprint("phone", "+81901") != VAULT.fingerprint("whatsapp", "+81901")


def test_buckets_are_even() -> None:
    counts = [0] * 10
    for number in range(5000):
        counts[bucket(VAULT.fingerprint("email", f"p{number}@x.example")) // 1000] += 1
    assert min(counts) > 400


def test_a_delivery_has_one_key_and_no_two_share_it() -> None:
    keys = {VAULT.key_for(delivery, generation) for delivery in range(500) for generation in range(2)}
    assert len(keys) == 1000
    assert VAULT.key_for(7, 0) == VAULT.key_for(7, 0)
    assert VAULT.key_for(1, 11) != VAULT.key_for(11, 1)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3), st.text(max_size=40))
def test_only_our_own_tokens_are_read(numbers: list[int], forged: str) -> None:
    token = VAULT.token("unsubscribe", numbers)
    assert VAULT.numbers("unsubscribe", token) == tuple(numbers)
    assert VAULT.numbers("another purpose", token) is None
    assert VAULT.numbers("unsubscribe", forged) is None
    assert Vault(Keys.new(), "store").numbers("unsubscribe", token) is None


def test_without_keys_the_need_for_them_is_said_when_it_comes() -> None:
    vault = Vault(None, "store")
    for ask in (
        lambda: vault.seal(b"", ""),
        lambda: vault.key_for(1, 0),
        lambda: vault.fingerprint("email", "a@b.example"),
        lambda: vault.numbers("unsubscribe", "1.x"),
    ):
        with pytest.raises(KeysError, match="none were given"):
            ask()


def test_a_key_file_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / ".silkpost" / "keys"
    made = Keys.load(f"file:{file}", create=True)
    assert Keys.load(f"file:{file}", create=True).secrets == made.secrets
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(KeysError, match="others may read it"):
        Keys.load(f"file:{file}")


def test_after_a_new_key_the_old_letters_open_and_the_names_stay(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    before = Vault(Keys.load(f"file:{file}", create=True), "store")
    sealed = before.seal(b"hana", "contact")
    add_key(file)
    after = Vault(Keys.load(f"file:{file}"), "store")
    assert after.unseal(sealed, "contact") == b"hana"
    assert not after.current(sealed)
    assert after.current(after.seal(b"hana", "contact"))
    assert after.key_for(1, 0) == before.key_for(1, 0)
    assert after.fingerprint("email", "a@b.example") == before.fingerprint("email", "a@b.example")
    with pytest.raises(KeysError, match="a key that these keys do not hold"):
        before.unseal(after.seal(b"hana", "contact"), "contact")


@pytest.mark.parametrize(
    ("written", "said"),
    [("", "holds no key"), ("short", "key 1 is not 32 bytes"), ("é" * 9, "key 1 is not 32 bytes")],
)
def test_keys_that_are_none_are_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, written: str, said: str
) -> None:
    monkeypatch.setenv("LANTERN_KEYS", written)
    with pytest.raises(KeysError, match=said) as caught:
        Keys.load("env:LANTERN_KEYS")
    assert not written or written not in str(caught.value)


@pytest.mark.parametrize("ref", ["file:/nowhere/keys", "env:NOT_SET", "keys", "env:", "vault:x"])
def test_a_place_without_keys_is_said(ref: str) -> None:
    with pytest.raises(KeysError):
        Keys.load(ref)


def test_no_secret_is_in_a_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    written = base64.b64encode(secrets.token_bytes(32)).decode()
    monkeypatch.setitem(os.environ, "LANTERN_KEYS", written)
    keys = Keys.load("env:LANTERN_KEYS")
    assert written not in repr(keys)
    assert repr(keys.secrets[0]) not in repr(keys)
