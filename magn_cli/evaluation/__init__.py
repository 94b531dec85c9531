"""Evaluation: metrics, the paper's sets and cells, running a method over pictures, reports."""

from magn_cli.evaluation.evaluator import Evaluation, MeasuredPicture, evaluate
from magn_cli.evaluation.request import NetworkSettings, Request

__all__ = ["Evaluation", "MeasuredPicture", "NetworkSettings", "Request", "evaluate"]
