"""Numbers as JSON can hold them."""

import math
from typing import Any


def finite(value: Any) -> Any:
    """`value`, a tree, with None for every number that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
