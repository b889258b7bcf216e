"""Sweeps: a recipe over option values, or several methods, on one shared set of samples."""

from selftrain.sweep.run import run_sweep

__all__ = ["run_sweep"]
