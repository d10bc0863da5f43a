# SPDX-License-Identifier: ISC
"""The units and their companions, as far as this machine's systemd can tell; tests/real/test_package.py runs them."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from filter_ban.enforcer.listeners import BLOCKLISTD

FOLDER: Final = Path(__file__).parents[2] / "packaging"
SERVICE: Final = FOLDER / "systemd/filter-ban.service"
SOCKET: Final = FOLDER / "systemd/filter-ban-blocklistd.socket"
WORST_EXPOSURE: Final = 20  # tenths


def run(*argv: str | Path) -> str:
    """Run a tool; return what it prints on both streams, or skip the test where the tool is missing."""
    if shutil.which(str(argv[0])) is None:
        pytest.skip(f"{argv[0]} is missing: apt-get install systemd")
    done = subprocess.run(
        argv, check=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.stdout


def test_exposure() -> None:
    """The service is exposed to 2.0 of 10 at most."""
    run("systemd-analyze", "security", "--offline=yes", f"--threshold={WORST_EXPOSURE}", SERVICE)


def test_verify(tmp_path: Path) -> None:
    """Both units are without fault; the command stands in another place while they are looked at."""
    service = SERVICE.read_text().replace("/usr/bin/filter-ban", "/bin/true")
    (tmp_path / SERVICE.name).write_text(service)
    (tmp_path / SOCKET.name).write_text(SOCKET.read_text())
    for unit in (SERVICE, SOCKET):
        output = run("systemd-analyze", "verify", "--man=no", tmp_path / unit.name)
        assert unit.name not in output


def test_socket_name() -> None:
    """The socket unit hands its socket over by the name that the daemon looks for."""
    assert f"\nFileDescriptorName={BLOCKLISTD}\n" in SOCKET.read_text()


def test_user(tmp_path: Path) -> None:
    """The account is one that systemd-sysusers makes: a system user who cannot log in."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    run("systemd-sysusers", f"--root={root}", FOLDER / "sysusers.d/filter-ban.conf")
    (line,) = (root / "etc/passwd").read_text().splitlines()
    assert line.startswith("_filterban:")
    assert line.endswith("/nologin")


def test_folders(tmp_path: Path) -> None:
    """The folders are made with the modes that the daemon gives them."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("_filterban:x:64000:64000::/:/usr/sbin/nologin\n")
    (root / "etc/group").write_text("_filterban:x:64000:\n")
    run("systemd-tmpfiles", f"--root={root}", "--create", FOLDER / "tmpfiles.d/filter-ban.conf")
    assert (root / "run/filter-ban").stat().st_mode & 0o777 == 0o711
    assert (root / "var/lib/filter-ban").stat().st_mode & 0o777 == 0o750
