"""Shared by tests: builders of files, fakes, and ways to run commands."""
