# SPDX-License-Identifier: ISC
"""How fast and how large a report of 30 days with 100,000 failures each is: one JSON object a line."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.figure import show
from tests.filter_ban.report.traffic import fill

DAYS = 30
FAILURES_A_DAY = 100_000


def main() -> None:
    """Measure the command as it is run, its start included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        strikes = fill(folder / "ledger.sqlite3", time.time(), days=DAYS, failures_a_day=FAILURES_A_DAY)
        config = folder / "filter-ban.toml"
        config.write_text(f'[daemon]\nsocket_dir = "{folder}"\n[ledger]\npath = "{folder}/ledger.sqlite3"\n')
        show("report_strikes_in_the_ledger", strikes, "1")
        for form, options in (("html", ["--html", "-"]), ("text", []), ("json", ["--json"])):
            began_s = time.perf_counter()
            run = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "filter_ban",
                    "report",
                    "--config",
                    config,
                    "--since",
                    f"{DAYS}d",
                    *options,
                ],
                check=True,
                capture_output=True,
            )
            show(f"report_{form}", time.perf_counter() - began_s, "s")
            show(f"report_{form}_size", len(run.stdout) / 1000, "kB")


if __name__ == "__main__":
    main()
