"""What a training is kept under, and what its reference is kept under."""

from dataclasses import replace
from pathlib import Path

import pytest
from make_rows import make_labelled, make_pair, make_row

from selftrain.digest import digest
from selftrain.models import Model
from selftrain.training import TrainingConfig
from selftrain.training_set import TrainingSet
from selftrain.training_step import Training

ROWS, PAIRS, LABELLED = (TrainingSet((row,)) for row in (make_row(), make_pair(), make_labelled()))
PREFERENCES = pytest.mark.parametrize("rows", [PAIRS, LABELLED], ids=["pairs", "labelled"])


def make_training(rows=PAIRS, parent="parent", base="base", **settings):
    parent, base = (Model(name=name, folder=Path(name), digest=name) for name in (parent, base))
    return Training(seed=0, parent=parent, base=base, rows=rows, config=TrainingConfig.model_validate(settings))


def test_rows_are_kept_under_what_they_were_before_there_were_preferences():
    training = make_training(ROWS, base="another", preference={"beta": 0.5, "reference": "base"})
    assert training.inputs == make_training(ROWS).inputs
    assert sorted(training.inputs) == ["parent", "rows", "seed", "training"]
    assert digest(training.inputs) == "f525870923990da1"
    assert make_training(ROWS, loss="sequence").inputs != training.inputs
    assert training.reference is None
    assert not training.apart


@PREFERENCES
def test_preferences_are_kept_under_all_that_determines_them(rows):
    found = make_training(rows).inputs
    assert make_training(rows, base="another", loss="sequence").inputs == found
    others = [
        make_training(rows, preference={"beta": 0.5}),
        make_training(rows, preference={"loss": "ipo"}),
        make_training(rows, preference={"reference": "base"}),
        make_training(rows, epochs=1),
        make_training(rows, parent="another"),
        make_training(ROWS),
    ]
    assert len({digest(other.inputs) for other in others} | {digest(found)}) == 7


def test_a_reference_counts_for_what_it_is_not_for_its_name():
    of_base = make_training(parent="base", preference={"reference": "base"})
    assert of_base.inputs == make_training(parent="base").inputs
    assert not of_base.apart
    later = make_training(preference={"reference": "base"})
    assert later.apart
    assert later.reference.name == "base"
    assert not make_training().apart
    assert make_training().reference.name == "parent"


def test_a_reference_is_one_set_of_weights():
    training = make_training(preference={"reference": "base"})
    pair = replace(training.base, extractive=training.parent)
    paired = replace(training, base=pair)
    assert paired.inputs == training.inputs
    assert paired.reference_inputs == training.reference_inputs
    assert not replace(paired, parent=pair.alone).apart


def test_log_probabilities_are_shared_by_all_that_compute_them_alike():
    later = make_training(LABELLED, epochs=9, preference={"reference": "base", "beta": 0.5})
    assert later.reference_inputs == make_training(PAIRS, parent="base").reference_inputs
    others = [make_training(), make_training(precision="fp32"), make_training(method="qlora")]
    assert len({digest(other.reference_inputs) for other in others}) == 3
    # A reference apart is never held in 4 bits.
    apart = {"preference": {"reference": "base"}}
    assert make_training(method="qlora", **apart).reference_inputs == make_training(**apart).reference_inputs


@pytest.mark.parametrize(("method", "makes"), [("lora", "adapter"), ("qlora", "adapter"), ("full", "model")])
def test_what_a_method_makes(method, makes):
    assert make_training(method=method).makes == makes
