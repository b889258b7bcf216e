"""Trainings of a tiny model whose parameters are kept after every step.

Plain gradient descent without clipping is used, as Adam and clipping would hide a wrongly scaled gradient.
"""

import copy

import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, TrainerCallback

RATE = 0.5
CLOSE = {"rtol": 0, "atol": 1e-5}
VOCABULARY = 60


def tiny_llama():
    """A random Llama with large enough weights for its gradients to be far from 0."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, initializer_range=0.2, **sizes))


class Recorder(TrainerCallback):
    """Keeps the parameters after every step, and the logged figures."""

    def __init__(self):
        self.path, self.logs = [], []

    def on_step_end(self, args, state, control, model=None, **_):
        self.path.append(flat(model))

    def on_log(self, args, state, control, logs=None, **_):
        self.logs.append(logs)

    @property
    def losses(self):
        return [log["loss"] for log in self.logs if "loss" in log]


def flat(model):
    """All parameters as one vector."""
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])


def settings(kind, folder, **changes):
    """Arguments of a trainer in float32 that logs every step and saves nothing."""
    return kind(
        **{
            "output_dir": str(folder),
            "per_device_train_batch_size": 4,
            "num_train_epochs": 2,
            "learning_rate": RATE,
            "lr_scheduler_type": "constant",
            "optim": "sgd",
            "max_grad_norm": 0,
            "bf16": False,
            "use_cpu": True,
            "activation_checkpointing": False,
            "save_strategy": "no",
            "logging_steps": 1,
            "disable_tqdm": True,
            "report_to": "none",
            "dataloader_pin_memory": False,
            **changes,
        }
    )


def run(trainer, args, base, rows, tokenizer, **kwargs):
    """Trains a copy of a model on rows; returns what was recorded."""
    recorder = Recorder()
    made = trainer(
        model=copy.deepcopy(base),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[recorder],
        **kwargs,
    )
    made.remove_callback(PrinterCallback)
    made.train()
    return recorder


def assert_same_path(found, wanted, **tolerance):
    """Parameters after every step are equal up to rounding."""
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, **{**CLOSE, **tolerance})
