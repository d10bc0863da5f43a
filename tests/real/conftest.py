# SPDX-License-Identifier: ISC
"""Fixtures of the tests on real servers; where such tests cannot run they are skipped, with the reason."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.real.client import Clients
from tests.real.installation import install
from tests.real.machine import Machine
from tests.real.network import ClientNetwork
from tests.real.opensmtpd_root import RootUnavailableError, prepare_root
from tests.real.smtpd import RealSmtpd

PROGRAMS = {"unshare": "util-linux", "ip": "iproute2", "openssl": "openssl"}


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


@pytest.fixture(scope="session")
def debian_root() -> Path:
    """Return the root folder with OpenSMTPD 7.6."""
    if obstacle := _obstacle():
        pytest.skip(obstacle)
    try:
        return prepare_root()
    except RootUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def checkout(debian_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with this checkout installed for the root folder's Python."""
    folder = tmp_path_factory.mktemp("installed")
    install(debian_root, folder)
    return folder


@pytest.fixture
def machine(debian_root: Path, checkout: Path) -> Iterator[Machine]:
    """Provide a fresh mail server's machine; nothing runs on it."""
    with Machine(debian_root, checkout) as machine:
        yield machine


@pytest.fixture
def clients(machine: Machine) -> Iterator[Clients]:
    """Provide the clients of the machine."""
    with ClientNetwork(machine) as network:
        yield Clients(network)


@pytest.fixture
def start_smtpd(machine: Machine, clients: Clients) -> Iterator[Callable[[str], RealSmtpd]]:
    """Provide a function that starts smtpd with a filter command (none if empty); each is stopped after the test."""
    with ExitStack() as stack:
        yield lambda command: stack.enter_context(RealSmtpd(machine, command)).start()
