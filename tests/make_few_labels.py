"""Few labelled problems and some without, with embeddings told by hand, for tests of recipes that read `labelled`."""

from make_round import SaidVerbs, make_round

from selftrain.labels import Labels
from selftrain.prompts import PromptConfig
from selftrain.pseudo_labels import PseudoLabel
from selftrain.recipes import load_recipe
from selftrain.records import Problem, Response

OPTIONS = ("bank", "library", "shop", "inn")
VECTORS = {
    "north": (0.0, 1.0),
    "west": (-1.0, 0.0),
    "south": (0.0, -1.0),
    "south-east": (0.6, -0.8),
    "east": (1.0, 0.1),
    "north-east": (0.6, 0.8),
}
"""Longer names stand after the shorter ones that they hold, so they are looked up in reverse."""
WARM = "round-01-warm"
TEMPLATE = "{question}\n\nThese answers were given:\n{responses}"
"""How the warm model is shown predictions in these tests, whatever the recipe's own words are."""


def choice(text, gold=None, **more):
    """A multiple-choice problem."""
    return Problem.make(text, gold=gold, options=OPTIONS, **more)


LABELLED = (
    choice("labelled north?", "A"),
    choice("labelled west?", "B"),
    choice("labelled south?", "C"),
    choice("labelled east?", "D"),
)
PROBLEMS = tuple(choice(f"go {place}?", "A") for place in ("north-east", "south-east", "north", "west"))


def reasoned(answer):
    """What models say that give their reasons: the question comes first, so that every problem has texts of its own."""

    def says(model, problem, shots, index):
        return f"{problem.text[:30]} so. Answer: {answer}"

    return says


def by_shots(*answers, justified="Answer: D"):
    """A model that answers by the number of shots it is shown, and something else when it decides."""

    def says(model, problem, shots, index):
        return justified if "were given" in problem.text else answers[shots % len(answers)]

    return says


def run(
    says=None, *, recipe="semievol", problems=PROBLEMS, labelled=LABELLED, judge="choice", losses=None, settings=None,
    room=None, **options,
):  # fmt: skip
    """The training set of a recipe and the round it is made in.

    `settings` go to `make_round`, `room` is the longest sequence that the models read.
    """
    vectors = dict(sorted(VECTORS.items(), key=lambda item: -len(item[0])))
    verbs = SaidVerbs(says or reasoned("A"), judge=judge, losses=losses, vectors=vectors)
    verbs.room = room
    round = make_round(problems, verbs=verbs, labels=Labels(labelled=tuple(labelled)), **(settings or {}))
    round.sampling_prompt = PromptConfig(template="Q: {question}")
    found, own = load_recipe(recipe), {"template": TEMPLATE} if recipe == "semievol" else {}
    return found(round, found.parse({**own, **options})), round


def taught(problem, text, answer, *, kept=True):
    """A pseudo-label of a round before."""
    response = Response(
        id=f"taught {problem.text}",
        problem=problem.id,
        index=0,
        text=text,
        tokens=(5,),
        logprobs=(-1.0,),
        finish="stop",
    )
    question = problem.without_gold()
    return PseudoLabel(question=question, response=response, answer=answer, nll=0.5, source="warm, 3 shots", kept=kept)


def texts(rows):
    """What the rows teach, by their problem's prompt without the words of the chat template."""
    return [row.completion_text.removesuffix("<|im_end|>") for row in rows]
