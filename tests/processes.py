"""Trains on the same rows in however many processes this is started, and writes down what came of it.

    torchrun --standalone --nproc-per-node 2 tests/processes.py OUT.json
    python tests/processes.py OUT.json

Nine rows a training in steps of four: the last step of an epoch has one of them. `sharded` is the loss and gradient
of one batch under `fully_shard`.
"""

import copy
import json
import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from test_training_preferences import KINDS, make_rows
from test_training_sft import make_rows as make_sft_rows
from tiny import tiny_tokenizer
from torch.distributed.fsdp import fully_shard
from trajectories import Recorder, run, settings, tiny_llama
from trl import SFTConfig

from selftrain.training import WeightedCollator, WeightedSFTTrainer, weighted_token_loss
from selftrain.training.head import add_completion_nll

WEIGHTS = [0.5, 1.5, 1, 0, 2, 1, 1, 0.25, 1.75]
STEP = 4


def trained(world, folder):
    """Losses, and parameters after every step, of each kind of training."""
    whole = {"per_device_train_batch_size": STEP // world, "data_seed": 3}
    split = {**whole, "per_device_train_batch_size": STEP // world // 2, "gradient_accumulation_steps": 2}
    base, tokenizer = tiny_llama(), tiny_tokenizer()
    found = {}
    for loss in ("token", "sequence"):
        args = settings(SFTConfig, folder / loss, **split)
        found[loss] = run(WeightedSFTTrainer, args, base, make_sft_rows(WEIGHTS), tokenizer, loss=loss)
    for kind, (trainer, config) in KINDS.items():
        args = settings(config, folder / kind, beta=0.3, **(whole if kind == "kto" else split))
        reference = copy.deepcopy(base)
        torch.manual_seed(1)
        for parameter in reference.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        found[kind] = run(trainer, args, base, make_rows(kind, WEIGHTS), tokenizer, ref_model=reference)
    found |= {name: train(base, tokenizer, folder / name, split) for name, train in TURNS.items()}
    return {
        name: {"losses": recorder.losses, "path": [step.tolist() for step in recorder.path]}
        for name, recorder in found.items()
    }


def evenly(base, tokenizer, folder, split):
    """Eight rows: no step lacks any."""
    return run(WeightedSFTTrainer, settings(SFTConfig, folder, **split), base, make_sft_rows(WEIGHTS[:8]), tokenizer)


def evaluated(base, tokenizer, folder, split):
    """The rows are measured before they are trained."""
    recorder = Recorder()
    trainer(base, tokenizer, settings(SFTConfig, folder, **split), recorder, evaluate=True).train()
    return recorder


def resumed(base, tokenizer, folder, split):
    """Stopped in the second epoch, and taken up by another trainer."""
    whole, rest = Recorder(), Recorder()
    args = settings(SFTConfig, folder, **{**split, "save_strategy": "steps", "save_steps": 4})
    trainer(base, tokenizer, args, whole).train()
    trainer(base, tokenizer, args, rest).train(resume_from_checkpoint=str(folder / "checkpoint-4"))
    rest.path = whole.path[:4] + rest.path
    rest.logs = whole.logs[:4] + rest.logs
    return rest


def trainer(base, tokenizer, args, recorder, evaluate=False):
    rows = Dataset.from_list(make_sft_rows(WEIGHTS))
    made = WeightedSFTTrainer(
        copy.deepcopy(base),
        args,
        train_dataset=rows,
        eval_dataset=rows,
        processing_class=tokenizer,
        callbacks=[recorder],
    )
    if evaluate:
        made.evaluate()
    return made


TURNS = {"evenly": evenly, "evaluated": evaluated, "resumed": resumed}


def sharded(world):
    """The loss of four rows, and the gradient of each weight, with the model spread over the processes."""
    model = tiny_llama()
    add_completion_nll(model)
    if world > 1:
        for layer in model.model.layers:
            fully_shard(layer)
        fully_shard(model)
    rows = make_sft_rows(WEIGHTS[:STEP])
    for row in rows:
        pairs = zip(row["input_ids"], row["completion_mask"], strict=True)
        row["labels"] = [token if kept else -100 for token, kept in pairs]
    batch = WeightedCollator()(rows)
    labels, weights = batch.pop("labels"), batch.pop("weight")
    loss = weighted_token_loss(model(**batch, completion_labels=labels), labels[:, 1:] != -100, weights)
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    whole = [gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient for gradient in gradients]
    return {"loss": loss.item(), "gradient": torch.cat([gradient.flatten() for gradient in whole]).tolist()}


def main():
    torch.set_num_threads(1)
    out, world = Path(sys.argv[1]), int(os.environ.get("WORLD_SIZE", "1"))
    found = trained(world, out.parent / f"of-{world}")
    if world > 1:
        assert torch.distributed.get_world_size() == world
        assert torch.distributed.get_backend() == "gloo"
        ranks = [None] * world
        torch.distributed.all_gather_object(ranks, (torch.distributed.get_rank(), os.getpid()))
    else:
        ranks = [(0, os.getpid())]
    found["sharded"] = sharded(world)
    if ranks[0][1] == os.getpid():
        out.write_text(json.dumps({"ranks": ranks, **found}))
    if world > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
