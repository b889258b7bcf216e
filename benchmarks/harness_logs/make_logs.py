"""Logs of lm-evaluation-harness and of Inspect, for several models on the same sums: material for `selftrain audit`.

    python benchmarks/harness_logs/make_logs.py OUT MODEL [MODEL ...]

MODEL is a Hugging Face folder, whose name names its logs: OUT/lm_eval/NAME has one greedy response to each problem,
OUT/inspect/NAME four at temperature .7. What is there is left alone: started again, it goes on with what is missing.
Nothing is fetched. Wants `pip install "lm-eval[hf]" inspect-ai`.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_EVALUATE_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "INSPECT_DISPLAY": "none",
    "TOKENIZERS_PARALLELISM": "false",
}


def lm_eval(model: Path, folder: Path, limit: int | None) -> list[str]:
    """The command that evaluates a model by lm-evaluation-harness."""
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--device", "cpu", "--batch_size", "20"]
    command += ["--model_args", f"pretrained={model},dtype=float32", "--apply_chat_template"]
    command += ["--include_path", str(HERE), "--tasks", "short_sums", "--log_samples", "--output_path", str(folder)]
    return command if limit is None else [*command, "--limit", str(limit)]


def inspect(model: Path, folder: Path, limit: int | None) -> list[str]:
    """The command that evaluates a model by Inspect."""
    command = [sys.executable, "-m", "inspect_ai", "eval", "short_sums.py", "--model", f"hf/{model.name}"]
    command += ["-M", f"model_path={model}", "-M", "device=cpu", "--max-connections", "20", "--log-dir", str(folder)]
    return command if limit is None else [*command, "--limit", str(limit)]


HARNESSES = {"lm_eval": lm_eval, "inspect": inspect}


def make_log(harness: str, model: Path, folder: Path, limit: int | None = None) -> None:
    """The log of one model in a folder of its own, unless it is there; of the first `limit` problems or all."""
    if folder.is_dir():
        return
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    command = HARNESSES[harness](model.absolute(), unfinished.absolute(), limit)
    print(shlex.join(command), flush=True)
    subprocess.run(command, cwd=HERE, env={**os.environ, **OFFLINE}, check=True)
    unfinished.rename(folder)


def main() -> None:
    """Make the logs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, help="the first problems alone")
    given = parser.parse_args()
    for model in given.models:
        for harness in HARNESSES:
            make_log(harness, model, given.out / harness / model.name, given.limit)


if __name__ == "__main__":
    main()
