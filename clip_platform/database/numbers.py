"""Exact times on their way into `numeric` columns."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction


def decimal_of(value: Fraction) -> Decimal:
    """To the sixth place: microseconds, where `value` is seconds."""
    return Decimal(round(value * 1_000_000)).scaleb(-6)
