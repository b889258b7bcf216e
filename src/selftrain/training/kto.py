"""WeightedKTOTrainer: TRL's trainer for completions labelled desirable or not, with a weight for every row."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Value
from torch import Tensor
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from selftrain.errors import ConfigError
from selftrain.training.columns import Columns, check_rows, check_weight_factor
from selftrain.training.losses import labelled_losses
from selftrain.training.preference import (
    WeightedPreferenceTrainer,
    check_preference_settings,
    completion_lengths,
    completion_logps,
    padded_items,
)
from selftrain.training.rows import fit_completions, with_columns


class WeightedKTOTrainer(WeightedPreferenceTrainer, KTOTrainer):
    """TRL's KTOTrainer for rows with a `label` and a `weight`: text, or `prompt_ids` and `completion_ids`.

    The loss of a step is the mean over its rows of weight times the row's loss (arXiv:2402.01306, eq. 8), times
    `desirable_weight` or `undesirable_weight`. The baseline it is compared with is the mean log-ratio of the
    step's prompts with each other's completions, over the whole step however it is split, unweighted; TRL takes
    it over a micro-batch. Rows come in their order, so that the same prompts and completions meet in every epoch:
    shuffle them before. Reference and lengths are treated as by WeightedDPOTrainer.
    """

    _columns = (
        *("prompt_ids", "completion_ids", "KL_prompt_ids", "KL_completion_ids"),
        *("label", "weight", "ref_logps", "ref_KL_logps"),
    )
    _filler: Mapping[str, Any] = {
        "prompt_ids": [0],
        "completion_ids": [],
        "KL_prompt_ids": [0],
        "KL_completion_ids": [],
        "label": False,
        "weight": 0.0,
        "ref_logps": 0.0,
        "ref_KL_logps": 0.0,
    }
    _fit = staticmethod(fit_completions("completion_ids"))
    _wanted = Columns(
        mark="prompt_ids",
        tokens=(frozenset({"prompt_ids", "completion_ids"}),),
        text=frozenset({"prompt", "completion"}),
        completions=("completion",),
        label=True,
    )

    def __init__(
        self,
        model: Any,
        ref_model: Any = None,
        args: KTOConfig | None = None,
        data_collator: None = None,
        train_dataset: Dataset | None = None,
        eval_dataset: Dataset | dict[str, Dataset] | None = None,
        *,
        references: Path | str | None = None,
        **kwargs: Any,
    ) -> None:
        args = KTOConfig() if args is None else args
        wanted = {"loss_type": "kto", "train_sampling_strategy": "sequential"}
        check_preference_settings(args, data_collator, wanted)
        if args.per_device_train_batch_size < 2:
            raise ConfigError(
                "per_device_train_batch_size=1 (a run's micro_batch_size): KTO compares rows, set it to 2 or more"
            )
        for name in ("desirable_weight", "undesirable_weight"):
            check_weight_factor(name, getattr(args, name))
        check_rows(train_dataset, eval_dataset, columns=self._wanted)
        self._begin_setup(ref_model, args, references)
        super().__init__(model, ref_model, args, collate_labelled, train_dataset, eval_dataset, **kwargs)
        self._let_go()
        self._finish_setup(self._wanted, train_dataset, eval_dataset)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """A micro-batch's part of the loss of its step; `num_items_in_batch` is the step's number of rows."""
        logps = completion_logps(model, inputs)
        ratios = logps - inputs["ref_logps"]
        real, desirable = self._counts(inputs) > 0, inputs["label"]
        kl = self._baseline if num_items_in_batch is not None else self._kl(model, [inputs])
        losses = labelled_losses(ratios, desirable, kl, self.beta)
        weights = inputs["weight"] * torch.where(desirable, self.desirable_weight, self.undesirable_weight)
        part = torch.where(real, weights * losses, 0).sum()
        figures = {"kl": (kl.expand_as(ratios), real)}
        for side, counted in (("chosen", real & desirable), ("rejected", real & ~desirable)):
            figures |= {f"rewards/{side}": (self.beta * ratios, counted), f"logps/{side}": (logps, counted)}
        self._note(figures)
        loss = self._share(part, num_items_in_batch, real.sum())
        return self._with_logits(loss, model, inputs) if return_outputs else loss

    def _get_num_items_in_batch(self, batch_samples: Sequence[dict[str, Any]], device: torch.device) -> Any:
        self._baseline = self._kl(self.model_wrapped, batch_samples)
        return super()._get_num_items_in_batch(batch_samples, device)

    def _kl(self, model: Any, batches: Sequence[Mapping[str, Any]]) -> Tensor:
        """The mean log-ratio of prompts with completions of others, over all processes; at least 0."""
        sums = torch.zeros(2, device=self.accelerator.device)
        for batch in batches:
            with torch.no_grad(), self.compute_loss_context_manager():
                ratios = completion_logps(model, batch, "KL_") - batch["ref_KL_logps"]
            real = self._counts(batch) > 0
            sums += torch.stack([torch.where(real, ratios, 0).sum(), real.sum()])
        total, count = self.accelerator.reduce(sums)
        return torch.clamp(total / count, min=0)

    def _counts(self, batch: Mapping[str, Any]) -> Tensor:
        return (completion_lengths(batch) > 0).long()

    def _prepare_dataset(self, dataset: Dataset, processing_class: Any, args: KTOConfig, dataset_name: str) -> Dataset:
        rows = super()._prepare_dataset(dataset, processing_class, args, dataset_name)
        rows = rows.cast_column("label", Value("bool"))
        step = args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
        size = step if dataset_name == "train" else args.per_device_eval_batch_size
        prompts, completions = rows["prompt_ids"][:], rows["completion_ids"][:]
        completions = [completions[place] for place in crossed(len(rows), size)]
        if args.max_length is not None:
            room = [max(1, args.max_length - len(completion)) for completion in completions]
            prompts = [prompt[-space:] for prompt, space in zip(prompts, room, strict=True)]
        return with_columns(rows, {"KL_prompt_ids": prompts, "KL_completion_ids": completions})

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        parts = {f"ref_{kind}logps": (f"{kind}prompt_ids", f"{kind}completion_ids") for kind in ("", "KL_")}
        return self._with_reference(dataset, parts, batch_size)


def collate_labelled(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Pads to [rows, tokens], and under `KL_` the prompts with the completions of others; numbers become [rows]."""
    batch = padded_items([(row["prompt_ids"], row["completion_ids"]) for row in rows])
    crossed = padded_items([(row["KL_prompt_ids"], row["KL_completion_ids"]) for row in rows])
    numbers = {
        name: torch.tensor([row[name] for row in rows]) for name in ("label", "weight", "ref_logps", "ref_KL_logps")
    }
    return {**batch, **{f"KL_{name}": value for name, value in crossed.items()}, **numbers}


def crossed(rows: int, step: int) -> list[int]:
    """Whose completion each prompt is given: that of the row before it, in a circle within its step.

    A step of one row alone takes that of the step before.
    """
    found: list[int] = []
    for start in range(0, rows, step):
        places = range(start, min(start + step, rows))
        found += [places[-1], *places[:-1]] if len(places) > 1 else [max(start - 1, 0)]
    return found
