"""Figures as people read them."""

from __future__ import annotations

import math

from magn_cli.evaluation.report import MethodResult


def number(value: float | None, form: str) -> str:
    """Return a figure for people; empty where there is none."""
    if value is None or math.isnan(value):
        return ""
    return "∞" if math.isinf(value) else format(value, form).replace("-", "\N{MINUS SIGN}")


def signed(difference: float) -> str:
    """Return a difference in dB with its sign."""
    return number(difference, "+.2f")


def decibel(psnr: float) -> str:
    """Return a PSNR with its unit."""
    return f"{number(psnr, '.2f')} dB"


def sortable(value: float | None, form: str) -> tuple[str, str]:
    """Return a figure for people and for sorting."""
    if value is None or math.isnan(value):
        return "", "-Infinity"
    return number(value, form), str(value).replace("inf", "Infinity")


def method(result: MethodResult) -> str:
    """Return the name of a method and, for a network, that it was not told the level."""
    return result.method + (", level unknown" if result.level_input == "unknown" else "")
