"""The last live rates, remembered in a file, so that not every plan has to wait for an answer."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import InvalidOperation
from pathlib import Path

from locales.rates import Rates, sound


@dataclass(frozen=True, slots=True)
class Memory:
    """The file, read as of `now`."""

    path: Path
    now: datetime
    most_age: timedelta = timedelta(hours=12)  #: the ECB publishes once a working day, about 16:00 CET

    def last(self, today: date) -> Rates | None:
        """What was kept; None where there is nothing, nothing that can be read, or a day still to come."""
        rates, _ = self._read()
        return rates if rates and rates.on <= today else None

    def fresh(self, today: date) -> Rates | None:
        asked = self.asked_at
        return self.last(today) if asked and timedelta(0) <= self.now - asked < self.most_age else None

    @property
    def asked_at(self) -> datetime | None:
        return self._read()[1]

    def _read(self) -> tuple[Rates | None, datetime | None]:
        try:
            kept = json.loads(self.path.read_text("utf-8"))
            rates, asked = Rates.from_pinned(kept), datetime.fromisoformat(kept["asked_at"])
            whole = asked.tzinfo and all(sound(code, units) for code, units in rates.table.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation):
            return None, None
        return (rates, asked) if whole else (None, None)

    def keep(self, rates: Rates) -> None:
        """Whole or not at all; where it cannot be written, the next plan asks again."""
        written = {"asked_at": self.now.isoformat(timespec="seconds"), **rates.pinned()}
        with suppress(OSError):
            self.path.parent.mkdir(exist_ok=True)
            draft = self.path.with_suffix(".new")
            draft.write_text(json.dumps(written, indent=1), "utf-8")
            draft.replace(self.path)
