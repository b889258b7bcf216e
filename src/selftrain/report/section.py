"""A section of the page that tells of a round in words, tables and a chart."""

from collections.abc import Sequence
from dataclasses import dataclass

from selftrain.report.charts import Chart


@dataclass(frozen=True, slots=True)
class Table:
    """Words and numbers in rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """One section."""

    name: str
    title: str
    sentence: str
    notes: Sequence[str]
    tables: Sequence[Table]
    chart: Chart | None
