"""Logs of sampled answers, whoever made them, read into the cells that an audit compares."""

from selftrain.logs.log import Log, Source
from selftrain.logs.match import match
from selftrain.logs.read import read_log, read_logs
from selftrain.logs.runs import Ends, Sides, is_run, run_ends, run_rounds, run_sides

__all__ = [
    "Ends",
    "Log",
    "Sides",
    "Source",
    "is_run",
    "match",
    "read_log",
    "read_logs",
    "run_ends",
    "run_rounds",
    "run_sides",
]
