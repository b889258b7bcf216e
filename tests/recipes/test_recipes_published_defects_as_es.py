"""What the published code of AS-ES (arXiv:2403.01969) gets wrong, one test each: it is computed, ours is not that."""

import argparse
import re
from pathlib import Path

import pytest
import torch
from make_round import SaidVerbs, make_round, tokenizer
from make_rows import make_row
from torch.nn.functional import log_softmax

from selftrain import training
from selftrain.config import load_config
from selftrain.engines import EngineConfig
from selftrain.engines.base import Request, Sampling
from selftrain.errors import ConfigError
from selftrain.judges import load_judge
from selftrain.labels import Labels
from selftrain.metrics import Metrics
from selftrain.models import Model, load_model, open_model
from selftrain.prompts import PromptConfig, Renderer
from selftrain.recipes import load_recipe
from selftrain.records import Problem
from selftrain.sampling import Asked, Draw, SamplingConfig
from selftrain.segments import label_pieces, segment_rows, similarity_scores, split_pieces
from selftrain.segments.alternation import states_answer
from selftrain.store import Workspace
from selftrain.training import TrainingConfig, train_sft
from selftrain.training_set import TrainingSet
from selftrain.turns import drawn_in_turns
from selftrain.verbs import Verbs

AS_ES = load_recipe("as_es")
CHAIN = "There are 2 big cats here, and each cat has 4 legs.\n2 * 4 = 8 legs it is.\nThe answer is 8."
CATS = Problem.make("legs of 2 cats?", gold="8", rationale=CHAIN)
PROMPT = PromptConfig(alternate={})
SETTINGS = {"method": "full", "precision": "fp32", "epochs": 1, "batch_size": 2, "learning_rate": 0.05}
ROWS = [make_row(name=str(place), ids=(5 + place, 6, 7, 8 + place, 9)) for place in range(5)]


class Unsure(SaidVerbs):
    """A model that is unsure of equals signs alone."""

    def __init__(self):
        super().__init__(None)
        self.contexts = []

    def entropies(self, model, pairs):
        self.contexts += [context for context, _ in pairs]
        return [[5.0 if "=" in tokenizer().decode([token]) else 0.01 for token in tokens] for _, tokens in pairs]


def made(problem=CATS, **options):
    """The training set of one rationale, and its round."""
    round = make_round([problem], labels=Labels(given=(problem,)), verbs=Unsure(), prompt=PROMPT)
    round.parent = Model(name="parent", folder=Path("parent"), digest="parent")
    return AS_ES(round, AS_ES.parse({"chains": "rationales", **options})), round


def letters(texts):
    return "".join("".join(texts).split())


def test_as_es_a_short_last_piece_vanishes():
    text = "Tom has 2 bags of 3 apples. Answer: 6."
    published = split_pieces(text, "official")
    assert published == ["Tom has 2 bags of 3 apples,"]
    assert letters(split_pieces(text)) == letters(text) != letters(published)
    assert AS_ES.options().cut == "clean"


def test_as_es_thousands_separators_are_cut():
    text = "In all she pays $1,200 for both of them. So the answer is 1,200."
    published = split_pieces(text, "official")
    assert published == ["In all she pays $1,", "200 for both of them,", "So the answer is 1,"]
    assert split_pieces(text) == ["In all she pays $1,200 for both of them.", "So the answer is 1,200."]


def test_as_es_neighbours_with_one_label_stay_apart():
    """Where the paper merges them."""
    rows, round = made()
    (chain,) = round.chains
    published = segment_rows(CATS.text, chain.pieces, chain.labels, merge=False)
    assert [label for label, *_ in published] == ["E", "E", "A", "E"]
    assert [label for label, *_ in segment_rows(CATS.text, chain.pieces, chain.labels)] == ["E", "A", "E"]
    assert len(rows) == 3


def test_as_es_nothing_left_of_a_chain_becomes_an_empty_row():
    """Whose mean is that of no scores."""
    published = split_pieces("Answer: 8.", "official")
    assert published == []
    assert label_pieces(published, 1.4) == ""
    short = Problem.make("q?", gold="8", rationale="Answer: 8.")
    rows, round = made(short, cut="official")
    assert (len(rows), round.chains) == (0, ())
    assert rows.dropped == {"nothing left of the chain once it is cut": 1}
    assert [row.completion_text for row in made(short)[0]] == ["Answer: 8.<|im_end|>"]


def test_as_es_pieces_are_scored_without_what_stands_before_them():
    """Ours offers it, and does not do it unasked."""
    question = Renderer(tokenizer(), PROMPT, ()).prompt(CATS)
    published = [question] * 4
    assert made(given="question")[1].verbs.contexts == published
    assert made()[1].verbs.contexts == [question], "the chain in one pass"


@pytest.mark.parametrize("path", ["uni", "dual"])
def test_as_es_the_script_calls_its_data_function_with_wrong_arguments(path):
    """So it ends before the first row; ours goes from the words of a command line to rows."""
    words = [f"recipe.options.path={path}", "recipe.options.beta=1.2", "prompt.alternate.loops=2"]
    config = load_config("as-es", words)
    rows, round = made(**config.recipe.options)
    extractive = [row for name, _, rows in round.verbs.trained if name == "round-01-extractive" for row in rows]
    assert len(rows) + len(extractive) == 3
    assert bool(extractive) == (path == "dual")


def test_as_es_the_uni_path_is_refused_by_its_own_parser(tmp_path):
    published = argparse.ArgumentParser(exit_on_error=False)
    published.add_argument("--path", choices=["dual"])
    with pytest.raises(argparse.ArgumentError):
        published.parse_args(["--path", "uni"])
    file = tmp_path / "mine.yaml"
    file.write_text("like: as-es\nrecipe: {options: {path: uni}}\n")
    for config in (load_config(file), load_config("as-es", ["recipe.options.path=uni"])):
        assert AS_ES.parse(config.recipe.options).path == "uni"
    with pytest.raises(ConfigError, match=r"recipe\.options\.path"):
        AS_ES.parse({"path": "both"})


def test_as_es_the_last_partial_batch_is_dropped(tiny_folder, tmp_path):
    published = len(ROWS) // 2
    logged = []
    model = load_model(open_model(tiny_folder), dtype="float32")
    train_sft(model, tokenizer(), ROWS, TrainingConfig(**SETTINGS), seed=0, folder=tmp_path, on_log=logged.append)
    assert [log["step"] for log in logged] == [1, 2, 3]
    assert len(logged) == published + 1
    with pytest.raises(ValueError, match="dataloader_drop_last"):
        TrainingConfig(trl={"dataloader_drop_last": True})


def test_as_es_the_best_checkpoint_is_loaded_and_thrown_away(tiny_folder, tmp_path, monkeypatch):
    """The weights that are tested are others than those that were chosen; ours are those that training left."""
    trained = []

    def kept(*args, **settings):
        trained.append(train_sft(*args, **settings))
        return trained[0]

    monkeypatch.setattr(training, "train_sft", kept)
    base = open_model(tiny_folder)
    settings = {"judge": "number", "judge_workers": 1, "judge_deadline": 1.0, "shots": (), "metrics": Metrics()}
    engine = EngineConfig(name="transformers", precision="fp32")
    with Verbs(Workspace(tmp_path), seed=0, engine=engine, **settings) as verbs:
        config = TrainingConfig(**SETTINGS, save_steps=1)
        candidate = verbs.train(base, TrainingSet(tuple(ROWS)), config, base=base, name="candidate")
        sampling, prompt = SamplingConfig(temperature=0, max_tokens=4), PromptConfig(style="plain")
        asked = {"prompt": prompt, "sampling": sampling, "draw": Draw("select")}
        ((response,),) = verbs.sample(candidate, [CATS], 1, **asked).responses
        ids = verbs.renderer(candidate, prompt).prompt(CATS)

    def logprobs(model):
        with torch.no_grad():
            logits = model(torch.tensor([[*ids, *response.tokens]])).logits[0, len(ids) - 1 : -1]
        return [row[token].item() for row, token in zip(log_softmax(logits, -1), response.tokens, strict=True)]

    assert response.logprobs == pytest.approx(logprobs(trained[0]), abs=1e-4)
    assert response.logprobs != pytest.approx(logprobs(load_model(base, dtype="float32")), abs=1e-2)
    with pytest.raises(ValueError, match="load_best_model_at_end"):
        TrainingConfig(trl={"load_best_model_at_end": True})


def test_as_es_hypothesis_and_reference_are_swapped_in_bleu():
    """A short piece of a long question is then punished for being short no longer, and for its precision."""
    sacrebleu = pytest.importorskip("sacrebleu")
    question, piece = "There are 2 big cats and 3 small dogs here. How many legs?", "There are 2 big cats"
    ours, published = (
        sacrebleu.sentence_bleu(hypothesis, [reference]).score / 100
        for hypothesis, reference in ((piece, question), (question, piece))
    )
    assert abs(ours - published) > 0.05
    assert similarity_scores(question, [piece], "bleu") == pytest.approx([1 - ours])


def test_as_es_the_last_number_of_a_sentence_keeps_its_dot():
    """And is compared as a string."""
    text = "So the answer is 42."
    published = re.findall(r"[\d.]+", text)[-1]
    assert published == "42." != "42"
    judge = load_judge("number")
    assert judge.answer(Problem.make("q"), text) == "42"
    assert judge.judge(Problem.make("q", gold="42"), text).judgement == "right"


def test_as_es_the_answer_is_looked_for_in_the_question():
    """Which ends a response before it begins."""
    question = Problem.make("Of 1 and 3 the answer is 4. What is it of 1 and 2?")
    published = states_answer(question.text)
    assert published
    renderer, said = Renderer(tokenizer(), PROMPT, ()), iter(["1 and 2 it is.", "The answer is 3."])

    def draw(kind, asked, sampling):
        text = next(said)
        tokens = tokenizer().encode(f"{text}\n", add_special_tokens=False)
        row = {"text": text, "tokens": tokens, "logprobs": [-0.5] * len(tokens), "finish": "stop"}
        return {one.request.id: row for one in asked}

    asked = [Asked(Request("r", renderer.prompt(question), 0), question.id, 0)]
    sampling = Sampling(temperature=0, top_p=1, max_tokens=99, end_ids=renderer.end_ids)
    (row,) = drawn_in_turns(asked, {question.id: question}, renderer, sampling, draw, context=None)
    assert (row["text"], row["finish"]) == ("1 and 2 it is.\nThe answer is 3.", "stop")
