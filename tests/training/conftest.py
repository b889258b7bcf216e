"""What every training of the tests has: one thread, so that equal trainings are equal to the bit, and a tokenizer."""

import pytest
import torch
from transformers import AutoTokenizer


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer(tiny_folder):
    return AutoTokenizer.from_pretrained(tiny_folder)
