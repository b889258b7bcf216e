"""From a task's name and options to its problems."""

from traceback import extract_tb
from typing import Any

from pydantic import Field

from selftrain.errors import ConfigError, DataError, SelftrainError
from selftrain.imports import is_import_path, load_object
from selftrain.tasks.files import files_task
from selftrain.tasks.gsm8k import gsm8k_task
from selftrain.tasks.multiple_choice import arc_task, commonsense_qa_task, mmlu_task
from selftrain.tasks.reasoning_gym import reasoning_gym_task
from selftrain.tasks.task import Task, quoted
from selftrain.validation import Options

BUILT_IN = {
    "arc": arc_task,
    "commonsense_qa": commonsense_qa_task,
    "files": files_task,
    "gsm8k": gsm8k_task,
    "mmlu": mmlu_task,
    "reasoning_gym": reasoning_gym_task,
}


class TaskConfig(Options):
    """Which problems a run uses."""

    name: str
    """`reasoning_gym:FAMILY`, `reasoning_gym`, `gsm8k`, `arc`, `commonsense_qa`, `mmlu`, `files`, or the import path of
    your own function."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the task; each task knows its own."""


def load_task(config: TaskConfig, seed: int) -> Task:
    """The task of a configuration; the same configuration and seed give the same problems in the same order.

    Raises ConfigError for an unknown name or option, DataError for data that cannot be used.
    """
    name, options = config.name, dict(config.options)
    if name.startswith("reasoning_gym:"):
        return reasoning_gym_task(options, seed, family=name.removeprefix("reasoning_gym:"))
    if name in BUILT_IN:
        return BUILT_IN[name](options, seed)
    if is_import_path(name):
        return _own_task(name, options, seed)
    raise ConfigError(
        f"there is no task {name!r}: known are reasoning_gym:FAMILY, {', '.join(sorted(BUILT_IN))}, "
        "or your own as package.module:function or path/file.py:function"
    )


def _own_task(spec: str, options: dict[str, Any], seed: int) -> Task:
    function = load_object(spec)
    if not callable(function):
        raise ConfigError(f"{spec} is no function: a task is a function (options, seed) that returns a Task")
    try:
        task = function(options, seed)
    except SelftrainError:
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")[:300]
        raise ConfigError(f"{spec} raised {said}{_place(error)}") from error
    if not isinstance(task, Task):
        raise ConfigError(f"{spec} returned {type(task).__name__}: it must return a Task made by make_task")
    _check_texts(spec, task)
    return task


def _check_texts(spec: str, task: Task) -> None:
    for part, problems in task.parts():
        for problem in problems:
            for name in ("gold", "rationale", "level", "family"):
                value = getattr(problem, name)
                if not isinstance(value, str | None):
                    raise DataError(
                        f"{spec}: the {name} of {quoted(problem)} in {part} is of type {type(value).__name__}: "
                        "give it as text, such as '2'"
                    )
            if not all(isinstance(option, str) for option in problem.options):
                raise DataError(f"{spec}: an option of {quoted(problem)} in {part} is no text: give each as text")


def _place(error: Exception) -> str:
    """Where the user's own file raised an error; nothing when calling its function did."""
    frames = extract_tb(error.__traceback__)[1:]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f" ({own[-1].filename} line {own[-1].lineno})" if own else ""
