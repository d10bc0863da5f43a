# SPDX-License-Identifier: ISC
"""What benchmarks print: one JSON object a line."""

import json
import sys


def show(name: str, value: float, unit: str, ceiling: float | None = None) -> None:
    """Print one figure, with its ratio to a *ceiling* that was measured in the same run."""
    figure: dict[str, object] = {"name": name, "value": round(value, 3), "unit": unit}
    if ceiling is not None:
        figure |= {"ceiling": round(ceiling, 3), "ratio": round(value / ceiling, 3)}
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()
