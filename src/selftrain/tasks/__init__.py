"""Where problems come from."""

from selftrain.tasks.load import TaskConfig, load_task
from selftrain.tasks.task import SPLITS, Suite, Task, make_task

__all__ = ["SPLITS", "Suite", "Task", "TaskConfig", "load_task", "make_task"]
