# SPDX-License-Identifier: ISC
"""Write the pages that are made from the code."""

import sys

from tools.manual.pages import DOCS, PAGES

for name, make in PAGES.items():
    (DOCS / name).write_text(make())
    sys.stdout.write(f"docs/{name}\n")
