"""The rows of a model card are what the hub's own library reads."""

from dataclasses import replace

import pytest
import yaml
from make_audit import full_audit

from selftrain.audit import card_rows

hub = pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def audit():
    return full_audit()


def read(text):
    """The results that the hub's library finds in a card with this front matter, by name and suite."""
    card = hub.ModelCard(f"---\n{text}---\n\n# A model\n")
    assert yaml.safe_load(text)["model-index"][0]["results"]
    return card.data.model_name, {(one.metric_name, one.dataset_config): one for one in card.data.eval_results}


def test_the_hub_reads_back_every_metric_of_the_model_after(audit):
    name, found = read(card_rows(audit, task="sums", model="me/after"))
    assert name == "me/after"
    figures = {f.name: f for f in audit.figures}
    names = {("pass@1", None), ("pass@8", None), ("pass^8", None), ("majority@8", None), ("greedy pass@1", None)}
    assert set(found) == {*names, ("pass@1", "hard")}
    for (metric, suite), one in found.items():
        figure = figures[metric if suite is None else f"{metric} on {suite}"]
        assert one.metric_value == pytest.approx(figure.after, abs=1e-4)
        assert one.metric_args["gain"] == pytest.approx(figure.difference, abs=1e-4)
        assert one.metric_args["gain_interval"] == pytest.approx([figure.low, figure.high], abs=1e-4)
        assert (one.metric_args["problems"], one.metric_args["level"]) == (figure.problems, 0.95)
        assert one.metric_args["before"] == "before"
        assert one.metric_args["samples"] == (1 if "greedy" in metric else 8)
        assert (one.task_type, one.dataset_type, one.verified) == ("text-generation", "sums", None)
        assert one.metric_type == metric.removeprefix("greedy ")
    assert found["pass@1", "hard"].dataset_name == "sums, hard"


def test_the_hub_writes_what_it_read(audit):
    from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

    index = yaml.safe_load(card_rows(audit, task="sums", model="after"))["model-index"]
    assert eval_results_to_model_index(*model_index_to_eval_results(index)) == index


@pytest.mark.parametrize(
    "nasty", ["---\na: b", "x: {y}", "!!python/object:os.system", "\x1b[2J\0\u202e", "'\"", "- a", ""]
)
def test_nasty_names_are_values(nasty):
    audit = full_audit(lambda name: f"{nasty}{name}", count=8, each=4)
    name, found = read(card_rows(audit, task=f"{nasty} task", model=f"{nasty} model"))
    assert name.endswith("model")
    assert len(found) == 6
    text = card_rows(audit, task=nasty, model=nasty)
    assert not [character for character in text if character != "\n" and not character.isprintable()]


def test_what_is_undefined_is_left_out(audit):
    first = replace(audit.primary, after=float("nan"))
    _, found = read(card_rows(replace(audit, figures=(first, *audit.figures[1:])), task="sums", model="m"))
    assert ("pass@1", None) not in found
    assert ("pass@8", None) in found
