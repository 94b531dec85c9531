"""Evaluation: metrics, the paper's sets and cells, running a method over pictures, reports."""
