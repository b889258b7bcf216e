"""Plans: what a run will cost, before anything runs. The loop itself runs, its verbs on paper."""

from selftrain.plan.plan import Plan, make_plan
from selftrain.plan.table import compared, tell_plan

__all__ = ["Plan", "compared", "make_plan", "tell_plan"]
