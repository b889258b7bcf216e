"""The loggers that `report_to` names: checked before any work, and where a training's logs go."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from selftrain.errors import ConfigError, MissingExtraError

EXTRA = ("tensorboard", "trackio", "wandb")
"""Loggers of the extra `loggers`; those of others are passed on to transformers."""
EVENTS = "TENSORBOARD_LOGGING_DIR"
"""The variable that transformers takes the folder of TensorBoard's event files from."""
_WANDB_LOCAL = ("offline", "dryrun", "disabled")


def check_loggers(names: Sequence[str]) -> None:
    """Raise ConfigError or MissingExtraError for a logger that training could not report to.

    `names` is `report_to` of TRL's arguments. Sends nothing, but for wandb, unless offline, the check of its key.
    """
    integrations: Any = import_module("transformers.integrations.integration_utils")
    there = integrations.get_available_reporting_integrations()
    for name in names:
        if name not in integrations.INTEGRATION_TO_CALLBACK:
            known = ", ".join(sorted(integrations.INTEGRATION_TO_CALLBACK))
            raise ConfigError(f"training.trl: report_to names {name!r}, wanted are {known}")
        if name not in there and name in EXTRA:
            raise MissingExtraError(name, "loggers")
        if name not in there:
            raise ConfigError(f"training.trl: report_to names {name}, which is not installed: install it or remove it")
    if "wandb" in names:
        _check_wandb()


@contextmanager
def logs_in(folder: Path | None) -> Iterator[None]:
    """While a trainer is made and trains: TensorBoard's files go to `folder`, and a run of wandb ends with it.

    $TENSORBOARD_LOGGING_DIR, where it is set, takes the place of the folder's parent. Without a folder it is the
    libraries' own places, for TensorBoard the trainer's output directory.
    """
    given, running = os.environ.get(EVENTS), _wandb_run()
    if folder is not None:
        os.environ[EVENTS] = str(Path(given) / folder.name if given else folder)
    failed = True
    try:
        yield
        failed = False
    finally:
        os.environ.pop(EVENTS, None)
        os.environ.update({} if given is None else {EVENTS: given})
        ended = _wandb_run()
        if ended is not None and ended is not running:  # else the next training would go on in it
            ended.finish(exit_code=int(failed))


def _check_wandb() -> None:
    import wandb

    if wandb.setup().settings.mode in _WANDB_LOCAL:
        return
    advice = "run wandb login, or set WANDB_MODE=offline to keep the logs here"
    try:
        known = wandb.login(prompt=False)
    except Exception as error:  # of its own, of the network, of its service process
        raise ConfigError(f"training.trl: wandb refuses its key ({' '.join(str(error).split())}): {advice}") from error
    if not known:
        raise ConfigError(f"training.trl: report_to names wandb, which has no key on this machine: {advice}")


def _wandb_run() -> Any:
    """The run that wandb is at, None without one."""
    return getattr(sys.modules.get("wandb"), "run", None)
