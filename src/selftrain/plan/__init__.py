"""Plans: what a run will cost, before anything runs. The loop itself runs, its verbs on paper."""

from selftrain.config import RunConfig
from selftrain.plan.beside import planned_and_true
from selftrain.plan.plan import Plan
from selftrain.plan.table import tell_plan

__all__ = ["Plan", "make_plan", "planned_and_true", "tell_plan"]


def make_plan(config: RunConfig) -> Plan | None:
    """Plans a run and keeps the plan in its folder, where a run that has begun keeps the one it has.

    None if the run is finished. Raises what the run itself would raise over its configuration.
    """
    # The loop makes reports, and a report reads the run's plan: that must not need the loop.
    from selftrain.plan import make

    return make.make_plan(config)
