"""What can be wrong with a store, each said in one sentence an operator can act on.

StoreError
  StoreMissing     there is no store here yet
  SchemaMismatch   the store is older or newer than this code
  StoreBusy        somebody else kept it locked for longer than we wait
  StoreFull        it could not be written: the disk or its quota is full
  KeysError        the keys are missing, unreadable or not this store's
"""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot do what was asked; nothing was changed."""


class StoreMissing(StoreError):
    """There is no store at this address yet."""


class SchemaMismatch(StoreError):
    """The store's tables are older or newer than this code."""


class StoreBusy(StoreError):
    """Somebody else kept the store locked for longer than we wait."""


class StoreFull(StoreError):
    """The store could not be written, so nothing that depends on it may leave."""


class KeysError(StoreError):
    """Personal data or delivery keys were asked for without the keys that make them."""
