# SPDX-License-Identifier: ISC
"""
Make docs/images/report*.png: ``filter-ban report --html`` in a real browser.

A ledger is filled with a week of seeded traffic, a daemon is started on it and attacked, and the command is run beside
it. Needs Chromium; where pngquant is installed the pictures are a third of the size.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import attrs

from tests.filter_ban.daemon.process import Daemon, Smtpd
from tests.filter_ban.report.traffic import fill
from tests.real.chromium import Chromium, find_chromium

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
HOST: Final = "mail.example.org"
DAYS: Final = 7
FAILURES_A_DAY: Final = 9000


@attrs.frozen
class Picture:
    """How the page is looked at, and how much of it is kept."""

    name: str
    width: int
    height: int
    dark: bool = False


PICTURES: Final = (
    Picture("report.png", 1200, 1508),
    Picture("report-dark.png", 1200, 940, dark=True),
    Picture("report-phone.png", 360, 1098),
)


def main() -> None:
    """Make the pictures."""
    program = find_chromium()
    if program is None:
        raise SystemExit("needs Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        page = make_page(Path(folder))
        IMAGES.mkdir(exist_ok=True)
        with Chromium(program) as browser:
            for picture in PICTURES:
                browser.show(page, width=picture.width, dark=picture.dark)
                (IMAGES / picture.name).write_bytes(shrunk(browser.screenshot(picture.height)))
            if browser.troubles:
                raise SystemExit(f"the browser complains: {browser.troubles}")


def make_page(folder: Path) -> Path:
    """Return a report that the command has made of a ledger that the daemon has written."""
    daemon, page = Daemon(folder), folder / "report.html"
    fill(daemon.ledger, time.time(), days=DAYS, failures_a_day=FAILURES_A_DAY)
    daemon.start()
    try:
        smtpd = Smtpd(daemon)
        for number in range(1, 30):
            smtpd.guess(f"198.51.100.{number}", 8, "postmaster@example.org")
        daemon.ask("lift", clients=["198.51.100.1"])
        command = [sys.executable, "-m", "filter_ban", "report", "--config", str(daemon.config)]
        subprocess.run([*named(HOST), *command, "--since", f"{DAYS}d", "--html", str(page)], check=True)
    finally:
        daemon.stop()
        daemon.peers.close()
    return page


def named(host: str) -> list[str]:
    """Return what runs a command on a machine of that name; only root can."""
    if os.geteuid() != 0:
        return []
    return ["unshare", "--uts", "sh", "-c", f'hostname {host} && exec "$0" "$@"']


def shrunk(png: bytes) -> bytes:
    """Return a picture with 128 colours; as it is without pngquant."""
    if shutil.which("pngquant") is None:
        return png
    command = ["pngquant", "--speed", "1", "--strip", "128", "-"]
    return subprocess.run(command, input=png, stdout=subprocess.PIPE, check=True).stdout


if __name__ == "__main__":
    main()
