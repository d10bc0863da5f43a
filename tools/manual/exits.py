# SPDX-License-Identifier: ISC
"""Which exit status of a command means what: the rows of the page on exit codes."""

from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
PAGE: Final = DOCS / "exit-codes.md"
_NONE: Final = "\N{EN DASH}"


def exits(command: str) -> str:
    """Return what each status of *command* means, in one sentence; status 2 is the same for all."""
    heads: list[str] = []
    for line in PAGE.read_text().splitlines():
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if first == "Command":
            heads = cells
        elif heads and first == f"`{command}`":
            told = [f"{head} {cell}" for head, cell in zip(heads, cells, strict=True) if cell != _NONE]
            return "; ".join(told).replace("78 wrong", "78 the configuration is wrong")
    raise LookupError(f"{PAGE.name} has no row for {command}")
