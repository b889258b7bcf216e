"""Judges mark responses; a pool of processes bounds them in time and memory."""

from selftrain.judges.base import BUILT_IN, Judge, load_judge
from selftrain.judges.file import judge_file
from selftrain.judges.pool import JudgePool

__all__ = ["BUILT_IN", "Judge", "JudgePool", "judge_file", "load_judge"]
