"""What the published code of the papers gets wrong, one test each: it is computed here, and ours is not that.

EAST arXiv:2503.23913, IWSI arXiv:2408.09849, "Progress or Regress?" arXiv:2407.05013, SemiEvol arXiv:2410.14745.
"""

import copy
import math
from statistics import mean

import numpy as np
import pytest
import torch
from make_few_labels import LABELLED, PROBLEMS, WARM, choice, reasoned, run, texts
from make_round import make_group, make_round, tokenizer
from tiny import CHAT_TEMPLATE, END, tiny_model_folder, tiny_tokenizer
from tokenizers.processors import TemplateProcessing
from torch.nn.functional import log_softmax
from trajectories import run as train_rows
from trajectories import settings, tiny_llama
from transformers import LlamaForCausalLM
from trl import SFTConfig

from selftrain.config import RunConfig
from selftrain.engines import EngineConfig, load_engine
from selftrain.judges import load_judge
from selftrain.labels import Labels
from selftrain.models import open_model
from selftrain.prompts import PromptConfig, Renderer
from selftrain.recipes import load_recipe
from selftrain.records import Problem
from selftrain.training import TrainingConfig, WeightedCollator, WeightedSFTTrainer, train_sft, weighted_sequence_loss
from selftrain.training_set import Labelled

EVEN = make_group("even", "RRWW", ["3", "3", "4", "4"])
WIDE = make_group("wide", "RWWW", ["3", "4", "5", "6"])
EASY = make_group("easy", "RRRW", ["3", "3", "3", "4"])
SURE = make_group("sure", "RRRR")
VALID = Problem.make("one and one?", gold="2", rationale="solution")
CLOSE = 1e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The tiny model with larger weights, so that its losses differ from token to token."""
    path = tiny_model_folder(tmp_path_factory.mktemp("defects") / "model")
    louder = LlamaForCausalLM.from_pretrained(path)
    with torch.no_grad():
        for parameter in louder.parameters():
            parameter *= 8 if parameter.dim() > 1 else 1
    louder.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return LlamaForCausalLM.from_pretrained(folder)


@pytest.fixture
def rows():
    """Two training rows of different lengths."""
    groups = [make_group("1 and 2?", "R", texts=["3"]), make_group("the sum?", "R", texts=["the answer is 20"])]
    return make_round(groups).training_set(groups)


def by_question(found, groups):
    names = {group.problem.id: group.problem.text for group in groups}
    return {names[row.problem]: row.weight for row in found}


def east(groups, **options):
    recipe = load_recipe("east")
    return recipe(make_round(groups), recipe.parse(options))


def iwsi(losses, **options):
    """IWSI on responses with these losses, the valid loss being 2."""
    group = make_group("q", "R" * len(losses))
    said = {response.text: loss for response, loss in zip(group.responses, losses, strict=True)}
    round = make_round([group], labels=Labels(valid=(VALID,)), said={"losses": {**said, "solution": 2.0}})
    recipe = load_recipe("iwsi")
    return recipe(round, recipe.parse(options)), round


def nll(model, ids):
    """Negative log-likelihood of every token but the first, given those before it; a row by itself."""
    with torch.no_grad():
        logprobs = log_softmax(model(torch.tensor([ids])).logits[0], -1)
    return [-logprobs[place - 1, token].item() for place, token in enumerate(ids) if place]


def completion_nll(model, row):
    return nll(model, row.input_ids)[row.completion_start - 1 :]


def trained_loss(model, rows, folder, words=None, **changes):
    """The loss that our trainer logs before its first step."""
    logged = []
    config = TrainingConfig(**{"method": "full", "precision": "fp32", "epochs": 1, "loss": "sequence", **changes})
    train_sft(copy.deepcopy(model), words or tokenizer(), rows, config, seed=0, folder=folder, on_log=logged.append)
    return logged[0]["loss"]


# EAST


def test_east_weights_cancel_in_the_mean_of_a_micro_batch():
    losses, weights = [[0.2, 0.4, 0.6], [1.0, 1.0, 1.0]], [1.6, 0.4]
    published = np.mean(losses) * np.mean(weights)
    assert published == pytest.approx(np.mean(losses))
    assert weighted_sequence_loss(losses, np.ones((2, 3)), weights).item() == pytest.approx((1.6 * 0.4 + 0.4 * 1) / 2)
    assert published != pytest.approx(0.52, abs=0.1)


def test_east_prompt_tokens_are_trained(model, rows, tmp_path):
    """The collator writes all tokens over the labels whose prompt was masked."""
    published = mean(mean(nll(model, row.input_ids)) for row in rows)
    ours = trained_loss(model, rows, tmp_path)
    assert ours == pytest.approx(mean(mean(completion_nll(model, row)) for row in rows), abs=CLOSE)
    assert abs(ours - published) > 100 * CLOSE


def test_east_a_padding_that_is_the_end_of_turn_masks_it(model, rows, tmp_path):
    words = tiny_tokenizer()
    words.pad_token = words.eos_token
    end = words.eos_token_id
    assert all(row.input_ids[-1] == end for row in rows)
    published = mean(mean(completion_nll(model, row)[:-1]) for row in rows)
    ours = trained_loss(model, rows, tmp_path, words)
    assert ours == pytest.approx(mean(mean(completion_nll(model, row)) for row in rows), abs=CLOSE)
    assert abs(ours - published) > 100 * CLOSE


def test_east_two_begin_tokens_in_a_row():
    """One by the template and one by the tokenizer."""
    words = tiny_tokenizer()
    begin = "<|endoftext|>"
    words.bos_token = begin
    words._tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, words.bos_token_id)]
    )
    words.chat_template = "{{ bos_token }}" + CHAT_TEMPLATE
    turns = [{"role": "user", "content": "even"}, {"role": "assistant", "content": "text 0 of even"}]
    published = words(words.apply_chat_template(turns, tokenize=False)).input_ids
    assert published.count(words.bos_token_id) == 2
    groups = [make_group("even", "R")]
    (row,) = make_round(groups, tokenizer=words).training_set(groups)
    assert row.input_ids.count(words.bos_token_id) == 1
    assert row.input_ids[0] == words.bos_token_id


def test_east_two_end_tokens_in_a_pair():
    """One by the template and one by the trainer."""
    words = tokenizer()
    end = words.convert_tokens_to_ids(END)
    published = [*words("3" + END, add_special_tokens=False).input_ids, words.eos_token_id]
    assert published.count(end) == 2
    (pair,) = east([EVEN], objective="dpo")
    for side in (pair.chosen_ids, pair.rejected_ids):
        assert side.count(end) == 1
        assert side[-1] == end


@pytest.mark.parametrize("objective", ["sft", "dpo", "kto"])
def test_east_the_system_prompt_of_training_is_not_that_of_sampling(objective):
    prompt = PromptConfig(system="Reason step by step.")
    config = RunConfig.model_validate({"task": "gsm8k", "prompt": prompt.model_dump()})
    assert config.drawing_prompt == config.prompt
    recipe = load_recipe("east")
    round = make_round([EVEN], prompt=prompt)
    found = recipe(round, recipe.parse({"objective": objective}))
    (asked,) = round.verbs.asked
    sampled = Renderer(tokenizer(), asked[2], ()).prompt(EVEN.problem)
    published = Renderer(tokenizer(), PromptConfig(), ()).prompt(EVEN.problem)
    trained = {row.prompt_ids if objective == "dpo" else row.input_ids[: row.completion_start] for row in found}
    assert trained == {sampled} != {published}


def test_east_the_accuracy_weight_of_pairs_is_the_wrong_way_round():
    """A^a grows with the share right, (1 - A)^a with the share that is not."""
    groups = [EASY, WIDE]
    published = np.array([0.75, 0.25]) * 2
    found = by_question(east(groups, objective="dpo", weight="accuracy"), groups)
    assert list(found.values()) == pytest.approx(published[::-1])
    assert found["wide"] > found["easy"]


def test_east_the_mean_of_powers_is_copied_by_hand():
    """From other data than the weights are made of."""
    copied = mean([2.0, 2.0, 1.9])
    published = np.array([1.0, 0.3, 0.5]) / copied
    assert published.mean() == pytest.approx(0.3, abs=0.02)
    for groups in ([EVEN, WIDE], [EVEN, EASY], [EASY, WIDE, EVEN]):
        assert east(groups).mean_weight() == pytest.approx(1, abs=1e-14)


def test_east_an_exponent_of_zero_crashes():
    groups = [SURE, EVEN, WIDE]
    assert by_question(east(groups, exponent=0), groups) == {"sure": 1, "even": 1, "wide": 1}


def test_east_there_is_no_kto():
    found = east([EVEN], objective="kto")
    assert (found.kind, [row.label for row in found]) == (Labelled, [True, False])


def test_east_answers_are_clustered_by_their_spelling():
    """And then called equal by the test of correctness."""
    spelled = ["0.5", "1/2", "1/2", "0.5"]
    assert len(set(spelled)) == 2
    for name in ("number", "math"):
        judge = load_judge(name)
        answers = [judge.answer(EVEN.problem, f"The answer is {answer}") for answer in spelled]
        same = make_group("half", "RRRR", answers, same=judge)
        found = east([same, EVEN])
        assert by_question(found, [same, EVEN]) == {"half": 0, "even": 2}


def test_east_questions_all_right_are_missing_from_supervised_training():
    """As the file of pairs is read for rows, too."""
    published = {"even"}
    found = by_question(east([SURE, EVEN], exponent=0), [SURE, EVEN])
    assert found.keys() == {"sure", "even"} != published


# IWSI


def test_iwsi_only_the_last_of_four_epochs_trains(tmp_path):
    """Gradients are accumulated over an epoch and dropped at its end, so that one step is made in all."""
    draw = {"input_ids": [1, 2, 3, 4], "completion_mask": [0, 0, 1, 1], "weight": 1.0}
    batches = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2, "learning_rate": 0.05}
    args = [settings(SFTConfig, tmp_path, num_train_epochs=epochs, **batches) for epochs in (1, 4)]
    base = tiny_llama()
    once, four = (train_rows(WeightedSFTTrainer, one, base, [draw] * 2, tokenizer()) for one in args)
    assert len(four.path) == 4
    torch.testing.assert_close(four.path[0], once.path[0])
    published = once.path[-1]
    assert (four.path[-1] - published).abs().max() > 1e-3
    assert four.losses == sorted(four.losses, reverse=True)
    assert len(set(four.losses)) == 4


def test_iwsi_the_variants_weights_are_raised_to_two_instead_of_cut():
    ratios = [2 / loss for loss in (2, 4, 0.5)]
    published = [max(ratio, 2) for ratio in ratios]
    found, _ = iwsi([2, 4, 0.5], weighted=True)
    assert [row.weight for row in found] == [1, 0.5, 2] == [min(ratio, 2) for ratio in ratios]
    assert published == [2, 2, 4]


def test_iwsi_the_loss_covers_prompt_and_padding_and_divides_by_the_padded_length(model, rows, tmp_path):
    width = max(len(row.input_ids) for row in rows)
    assert min(len(row.input_ids) for row in rows) < width
    pad = tokenizer().pad_token_id
    padded = [row.input_ids + (pad,) * (width - len(row.input_ids)) for row in rows]
    published = mean(sum(nll(model, ids)) / width for ids in padded)
    ours = trained_loss(model, rows, tmp_path)
    assert ours == pytest.approx(mean(mean(completion_nll(model, row)) for row in rows), abs=CLOSE)
    assert abs(ours - published) > 100 * CLOSE
    batch = WeightedCollator()(
        [
            {"input_ids": [5, 6, 7], "labels": [-100, 6, 7], "weight": 1.0},
            {"input_ids": [8], "labels": [8], "weight": 1.0},
        ]
    )
    assert batch["labels"].tolist() == [[-100, 6, 7], [8, -100, -100]]


def test_iwsi_the_first_token_is_scored_given_a_pad(folder, model, rows):
    """Left padding puts one before it, and its score into the mean."""
    pad = tokenizer().pad_token_id
    short = rows.rows[0].input_ids
    published = nll(model, (pad, *short))
    engine = load_engine(open_model(folder), EngineConfig(name="transformers", precision="fp32"))
    pairs = [(row.input_ids[:1], row.input_ids[1:]) for row in rows]
    together = [[-value for value in found] for found in engine.score(pairs)]
    engine.close()
    for row, found in zip(rows, together, strict=True):
        assert found == pytest.approx(nll(model, row.input_ids), abs=CLOSE)
    assert len(published) == len(together[0]) + 1
    assert abs(mean(published) - mean(together[0])) > 10 * CLOSE


def test_iwsi_the_question_counts_in_the_loss_of_a_sample():
    """Ours offers it, and does not do it unasked."""
    _, round = iwsi([2, 4])
    groups = [make_group("q", "RR")]
    starts = [row.completion_start for row in make_round(groups).training_set(groups)]
    assert [len(context) for context, _ in round.verbs.scored[1:]] == starts
    _, round = iwsi([2, 4], loss_on="all")
    assert {len(context) for context, _ in round.verbs.scored} == {1}


def test_iwsi_ties_at_the_threshold_drop_together():
    """Seven samples at 80 %: four are left, where six are to be kept."""
    losses = [2, 2 * 2, 2 * 3, 2 * 4, 2 * 5, 2 * 5, 2 * 6]
    weights = sorted(loss / 2 for loss in losses)
    published = [weight for weight in weights if weight < weights[int(0.8 * 7)]]
    assert len(published) == 4
    found, _ = iwsi(losses, keep=0.8)
    assert [row.response for row in found] == [f"q-{place}" for place in range(round(0.8 * 7))]


def test_iwsi_a_threshold_of_one_crashes():
    weights = sorted([1.0, 2.0, 3.0])
    with pytest.raises(IndexError):
        _ = weights[int(1 * len(weights))]
    found, _ = iwsi([2, 4, 6], keep=1)
    assert len(found) == 3


def test_iwsi_numbers_are_compared_without_their_fraction():
    assert int(float("3.9")) == int(float("3.2"))
    judge = load_judge("number")
    assert not judge.same("3.9", "3.2")
    assert judge.judge(Problem.make("q", gold="3.2"), "The answer is 3.9").judgement == "wrong"
    assert judge.judge(Problem.make("q", gold="3.9"), "The answer is 3.90").judgement == "right"


def test_iwsi_numbers_lose_their_sign():
    def published(text):
        return "".join(character for character in text if character.isdigit())

    assert published("-3") == published("3")
    judge = load_judge("number")
    assert not judge.same("-3", "3")
    assert judge.judge(Problem.make("q", gold="3"), "The answer is -3").judgement == "wrong"
    assert judge.judge(Problem.make("q", gold="-3"), "The answer is -3").judgement == "right"


# "Progress or Regress?"


def test_line_7_pairs_every_right_response_with_every_wrong_one():
    """As written; the group's later work, and ours unless told otherwise, pairs shuffled lists."""
    group = make_group("mixed", "RRRWWWW")
    recipe = load_recipe("iterative")
    found = {
        pairs: recipe(
            make_round([group], number=2), recipe.parse({"method": "dpo", **({"pairs": pairs} if pairs else {})})
        )
        for pairs in (None, "zip", "cross", "one")
    }
    assert {pairs: len(rows) for pairs, rows in found.items()} == {None: 3, "zip": 3, "cross": 12, "one": 1}
    for side in ("chosen_response", "rejected_response"):
        assert len({getattr(pair, side) for pair in found[None]}) == 3
    assert math.prod((3, 4)) != len(found[None])


# SemiEvol


def named(label):
    """A published rule for letters: the first capital A to D of the reply in capitals."""
    return next(character for character in label.upper() if character in "ABCD")


def test_semievol_gold_answers_of_unlabelled_problems_are_trained():
    """The script that writes the training file takes them in the place of the pseudo-responses."""
    poisoned = [choice(problem.text, "D") for problem in PROBLEMS]
    published = [f"Answer: {problem.gold}" for problem in poisoned]
    found = {}
    for name, problems in (("clean", PROBLEMS), ("poisoned", poisoned)):
        rows, round = run(reasoned("B"), problems=problems, percentile=100)
        assert not any(hasattr(problem, "gold") for problem in round.problems)
        found[name] = texts(rows)[len(LABELLED) :]
    assert found["clean"] == found["poisoned"] == ["Answer: B"] * 4 != published


def test_semievol_replies_that_state_nothing_agree():
    """Their label is '' four times, so they are unanimous."""
    replies = ["I do not know", "Hm.", "", "No idea"]
    published = {""}
    assert len(published) == 1
    rows, round = run(lambda model, problem, shots, index: replies[shots], predictions=8)
    assert round.told[0] == "predictions agree on 0 of 4 problems; the warm model decided 4"
    assert len(rows) == len(LABELLED)


def test_semievol_a_dot_makes_another_answer():
    spelled = ["Answer: B", "Answer: B."]
    assert len({text.removeprefix("Answer: ") for text in spelled}) == 2
    _, round = run(lambda model, problem, shots, index: spelled[shots % 2], predictions=8)
    assert round.told[0] == "predictions agree on 4 of 4 problems; the warm model decided 0"
    assert {label.answer for label in round.pseudo_labels} == {"B"}


def test_semievol_a_letter_in_brackets_is_that_of_the_word_answer():
    text = "Answer: (B)"
    assert named(text) == "A"
    rows, round = run(lambda model, problem, shots, index: text)
    assert {label.answer for label in round.pseudo_labels} == {"B"}
    assert set(texts(rows)[len(LABELLED) :]) == {"Answer: B"}


@pytest.mark.parametrize("judge", ["number", "exact", "math"])
def test_semievol_dots_are_deleted_from_targets(judge):
    published = "Answer: 14.1".replace(".", "")
    assert published == "Answer: 141"
    labelled = [Problem.make(problem.text, gold="14.1") for problem in LABELLED]
    problems = [Problem.make(problem.text) for problem in PROBLEMS]
    rows, _ = run(reasoned("14.1"), judge=judge, labelled=labelled, problems=problems, percentile=100)
    assert set(texts(rows)) == {"Answer: 14.1"}


def test_semievol_numbers_are_evaluated(tmp_path, monkeypatch):
    """Whatever stands where a number should is run as Python."""
    monkeypatch.chdir(tmp_path)
    reply = "open('ran', 'w').write('14')"
    assert eval(reply) == 2
    (tmp_path / "ran").unlink()
    for name in ("number", "exact", "math", "choice"):
        judge, problem = load_judge(name), choice("how many?", "2")
        judge.judge(problem, f"Answer: {reply}")
        assert not (tmp_path / "ran").exists()
    assert load_judge("number").answer(choice("how many?"), "Answer: 9**9**9**9") is None


def test_semievol_problems_without_gold_answers_crash_the_scoring():
    gold = None
    with pytest.raises(AttributeError):
        gold.lower()
    problems = [choice(problem.text) for problem in PROBLEMS]
    rows, round = run(problems=problems)
    assert len(rows) > len(LABELLED)
    assert len(round.pseudo_labels) == 4


def test_semievol_one_response_without_log_probabilities_leaves_nothing_selected():
    """Their mean is nan, and so is the percentile, to which nothing is below."""
    losses = [0.1, math.nan, 0.3, 0.2]
    published = np.array(losses) <= np.percentile(losses, 50)
    assert not published.any()
    logprobs = {f"{problem.text} so. Answer: A": loss for problem, loss in zip(PROBLEMS, losses, strict=True)}
    empty = f"{PROBLEMS[1].text} so. Answer: A"
    _, round = run(losses={**logprobs, empty: []})
    assert [label.kept for label in round.pseudo_labels] == [True, False, False, True]


def test_semievol_the_last_training_goes_on_with_the_warm_model_on_pseudo_labels_alone():
    """At a hundredth of the rate, 1e-6."""
    published = ([problem.id for problem in PROBLEMS], WARM)
    rows, round = run(percentile=100)
    assert [row.problem for row in rows] == [problem.id for problem in (*LABELLED, *PROBLEMS)] != published[0]
    assert round.start == "base" != published[1]
    round.train(rows)
    (warm, start, few), (last, again, all_rows) = round.verbs.trained
    assert (warm, last) == (WARM, "round-01")
    assert (start, again) == ("base", "base")
    assert all_rows.rows[: len(few)] == few.rows
    assert {config.learning_rate for config in round.verbs.configs} == {round.training.learning_rate}
