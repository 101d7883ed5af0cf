"""Kubernetes' notation of amounts: 500m, 4Gi, 1."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

_UNITS = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGT", 1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGT", 1)},
}


def amount(quantity: str | int) -> Fraction:
    """
    Raises:
        ValueError: it is none.
    """
    text = str(quantity)
    number = text.rstrip("mkKMGTi")
    return Fraction(number) * _UNITS[text[len(number) :]]


def amounts(quantities: Mapping[str, str | int] | None) -> dict[str, Fraction]:
    return {name: amount(quantity) for name, quantity in (quantities or {}).items()}
