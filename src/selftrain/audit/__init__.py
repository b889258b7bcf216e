"""Tell progress from regress: figures, intervals, a null and a verdict from logged responses alone."""

from selftrain.audit.calibration import brier_score, expected_calibration_error
from selftrain.audit.card import card_rows
from selftrain.audit.cells import Cell, Pair, paired
from selftrain.audit.change import group_disparity, rise_and_collapse, support_change
from selftrain.audit.comparison import compare
from selftrain.audit.detail import Detail, Votes
from selftrain.audit.diversity import distinct_n, expectation_adjusted_distinct, semantic_diversity
from selftrain.audit.figures import Figure
from selftrain.audit.forgetting import TextLoss
from selftrain.audit.markdown import markdown
from selftrain.audit.null import Null
from selftrain.audit.passing import crossover_k, majority_at_k, pass_at_k, pass_hat_k
from selftrain.audit.problem_tests import fisher_exact
from selftrain.audit.promotion import Policy, non_inferior, promotes
from selftrain.audit.settings import AuditSettings
from selftrain.audit.significance import benjamini_hochberg, holm, mcnemar_exact, wilson_interval
from selftrain.audit.table import table, verdict_line
from selftrain.audit.tally import Tally, tally
from selftrain.audit.verdict import Audit, Verdict

__all__ = [
    "Audit",
    "AuditSettings",
    "Cell",
    "Detail",
    "Figure",
    "Null",
    "Pair",
    "Policy",
    "Tally",
    "TextLoss",
    "Verdict",
    "Votes",
    "benjamini_hochberg",
    "brier_score",
    "card_rows",
    "compare",
    "crossover_k",
    "distinct_n",
    "expectation_adjusted_distinct",
    "expected_calibration_error",
    "fisher_exact",
    "group_disparity",
    "holm",
    "majority_at_k",
    "markdown",
    "mcnemar_exact",
    "non_inferior",
    "paired",
    "pass_at_k",
    "pass_hat_k",
    "promotes",
    "rise_and_collapse",
    "semantic_diversity",
    "support_change",
    "table",
    "tally",
    "verdict_line",
    "wilson_interval",
]
