# SPDX-License-Identifier: ISC
"""Write the manual pages: ``python -m tools.man [FOLDER]``."""

import sys
from pathlib import Path

from tools.man.pages import PAGES

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Write every page into the folder that is named, or docs/man."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/man"
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make())


if __name__ == "__main__":
    main()
