"""Logs that Inspect's own library writes, sound and damaged; without the library, one line."""

import sys
from zipfile import ZipFile

import pytest

from selftrain.errors import DataError, MissingExtraError
from selftrain.logs import inspect


def test_without_the_library_the_install_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    with pytest.raises(MissingExtraError, match=r"inspect-ai is not installed: run pip install 'selftrain\[inspect\]'"):
        inspect.source(tmp_path / "log.eval")


def sample(number=0, epoch=1, value="C", answer="5", stop="stop", scores=None, logprobs=None, **more):
    """A sample as it is logged: two turns of a user, one response, one score."""
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ChatMessageUser, ModelOutput, ModelUsage
    from inspect_ai.scorer import Score

    choice = ChatCompletionChoice(message=ChatMessageAssistant(content="so 5"), stop_reason=stop, logprobs=logprobs)
    made = {
        "id": number,
        "epoch": epoch,
        "input": [ChatMessageUser(content="Hello."), ChatMessageUser(content=f"What is {number} + 5?")],
        "target": "5",
        "output": ModelOutput(model="m", choices=[choice], usage=ModelUsage(output_tokens=7)),
        "scores": {"pattern": Score(value=value, answer=answer)} if scores is None else scores,
    }
    return EvalSample(**(made | more))


def write(path, *samples, model="openai/m", status="success", epochs=1, temperature=0.7):
    """A log of samples."""
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalPlan, EvalSpec, write_eval_log
    from inspect_ai.model import GenerateConfig

    spec = EvalSpec(
        created="2026-11-22T11:15:53+00:00",
        task="sums",
        dataset=EvalDataset(sample_ids=[one.id for one in samples]),
        model=model,
        model_generate_config=GenerateConfig(temperature=0.2, top_p=0.9),
        config=EvalConfig(epochs=epochs),
    )
    plan = EvalPlan(config=GenerateConfig(temperature=temperature, max_tokens=24))
    write_eval_log(EvalLog(status=status, eval=spec, plan=plan, samples=list(samples)), str(path))
    return path


def read(path):
    source = inspect.source(path)
    found = list(source.rows)
    assert all(suite is None for suite, _ in found)
    return source, [row for _, row in found]


@pytest.fixture(params=["log.eval", "log.json"])
def path(request, tmp_path):
    pytest.importorskip("inspect_ai")
    return tmp_path / request.param


@pytest.mark.extra
def test_a_sample_is_a_row(path):
    source, rows = read(write(path, sample(3, metadata={"level": 2}), sample(3, 2, "I", "4", "max_tokens"), epochs=2))
    common = {"problem": "3", "question": "What is 3 + 5?", "response": "so 5", "tokens": 7}
    assert rows == [
        {**common, "index": 0, "judgement": "right", "answer": "5", "finish": "stop", "level": "2"},
        {**common, "index": 1, "judgement": "wrong", "answer": "4", "finish": "length"},
    ]
    assert source.notes == []
    assert source.labels == {
        "model": "openai/m",
        "task": "sums",
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 24,
        "samples": 2,
    }


@pytest.mark.extra
@pytest.mark.parametrize(
    ("value", "judgement"),
    [("C", "right"), ("I", "wrong"), ("N", "wrong"), (True, "right"), (False, "wrong"), (1, "right"), (0.0, "wrong")]
    + [(value, "unjudged") for value in ("P", 0.5, float("nan"), "yes", [1], {"a": 1})],
)
def test_judgement_from_the_score(path, value, judgement):
    source, rows = read(write(path, sample(0, value=value), sample(1)))
    assert [row["judgement"] for row in rows] == [judgement, "right"]
    told = ["1 of 2 responses are unjudged: 1 with a score between right and wrong"]
    assert source.notes == (told if judgement == "unjudged" else [])


@pytest.mark.extra
def test_what_did_not_end_well_is_unjudged(path):
    from inspect_ai.log import EvalError, EvalSampleLimit

    error = EvalError(message="no", traceback="", traceback_ansi="")
    limit = EvalSampleLimit(type="time", limit=5)
    samples = [sample(0, error=error), sample(1, limit=limit, scores={}), sample(2, scores={}), sample(3)]
    source, rows = read(write(path, *samples, status="error"))
    assert [row["judgement"] for row in rows] == ["unjudged"] * 3 + ["right"]
    assert source.notes == [
        "the evaluation did not end well (status error): some samples may be missing",
        "3 of 4 responses are unjudged: 1 ended by a limit, 1 ended by an error, 1 without a score",
    ]


@pytest.mark.extra
@pytest.mark.parametrize(
    ("kind", "finish"), [("token", "length"), ("context", "length"), ("time", "stop"), ("message", "stop")]
)
def test_what_a_limit_ended_keeps_its_score(path, kind, finish):
    from inspect_ai.log import EvalSampleLimit

    limit = EvalSampleLimit(type=kind, limit=5)
    source, rows = read(write(path, sample(0, value="I", limit=limit), sample(1, limit=limit), sample(2)))
    assert [row["judgement"] for row in rows] == ["wrong", "right", "right"]
    assert [row["finish"] for row in rows] == [finish, finish, "stop"]
    assert source.notes == []


@pytest.mark.extra
def test_a_setting_that_is_no_number_is_no_label(tmp_path):
    pytest.importorskip("inspect_ai")
    source, _ = read(write(tmp_path / "log.eval", sample(), temperature=float("nan")))
    assert source.labels["temperature"] == 0.2


@pytest.mark.extra
def test_the_first_scorer_judges(path):
    from inspect_ai.scorer import Score

    source, rows = read(write(path, sample(scores={"match": Score(value="C"), "model": Score(value="I")})))
    assert rows[0]["judgement"] == "right"
    assert source.notes == ["right or wrong is told by the scorer match; also in the log: model"]


@pytest.mark.extra
def test_answers_are_missing_where_the_scorer_finds_none_and_not_told_where_it_never_looks(path):
    assert read(write(path, sample(0), sample(1, value="I", answer=None)))[1][1]["answer"] is None
    other = path.with_stem("other")
    assert "answer" not in read(write(other, sample(0, answer=None), sample(1, answer=None)))[1][0]


@pytest.mark.extra
def test_likelihood_and_lengths(path):
    from inspect_ai.model import Logprob, Logprobs

    logprobs = Logprobs(content=[Logprob(token="a", logprob=-0.5), Logprob(token="b", logprob=-1.0)])
    assert read(write(path, sample(logprobs=logprobs)))[1][0]["nll"] == 0.75
    source, rows = read(write(path, sample(stop="unknown"), model="hf/m"))
    assert not rows[0].keys() & {"tokens", "finish", "nll"}
    assert "hf provider of Inspect counts padding" in source.notes[0]


@pytest.mark.extra
def test_a_log_of_more_samples_than_are_held_at_once(path):
    many = 2 * inspect._CHUNK + 1
    rows = read(write(path, *(sample(number, value="C" if number % 3 else "I") for number in range(many))))[1]
    assert [row["problem"] for row in rows] == [str(number) for number in range(many)]
    assert [row["judgement"] for row in rows] == ["right" if number % 3 else "wrong" for number in range(many)]


@pytest.mark.extra
def test_a_log_without_scores_is_refused(path):
    with pytest.raises(DataError, match="has no score in its 1 samples: run inspect score"):
        inspect.source(write(path, sample(scores={})))


@pytest.mark.extra
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_cut_log_is_one_line(path, share):
    whole = write(path, *(sample(number) for number in range(9))).read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match="is no log of Inspect, or not a whole one") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.extra
@pytest.mark.parametrize("content", [b"{}", b"[]", b"\xff\x00", b'{"version": 2, "eval": {"task": 5}}'])
def test_what_is_no_log_is_one_line(tmp_path, content):
    pytest.importorskip("inspect_ai")
    (tmp_path / "log.json").write_bytes(content)
    with ZipFile(tmp_path / "log.eval", "w") as file:
        file.writestr("header.json", content)
        file.writestr("summaries.json", content)
    for name in ("log.json", "log.eval"):
        with pytest.raises(DataError, match="is no log of Inspect") as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.extra
def test_deep_nesting_is_refused_by_a_parser_that_counts(tmp_path):
    pytest.importorskip("inspect_ai")
    (tmp_path / "log.json").write_text("[" * 10_000)
    with pytest.raises(DataError, match="recursion depth"):
        read(tmp_path / "log.json")


@pytest.mark.extra
def test_a_damaged_sample_is_one_line(tmp_path):
    pytest.importorskip("inspect_ai")
    path = write(tmp_path / "log.eval", *(sample(number) for number in range(3)))
    content = bytearray(path.read_bytes())
    place = content.index(b"samples/1_epoch_1.json") + 40
    content[place : place + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a whole one"):
        read(path)


@pytest.mark.extra
def test_a_sample_too_large_is_refused_before_it_is_read(path, monkeypatch):
    monkeypatch.setattr(inspect, "_LARGEST", 1000)
    with pytest.raises(DataError, match="1,000 are read at most"):
        inspect.source(write(path, sample(input="x" * 2000)))
