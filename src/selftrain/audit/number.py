"""Numbers that may be undefined: nan in Python, null in JSON."""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer


def _read(value: Any) -> Any:
    return math.nan if value is None else value


def _written(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


Number = Annotated[float, BeforeValidator(_read), PlainSerializer(_written, return_type=float | None)]
