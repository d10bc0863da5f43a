# SPDX-License-Identifier: ISC
"""The wheel: small, complete, and installable without anything from outside."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Final

import pytest

from filter_ban import __version__

ROOT: Final = Path(__file__).parents[2]
MAX_BYTES: Final = 700_000  # 94,000 of it are the cluster; half are comments, docstrings and names; to be noticed when it grows


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(argv, cwd=ROOT, check=True, timeout=60, capture_output=True)
    (wheel,) = folder.iterdir()
    return wheel


def test_contents(wheel: Path) -> None:
    """It has every module, the marks of typed packages and the manual pages, and is no larger than it need be."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for package in ("filter_ban", "opensmtpd", "postfix_policy"):
        assert {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")} <= names
        assert f"{package}/py.typed" in names
    data = f"filter_ban-{__version__}.data/data/share/man"
    assert {name for name in names if name.startswith(data)} == {
        f"{data}/man1/filter-ban.1",
        f"{data}/man5/filter-ban.toml.5",
        f"{data}/man7/filter-ban-firewall.7",
        f"{data}/man8/filter-ban-opensmtpd.8",
    }
    assert not [name for name in names if name.startswith(("tests", "docs", "tools", "packaging"))]
    assert wheel.stat().st_size < MAX_BYTES


def test_installs_into_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    """What pip installs: the command and the pages; what it needs is taken from the environment of the tests."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True, timeout=60)
    python = tmp_path / "bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(python)]
    subprocess.run(
        [*pip, "install", "--no-index", "--no-deps", wheel], check=True, timeout=60, capture_output=True
    )
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / f"lib/{version}/site-packages/needed.pth").write_text(sysconfig.get_path("purelib"))

    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [tmp_path / "bin/filter-ban", "--version"],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"filter-ban {__version__}\n"
    assert (tmp_path / "share/man/man1/filter-ban.1").is_file()
