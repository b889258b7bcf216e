"""Weights held in 4 bits, below an adapter that is trained (QLoRA, https://arxiv.org/abs/2305.14314)."""

from importlib.util import find_spec
from typing import Any

from selftrain.errors import ConfigError, MissingExtraError

LIBRARY = "bitsandbytes"


def check_four_bit() -> None:
    """Raise ConfigError where a training on weights in 4 bits would find no CUDA device or no bitsandbytes.

    bitsandbytes computes on a CPU, too, but in no useful time: that is for tests.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "train") from error
    if not torch.cuda.is_available():
        raise ConfigError("training.method is 'qlora' and PyTorch finds no CUDA device: use one, or 'lora'")
    if find_spec(LIBRARY) is None:
        raise ConfigError(
            f"training.method is 'qlora' and {LIBRARY} is not installed: "
            "run pip install 'selftrain[4bit]', or use 'lora'"
        )


def four_bit_options(device: str | None = None) -> dict[str, Any]:
    """What makes `from_pretrained` hold the weights of linear layers but the output head in 4 bits.

    NormalFloat, its scales quantized once more, products in bfloat16. Without a device, on the current CUDA device
    where there is one. Raises MissingExtraError without bitsandbytes.
    """
    if find_spec(LIBRARY) is None:
        raise MissingExtraError(LIBRARY, "4bit")
    import torch
    import transformers

    library: Any = transformers
    quantization = library.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": quantization, "device_map": device and {"": device}}
