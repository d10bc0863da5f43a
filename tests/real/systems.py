# SPDX-License-Identifier: ISC
"""What machines can be made of here, and why not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.real.debian_root import DebianRoot, RootUnavailableError
from tests.real.installation import install

PROGRAMS: Final = {"unshare": "util-linux", "ip": "iproute2", "openssl": "openssl"}


def _obstacle() -> str:
    """Return why no real server can be started here, or nothing."""
    if not sys.platform.startswith("linux"):
        return "real servers run in Linux namespaces"
    if os.geteuid() != 0:
        return "namespaces need root"
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            return f"the Debian package {package} is missing: apt-get install {package}"
    probe = subprocess.run(
        ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "true"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return f"this system allows no namespaces: {probe.stderr.strip()}" if probe.returncode else ""


class Systems:
    """The root folders that are there, each with this checkout installed for it; prepared when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._obstacle = _obstacle()
        self._ready: dict[DebianRoot, tuple[Path, Path]] = {}
        self._missing: dict[DebianRoot, str] = {}

    def folders(self, root: DebianRoot) -> tuple[Path, Path]:
        """Return the root folder and what is to be laid over it; skip the test where there is none."""
        if root not in self._ready and root not in self._missing:
            self._prepare(root)
        if reason := self._missing.get(root):
            pytest.skip(f"no root folder with {root}: {reason}")
        return self._ready[root]

    def _prepare(self, root: DebianRoot) -> None:
        if self._obstacle:
            self._missing[root] = self._obstacle
            return
        try:
            system, added = root.prepare(), self._folder / root.name
        except RootUnavailableError as error:
            self._missing[root] = str(error)
        else:
            install(system, added)
            self._ready[root] = system, added
