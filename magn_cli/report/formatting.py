"""Formats figures for people."""

from __future__ import annotations

import math

from magn_cli.evaluation.report import MethodResult


def number(value: float | None, form: str) -> str:
    """Format a figure; empty if there is none."""
    if value is None or math.isnan(value):
        return ""
    return "∞" if math.isinf(value) else format(value, form).replace("-", "\N{MINUS SIGN}")


def signed(difference: float) -> str:
    """Format a difference in dB with its sign."""
    return number(difference, "+.2f")


def decibel(psnr: float) -> str:
    """Format a PSNR with its unit."""
    return f"{number(psnr, '.2f')} dB"


def sortable(value: float | None, form: str) -> tuple[str, str]:
    """Format a figure for display and for sorting."""
    if value is None or math.isnan(value):
        return "", "-Infinity"
    return number(value, form), str(value).replace("inf", "Infinity")


def method(result: MethodResult) -> str:
    """Return the name of a method, with a note if the network did not know the level."""
    return result.method + (", level unknown" if result.level_input == "unknown" else "")
