"""The fields of TRL's configurations that `training.trl` cannot hold, and why; every other one is passed on."""

from collections.abc import Iterator, Mapping
from typing import Any

_ACCELERATOR = "accelerator_config"

_OWN = {
    "activation_checkpointing": "gradient_checkpointing",
    "beta": "preference.beta",
    "bf16": "precision",
    "fp16": "precision",
    "gradient_accumulation_steps": "batch_size and micro_batch_size",
    "gradient_checkpointing": "gradient_checkpointing",
    "learning_rate": "learning_rate",
    "loss_type": "loss (of rows) or preference.loss (of pairs)",
    "lr_scheduler_type": "scheduler",
    "max_grad_norm": "max_grad_norm",
    "max_length": "max_length",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "micro_batch_size",
    "save_steps": "save_steps",
    "warmup_steps": "warmup_ratio",
    "weight_decay": "weight_decay",
}
_REASONS = {
    "the audit measures the model": (
        "batch_eval_metrics",
        "bf16_full_eval",
        "do_eval",
        "do_predict",
        "eval_accumulation_steps",
        "eval_delay",
        "eval_do_concat_batches",
        "eval_on_start",
        "eval_packing",
        "eval_steps",
        "eval_strategy",
        "eval_use_gather_object",
        "fp16_full_eval",
        "greater_is_better",
        "include_for_metrics",
        "load_best_model_at_end",
        "metric_for_best_model",
        "per_device_eval_batch_size",
        "prediction_loss_only",
    ),
    "rows follow one seeded order, so that a resumed training equals an uninterrupted one": (
        "dataloader_in_order",
        "ignore_data_skip",
        "length_column_name",
        "shuffle_dataset",
        "train_sampling_strategy",
    ),
    "one optimizer step is a fixed list of rows": (
        "accelerator_config.dispatch_batches",
        "accelerator_config.even_batches",
        "accelerator_config.gradient_accumulation_kwargs",
        "accelerator_config.split_batches",
        "accelerator_config.use_configured_state",
        "accelerator_config.use_seedable_sampler",
        "auto_find_batch_size",
        "average_tokens_across_devices",
        "dataloader_drop_last",
    ),
    "it would drop or blur the weights of rows": (
        "liger_kernel_config",
        "packing",
        "packing_strategy",
        "padding_free",
        "remove_unused_columns",
        "use_liger_kernel",
        "use_weighting",
    ),
    "the loss is the weighted one of `loss`, or of `preference`, alone": (
        "discopop_tau",
        "f_alpha_divergence_coef",
        "f_divergence_type",
        "label_smoothing",
        "label_smoothing_factor",
        "ld_alpha",
        "loss_weights",
        "router_aux_loss_coef",
    ),
    "the reference's log-probabilities are computed once, before the first step": (
        "precompute_ref_batch_size",
        "precompute_ref_log_probs",
        "ref_model_mixup_alpha",
        "ref_model_sync_steps",
        "sync_ref_model",
    ),
    "rows come tokenized, their completions marked; the run's `prompt` says how": (
        "assistant_only_loss",
        "chat_template_path",
        "completion_only_loss",
        "dataset_kwargs",
        "dataset_num_proc",
        "dataset_text_field",
        "eos_token",
        "label_names",
        "pad_token",
        "truncation_mode",
    ),
    "checkpoints are kept so that a killed training can be resumed": (
        "enable_jit_checkpoint",
        "output_dir",
        "restore_callback_states_from_checkpoint",
        "resume_from_checkpoint",
        "save_on_each_node",
        "save_only_model",
        "save_strategy",
        "save_total_limit",
    ),
    "the figures of every step are handed on": (
        "disable_tqdm",
        "logging_nan_inf_filter",
        "logging_steps",
        "logging_strategy",
    ),
    "the seed is derived from the run's `seed`": ("data_seed", "seed"),
    "the model is loaded by the run, and no code of its own is run": ("model_init_kwargs", "trust_remote_code"),
    "the model is trained and saved whole, its weights in float32": (
        "deepspeed",
        "fsdp",
        "fsdp_config",
        "parallelism_config",
    ),
    "nothing is uploaded: export the final model and upload that": (
        "hub_always_push",
        "hub_model_id",
        "hub_revision",
        "hub_strategy",
        "hub_token",
        "push_to_hub",
    ),
}
REFUSED: Mapping[str, str] = {
    **{key: f"set {name} of the training instead" for key, name in _OWN.items()},
    **{key: reason for reason, keys in _REASONS.items() for key in keys},
}
"""Fields of SFTConfig, DPOConfig and KTOConfig that would break a promise of the training, and the promise."""


def check_passed_on(trl: Mapping[str, Any]) -> None:
    """Raise ValueError for the first key of `training.trl` that is refused."""
    for key in _names(trl):
        if key in REFUSED:
            raise ValueError(f"{key} cannot be set, {REFUSED[key]}; remove it")


def _names(trl: Mapping[str, Any]) -> Iterator[str]:
    yield from trl
    options = trl.get(_ACCELERATOR) or {}
    if not isinstance(options, Mapping):
        raise ValueError(f"{_ACCELERATOR} must be a mapping of its options, found {options!r}")
    yield from (f"{_ACCELERATOR}.{option}" for option in options)
