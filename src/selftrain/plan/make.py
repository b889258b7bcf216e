"""Making a plan: the loop runs on paper."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from selftrain.config import RunConfig
from selftrain.errors import WorkspaceError
from selftrain.files import remove
from selftrain.loop import turns
from selftrain.measure import DRAWN, TRAINED
from selftrain.plan.needs import (
    Shape,
    disk_needed,
    free_disk,
    free_memory,
    peak_memory,
    resident_memory,
    sampling_memory,
)
from selftrain.plan.paper import PaperVerbs
from selftrain.plan.plan import Need, Plan, PromptSeen
from selftrain.plan.stages import read_stages
from selftrain.progress import say
from selftrain.prompts import PromptConfig
from selftrain.run_folder import RunFolder, settings_of
from selftrain.session import Session, open_session, run_digests
from selftrain.store import Workspace, lock, write_json

SCRATCH = ".plan.tmp-"
LOCK = ".lock"
ASSUMED = (
    "every candidate is promoted and answers the training prompt as the base answers the sampling prompt; "
    "rounds after the first are as the first"
)
MIXED = (
    "a problem's responses under several prompts agree no more than responses to different problems do: "
    "an upper bound of disagreement"
)
"""If a recipe compares such responses."""
FEWEST_DRAWS = 100
"""Resamples in the audits on paper, which nobody reads."""


def make_plan(config: RunConfig) -> Plan | None:
    """See `plan.make_plan`."""
    start = time.monotonic()
    workspace = Workspace(config.workspace)
    run = RunFolder(workspace.root / config.name)
    with scratch(workspace.root) as place:
        make = partial(PaperVerbs, config=config)
        with open_session(_on_paper(config, place), make_verbs=make, tell=lambda line: None) as session:
            config = config.model_copy(update={"engine": session.config.engine})
            run.check(config, run_digests(config, session.task, session.base, session.options))
            if run.finished(config):
                return None
            _paper(session).known.update((problem.id, problem) for problem in session.task.splits["train"])
            say("calibrating: a few responses under each prompt, a few steps of training")
            turns(session)
            found = _found(config, session, run.path, start)
    if not run.begun:
        run.path.mkdir(exist_ok=True)
        write_json(run.plan, found.to_json())
    return found


def _on_paper(config: RunConfig, root: Path) -> RunConfig:
    settings = config.audit.settings.model_copy(update={"draws": FEWEST_DRAWS})
    audit = config.audit.model_copy(update={"settings": settings})
    return config.model_copy(update={"workspace": root, "promote": "always", "audit": audit})


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A folder in the workspace, so that its disk is the one that is measured; gone at the end.

    Locked while its plan is made: one whose lock is free was left by a killed plan, and goes now.
    """
    for left in root.glob(f"{SCRATCH}*/{LOCK}"):
        with suppress(WorkspaceError), lock(left, wait=False, what=f"the plan in {left.parent}"):
            remove(left.parent)
    with (
        TemporaryDirectory(prefix=SCRATCH, dir=root) as folder,
        lock(Path(folder) / LOCK, wait=False, what=f"the plan in {folder}"),
    ):
        yield Path(folder)


def _found(config: RunConfig, session: Session, folder: Path, start: float) -> Plan:
    verbs = _paper(session)
    stages = read_stages(session.folder.metrics)
    shape = Shape.read(session.base.folder)
    longest = max(seen[-1][0] for seen in verbs.prompts.values())
    longest_response = max(config.sampling.max_tokens, config.audit.sampling.max_tokens)
    merged = 4 * shape.parameters if config.training.adapts else 0
    rows, tokens = sum(s.rows for s in stages if s.prompt_tokens), sum(s.tokens for s in stages if s.prompt_tokens)
    kept, peak = disk_needed(
        verbs.trained_bytes,
        merged,
        trainings=verbs.trainings,
        checkpoints=verbs.checkpoints,
        rows=rows,
        tokens=tokens,
    )
    sampling = sampling_memory(shape, config.engine, longest + longest_response)
    expected = verbs.libraries + max(sampling, verbs.training_memory)
    free = free_memory()
    return Plan(
        config=settings_of(config),
        folder=folder,
        prompts=tuple(_prompt(verbs, prompt, _names(config, verbs)) for prompt in verbs.prompts),
        stages=tuple(stages),
        disk=Need(peak=peak, kept=kept, free=free_disk(folder.parent)),
        memory=Need(
            peak=max(expected, peak_memory()),
            free=None if free is None else free + resident_memory(),
            measured=peak_memory(),
        ),
        notes=tuple(_notes(config, verbs, shape, longest)),
        calibration_seconds=round(time.monotonic() - start, 3),
    )


def _paper(session: Session) -> PaperVerbs:
    if not isinstance(session.verbs, PaperVerbs):
        raise TypeError("a plan is made on paper")
    return session.verbs


def _names(config: RunConfig, verbs: PaperVerbs) -> dict[PromptConfig, str]:
    own = [prompt for prompt in verbs.prompts if prompt not in (config.prompt, config.drawing_prompt)]
    names = {prompt: f"prompt {place} of the recipe" for place, prompt in enumerate(own, start=1)}
    return {**names, config.drawing_prompt: DRAWN, config.prompt: TRAINED}


def _prompt(verbs: PaperVerbs, prompt: PromptConfig, names: dict[PromptConfig, str]) -> PromptSeen:
    pools = [pool for pool in verbs.pools if pool.prompt == prompt]
    (tokens, text), (longest, _) = verbs.prompts[prompt]
    return PromptSeen(
        name=names[prompt],
        tokens=tokens,
        longest=longest,
        text=text,
        responses=sum(pool.responses for pool in pools),
        finished=sum(pool.finished for pool in pools),
        right=sum(pool.right for pool in pools),
        completion_tokens=sum(pool.tokens for pool in pools),
        seconds=round(sum(pool.seconds for pool in pools), 3),
    )


def _notes(config: RunConfig, verbs: PaperVerbs, shape: Shape, longest: int) -> Iterator[str]:
    yield f"assumed: {ASSUMED}"
    if verbs.dealt.mixed:
        yield f"assumed: {MIXED}"
    for pool in verbs.pools:
        if pool.never_right:
            name = _names(config, verbs)[pool.prompt]
            yield f"none of {pool.responses} calibration responses under the {name} was right: assumed that one was"
    if not verbs.trainings:
        yield "with responses like those of the calibration there is nothing to train on"
    room = max(config.sampling.max_tokens, config.audit.sampling.max_tokens)
    if shape.context is not None and longest + room > shape.context:
        yield (
            f"the longest prompt has {longest:,} tokens: responses to it are cut before {room:,} tokens, "
            f"the model's context holds {shape.context:,}"
        )
