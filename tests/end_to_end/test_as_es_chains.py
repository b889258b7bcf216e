"""AS-ES through the command line: chains of all kinds, what is refused in a line, and models with an encoder."""

import math

import pytest
from orchard import COUNTS, LINES, PROMPT, TURNS, problems, write_orchard
from small import Lab, inside, read_json, write_rows
from tiny import tiny_model_folder
from tiny_t5 import tiny_t5_folder

from selftrain.models import open_model
from selftrain.segments.chains import read_chains
from selftrain.training_set import TrainingSet

OPTIONS = {"chains": "rationales", "beta": 1.0}
DUAL = "recipe.options.path=dual"
LORA = ("training.method=lora", "training.learning_rate=0.003")
ONE_PASS = "prompt.alternate=null"
QUICK = ("recipe.options.strategy=similarity", ONE_PASS, "audit.samples=1")
"""No model is asked and little is sampled."""
CHAINS = {
    "no end": "Ann has some pears and more figs and that makes five",
    "one piece": "5",
    "long": "She adds one pear after another. " * 300,
    "blank": "  \n\t ",
    "chinese": "安有两个梨\uff0c还有三个无花果。两个加三个\uff0c一共是五个水果。答案是5。",
    "full width": "She has \uff12 pears\uff0c and \uff13 figs in all。 Then \uff15\uff01 The answer is \uff15\uff0e",
    "arabic": "لدى آن إجاصتان، وثلاث حبات تين في السلة. المجموع خمس حبات من الفاكهة؟ الجواب هو 5.",
    "code": "We let the machine add them up.\n```python\na, b = 2, 3\nprint(a + b)\n```\nThe answer is 5.",
    "open code": "The machine adds them all up.\n```\n2 + 3",
    "marks": "<|im_end|> <s> </s> <|im_start|>user says so, and we add. The answer is 5.",
}
"""Solutions of all kinds."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Lab:
    folder = tmp_path_factory.mktemp("chains")
    model = tiny_model_folder(folder / "model", hidden=48, tied=False, vocab=420, lines=LINES)
    return write_orchard(folder / "lab", model, {"recipe": {"name": "as_es", "options": OPTIONS}})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Lab:
    """Its model has an encoder."""
    folder = tmp_path_factory.mktemp("encoder")
    model = tiny_t5_folder(folder / "model", vocab=160, lines=LINES)
    return write_orchard(folder / "lab", model, {"recipe": {"name": "as_es", "options": OPTIONS}})


def round_of(run, number=1):
    return run / "rounds" / f"{number:02d}"


def made_of(run):
    """The rows, the chains and what was dropped of a first round."""
    rows = TrainingSet.load(round_of(run) / "training.parquet").rows
    dropped = read_json(round_of(run) / "funnel.json")["dropped"]
    return rows, read_chains(round_of(run) / "segments.parquet"), dropped


# Chains


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A file of problems with solutions of all kinds."""
    rows = [{"question": f"{name}: how many?", "answer": "5", "rationale": text} for name, text in CHAINS.items()]
    return write_rows(tmp_path_factory.mktemp("solved") / "train.jsonl", rows)


def test_chains_of_all_kinds(lab, solved):
    """A blank rationale is none, and its gold answer is learned; the one too long is dropped and counted."""
    run = lab.run("kinds", *QUICK, f"task.options.train={solved}")
    rows, chains, dropped = made_of(run)
    assert dropped == {"longer than 256 tokens": 1}
    kept = [name for name in CHAINS if name != "long"]
    assert len(chains) == len(kept)
    pieces = dict(zip(kept, (chain.pieces for chain in chains), strict=True))
    for name, text in CHAINS.items():
        if name not in ("long", "blank"):
            assert "".join("".join(pieces[name]).split()) == "".join(text.split()), name
    assert pieces["blank"] == ("5",)
    assert {name for name in kept if len(pieces[name]) == 1} == {"no end", "one piece", "blank"}
    assert len(pieces["chinese"]) >= 3
    assert any("print(a + b)" in piece and piece.endswith("```") for piece in pieces["code"])
    assert len({row.problem for row in rows}) == len(kept)
    assert "dropped 1: longer than 256 tokens" in " ".join(inside("show", run).out.split())


def test_chains_of_all_kinds_scored_by_a_model(lab, solved):
    """One that fits into a row and not into the model's context has no score."""
    changes = (ONE_PASS, "recipe.options.tuned=false", "training.max_length=100000", "audit.samples=1")
    _, chains, dropped = made_of(lab.run("scored", *changes, f"task.options.train={solved}"))
    assert dropped == {"a piece without a finite score": 1}
    assert len(chains) == len(CHAINS) - 1
    assert all(math.isfinite(score) for chain in chains for score in chain.scores)


def test_the_published_cut_drops_short_pieces(lab, solved):
    _, chains, dropped = made_of(lab.run("cut", *QUICK, "recipe.options.cut=official", f"task.options.train={solved}"))
    assert dropped["nothing left of the chain once it is cut"] >= 2
    assert sum(dropped.values()) + len(chains) == len(CHAINS)
    assert all(len(piece.split()) > 3 for chain in chains for piece in chain.pieces)


def test_no_chain_can_be_cut(lab, tmp_path):
    rows = [{**row, "rationale": "Five."} for row in problems("train")]
    file = write_rows(tmp_path / "short.jsonl", rows)
    ended = inside("run", lab.config, "name=none", *QUICK, "recipe.options.cut=official", f"task.options.train={file}")
    assert ended.code == 0, ended.err
    assert "nothing to train on; dropped 6: nothing left of the chain once it is cut" in " ".join(ended.out.split())


def test_one_label_alone_makes_no_pair(lab):
    ended = inside("run", lab.config, "name=single", DUAL, "recipe.options.tuned=false", "recipe.options.beta=100")
    assert ended.code == 0, ended.err
    assert "no segment for one of the two models: set another beta" in " ".join(ended.out.split())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((DUAL, ONE_PASS), "recipe.options.path is dual"),
        (('prompt.stop=["Q:"]',), "with alternate a segment ends with its line, and no stop string"),
        (("recipe.options.strategy=guess",), "recipe.options.strategy"),
        (("recipe.options.beta=0",), "recipe.options.beta"),
        (("recipe.options.beta=.nan",), "recipe.options.beta"),
        (("prompt.alternate.loops=0",), "prompt.alternate.loops"),
        (("prompt.alternate.turns=3",), "unknown key prompt.alternate.turns"),
    ],
    ids=["dual in one pass", "stop", "strategy", "beta 0", "beta nan", "loops", "unknown key"],
)
def test_what_is_refused_at_the_door(lab, changes, message):
    complaint = inside("run", lab.config, "name=refusal", *changes).complaint
    assert message in complaint
    assert not (lab.workspace / "refusal" / "rounds").exists()


def test_neither_a_rationale_nor_an_answer(lab, tmp_path):
    file = write_rows(tmp_path / "bare.jsonl", [{"question": row["question"]} for row in problems("train")])
    complaint = inside("run", lab.config, "name=refusal", f"task.options.train={file}").complaint
    assert (
        "the recipe as_es learns from labels, 6 training problems have neither a rationale nor an answer" in complaint
    )


# Models with an encoder


def test_an_encoder_reads_the_segments_before(encoder):
    run = encoder.run("uni")
    rows, chains, _ = made_of(run)
    assert len(chains) == COUNTS["train"]
    assert {*"".join(chain.labels for chain in chains)} == {"A", "E"}
    assert all(row.completion_text.endswith("</s>") for row in rows)
    for chain in chains:
        texts = [row.completion_text.removesuffix("</s>").strip() for row in rows if row.problem == chain.problem]
        read = [row.prompt_text for row in rows if row.problem == chain.problem]
        for place, prompt in enumerate(read):
            assert prompt.endswith("</s>")
            assert prompt.removesuffix("</s>").split() == [
                *read[0].removesuffix("</s>").split(),
                *" ".join(texts[:place]).split(),
            ]
    assert read_json(run / "result.json")["promoted"] == [1]


@pytest.mark.parametrize("method", [(), LORA], ids=["full", "lora"])
def test_two_models_with_an_encoder(encoder, method):
    run = encoder.run("lora" if method else "full", DUAL, *method)
    final = open_model(run / "final")
    assert final.extractive
    assert final.digest != final.extractive.digest
    assert (round_of(run) / "extractive" / "adapter").exists() == bool(method)
    kinds = {step.partition("-")[0] for step in read_json(round_of(run) / "round.json")["steps"]}
    assert {"sample", "segments", "entropies", "train"} <= kinds


def test_an_encoder_learns_chains_by_heart(encoder, tmp_path):
    """In turns it writes whole solutions, though its decoder writes a segment at a time."""
    changes = ("recipe.options.strategy=location", "training.epochs=24", "training.learning_rate=0.01")
    run = encoder.run("heart", *changes, "audit.samples=1")
    (file := tmp_path / "prompt.yaml").write_text("prompt: {...}".replace("{...}", str({**PROMPT, "alternate": TURNS})))
    words = ("--split", "train", "--temperature", 0, "--samples", 1, "--out", tmp_path / "log.jsonl")
    ended = inside("sample", run / "final", "--task", encoder.config, "--prompt", file, *words)
    assert ended.code == 0, ended.err
    assert (tmp_path / "log.jsonl").read_text().count("The answer is") >= COUNTS["train"] / 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("prompt.style=chat",), "an encoder-decoder model has no turns of a chat: set style: plain in the prompt"),
        (("engine.name=openvino",), "the model has an encoder: set engine.name=transformers"),
    ],
    ids=["chat", "openvino"],
)
def test_what_an_encoder_cannot(encoder, changes, message):
    assert message in inside("run", encoder.config, "name=refusal", *changes).complaint
