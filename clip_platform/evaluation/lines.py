"""One line of the accuracy table: the figure, what it must be, and what others published beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Bound = Literal["at least", "at most", "reported"]


@dataclass(frozen=True, slots=True)
class Line:
    """One measured figure and its bound; what is only `reported` has none and cannot be missed.

    `detail` helps whoever has to find out why it was missed; `anchor` is what the field publishes for comparison.
    """

    stage: str
    data_set: str
    measure: str
    figure: float
    bound: Bound
    target: float | None
    unit: str
    detail: str = ""
    anchor: str = ""

    @property
    def passed(self) -> bool:
        if self.bound == "reported" or self.target is None:
            return True
        return self.figure >= self.target if self.bound == "at least" else self.figure <= self.target


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A data set that is not at hand, and why."""

    stage: str
    data_set: str
    why: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What one suite says: its lines, and what it could not measure here."""

    lines: Sequence[Line] = ()
    absent: Sequence[NotMeasured] = ()


Suite = Callable[[], Measured]
