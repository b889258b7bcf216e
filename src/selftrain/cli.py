"""The command line: one function a verb, no logic."""

import errno
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from selftrain.errors import SelftrainError

app = typer.Typer(
    help="Train a language model on its own answers, and know whether it got better.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


_INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@app.command()
def run(
    config: Annotated[
        list[str], typer.Argument(metavar="[CONFIG] [KEY=VALUE]...", help="A preset or YAML file first.")
    ],
    model: Annotated[str | None, typer.Option(help="smollm2, a model folder, a GGUF file or a hub name.")] = None,
) -> None:
    """Run the loop of rounds, or go on where it stopped.

    CONFIG is a preset's name (see `selftrain presets`) or a YAML file; KEY=VALUE overrides a setting, for
    example rounds=2 or training.epochs=1 or recipe=east.
    """
    from selftrain.config import load_config
    from selftrain.loop import run as run_loop
    from selftrain.story import tell

    tell(run_loop(load_config(*_source(config, model))).folder)


@app.command()
def plan(
    config: Annotated[
        list[str], typer.Argument(metavar="[CONFIG] [KEY=VALUE]...", help="A preset or YAML file first.")
    ],
    model: Annotated[str | None, typer.Option(help="smollm2, a model folder, a GGUF file or a hub name.")] = None,
) -> None:
    """Say what a run will cost: its prompts, responses, time, disk and memory, from a short calibration."""
    from selftrain.config import load_config
    from selftrain.plan import make_plan, tell_plan

    found = make_plan(load_config(*_source(config, model)))
    if found is None:
        typer.echo("nothing left to do: the run is finished")
    else:
        tell_plan(found)


@app.command()
def sweep(
    config: Annotated[
        list[str],
        typer.Argument(metavar="CONFIG | KEY=VALUE | KEY=V1,V2", hidden=True),
    ],
    model: Annotated[str | None, typer.Option(help="smollm2, a model folder, a GGUF file or a hub name.")] = None,
) -> None:
    """Compare settings or methods on one shared set of samples, or go on where that stopped.

    CONFIG, a preset's name or a YAML file, comes first; KEY=VALUE overrides a setting of all variants. A key
    with several values is varied, for example recipe.options.exponent=0,1,2; several such keys multiply. A text with
    a comma is quoted, as in prompt.system='"a, b",c', and a list stands in brackets. Whole recipes are varied with
    recipe=vanilla,east: one other than CONFIG's begins without options, and recipe.options words are for all of
    them. A YAML file may list methods in `variants`, settings by name.

    Each variant is a run of its own, WORKSPACE/NAME-VARIANT, and the task must have the labels that every one reads.
    The table is printed after each, and kept in WORKSPACE/NAME/sweep.md and sweep.json. Final verdicts are told from
    the select split, so that the test split stays for the variant that is chosen.
    """
    from selftrain.sweep import run_sweep

    run_sweep(*_source(config, model))


@app.command()
def presets(name: Annotated[str | None, typer.Argument(help="Print this one.")] = None) -> None:
    """List the configurations that come with the package, or print one to copy."""
    from selftrain.config import preset_text
    from selftrain.config import presets as names

    typer.echo(preset_text(name) if name else "\n".join(names()), nl=name is None)


@app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="Tell this one in full; your own as file.py:name.")] = None,
) -> None:
    """List the recipes that come with the package, or tell one with all its options."""
    from selftrain.recipe_list import list_recipes, tell_recipe

    typer.echo("\n".join(tell_recipe(name) if name else list_recipes()))


@app.command("check-task")
def check_task(
    task: Annotated[str, typer.Argument(help="A task's name, or a preset or YAML file with a task.")],
) -> None:
    """Prove that every gold answer and rationale of a task judges itself right, and count its splits."""
    from selftrain.outside import read_task
    from selftrain.tasks.check import check_task as check

    report = check(read_task(task))
    typer.echo("\n".join(report.lines()))
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def sample(
    model: Annotated[str, typer.Argument(help="smollm2, a model folder, a GGUF file or a hub name.")],
    task: Annotated[str, typer.Option(help="A task's name, or a preset or YAML file with a task.")],
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
    prompt: Annotated[str, typer.Option(help="chat, plain, or a preset or YAML file with a prompt.")] = "chat",
    split: Annotated[str, typer.Option(help="train, select, test, shots, valid, or a suite: SUITE/test.")] = "select",
    samples: Annotated[int, typer.Option(help="Responses to each problem.", min=1)] = 4,
    temperature: Annotated[float, typer.Option(min=0)] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1)] = 64,
    seed: Annotated[int, typer.Option(help="Of the draws; the task is cut by its own.", min=0)] = 0,
) -> None:
    """Sample any model on a task's problems and judge the responses, outside a run."""
    from selftrain.outside import sample_log
    from selftrain.sampling import SamplingConfig

    sampling = SamplingConfig(temperature=temperature, max_tokens=max_tokens)
    counts = sample_log(model, task, prompt, out, split=split, samples=samples, sampling=sampling, seed=seed)
    _say_counts(counts, out)


@app.command()
def judge(
    source: Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Rows with `response` and `gold`.")],
    judge: Annotated[str, typer.Option(help="exact, number, math, summary, reasoning_gym, or your own file.py:name.")],
    out: Annotated[Path, typer.Option(help="JSONL file to write, with `answer`, `judgement` and `reason` added.")],
    workers: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Judge anybody's responses."""
    from selftrain.judges.file import judge_file

    _say_counts(judge_file(source, judge, out, workers), out)


@app.command()
def audit(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="BEFORE AFTER [KEY=VALUE]...",
            help="Two logs, or those of all rounds in order, or the folder of one run; then settings of the audit.",
        ),
    ],
    null: Annotated[Path | None, typer.Option(help="A log of BEFORE sampled again: what chance alone does.")] = None,
    embeddings: Annotated[
        str | None, typer.Option(help="minilm, or a sentence-transformers model: adds semantic diversity.")
    ] = None,
    text: Annotated[
        list[Path] | None, typer.Option(help="A text that must not be forgotten; wants --models. May be repeated.")
    ] = None,
    models: Annotated[
        tuple[str, str] | None, typer.Option(metavar="BEFORE AFTER", help="The two models, to read --text with.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Markdown file to write, for a pull request.")] = None,
    card: Annotated[Path | None, typer.Option(help="YAML file to write, rows for a model card.")] = None,
    fail_on: Annotated[str, typer.Option(help="Verdicts that end with exit code 3, such as regress,reversal.")] = "",
) -> None:
    """Tell progress from regress: compare two logs of sampled answers, whoever made the models.

    A log is a JSONL, CSV or Parquet file with a row a response (problem, response, judgement or correct), samples of
    lm-evaluation-harness, an Inspect log, or the folder of a run or round. Settings are such as margin=0.03 or
    draws=2000 or margins.pass@8=0.1.
    """
    from selftrain.auditing import audit_files

    exports = {"json": json, "markdown": markdown, "card": card}
    raise typer.Exit(audit_files(logs, null, embeddings, text or [], models, exports, fail_on))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, or of a model.")],
    kind: Annotated[Literal["hf", "adapter", "gguf"], typer.Option("--as", help="What to write.")],
    out: Annotated[Path | None, typer.Option(help="Where; beside the run if not given.")] = None,
) -> None:
    """Write the final model of a run as a Hugging Face folder, a peft adapter or a GGUF file."""
    from selftrain.export import export_run

    typer.echo(f"wrote {export_run(run, kind, out)}")


@app.command()
def show(run: Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")]) -> None:
    """Tell what a run did and what came of it."""
    from selftrain.story import tell

    tell(run)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")],
    out: Annotated[Path | None, typer.Option(help="HTML file to write; RUN/report.html if not given.")] = None,
) -> None:
    """Write the page of a run: verdict, charts, and every problem with its responses."""
    from selftrain.report import write_report

    typer.echo(f"wrote {write_report(run, out)}")


def _source(words: list[str], model: str | None) -> tuple[str | None, list[str]]:
    """The configuration and the overrides in the words of a command."""
    source = None if "=" in words[0] else words[0]
    overrides = words if source is None else words[1:]
    return source, [*overrides, *([f"model={model}"] if model else [])]


def _say_counts(counts: dict[str, int], out: Path) -> None:
    typer.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()) + f": wrote {out}")


def main() -> None:
    """Runs the command line; a user's error is one line on standard error."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except SelftrainError as error:
        code = _fail(str(error))
    except typer.Exit as exit:
        code = exit.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        code = _fail(_line(error))
    if code == _INTERRUPTED:  # some versions of typer return it for Ctrl-C
        _fail("interrupted; the same command goes on from here")
    sys.exit(code)


def _line(error: Exception) -> str:
    """What to tell of an error that comes from outside; any other is raised again."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return "the disk is full: free some space and repeat the command, it goes on from here"
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    if hasattr(error, "format_message"):  # a wrong argument
        return str(error.format_message())
    raise error


def _fail(line: str, code: int = 2) -> int:
    from selftrain.progress import printable

    print(f"selftrain: {printable(' '.join(line.split()))}", file=sys.stderr)
    return code
