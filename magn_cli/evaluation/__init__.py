"""Evaluation: metrics, the paper's sets and cells, running a method over pictures, reports."""

from magn_cli.evaluation.evaluator import Evaluation, Here, MeasuredPicture, Measuring, evaluate
from magn_cli.evaluation.methods import weights
from magn_cli.evaluation.request import NetworkSettings, Request

__all__ = [
    "Evaluation",
    "Here",
    "MeasuredPicture",
    "Measuring",
    "NetworkSettings",
    "Request",
    "evaluate",
    "weights",
]
