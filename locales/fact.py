"""A statement about the world outside: what, from where, how sure, read when."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Value = TypeVar("Value")

OLD = timedelta(
    days=548
)  #: eighteen months after it was read, a fact is told to be old whatever it says itself


class Mark(StrEnum):
    """How sure a fact is."""

    OFFICIAL = "official"  #: read at the regulator, the statute, the vendor, or in a package that was run
    SECONDARY = "secondary"  #: read on a page about it
    UNVERIFIED = "unverified"  #: general knowledge; never enforced silently: the plan asks a person


class Part(BaseModel):
    """What the market files are made of."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Fact(Part, Generic[Value]):
    """One value with where it comes from. An override replaces a fact whole, so that the two never mix."""

    value: Value
    law: str = ""  #: the rule's short name, as problems cite it
    where: str = ""  #: the part of the market it holds in; only a person knows whether it is the case
    source: str = Field(min_length=4)
    mark: Mark
    read: date
    review_by: date

    @property
    def verified(self) -> bool:
        return self.mark is not Mark.UNVERIFIED

    @property
    def cited(self) -> str:
        """As a problem names it: `KFTC endorsement guideline, read 2026-11-22`."""
        part = f"in {self.where}, " if self.where else ""
        doubt = "" if self.verified else "unverified, "
        return f"{self.law or self.source}, {part}{doubt}read {self.read}"

    def old(self, today: date) -> bool:
        """Whether it is time to read the source again."""
        return today > self.review_by or today - self.read > OLD
