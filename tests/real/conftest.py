# SPDX-License-Identifier: ISC
"""Fixtures of the tests on real servers; where such tests cannot run they are skipped, with the reason."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack

import pytest

from tests.real.client import Clients
from tests.real.debian_root import OPENSMTPD, DebianRoot
from tests.real.dovecot import RealDovecot
from tests.real.filterban import FilterBan
from tests.real.machine import Machine
from tests.real.network import ClientNetwork
from tests.real.postfix import RealPostfix
from tests.real.server_log import ServerLog
from tests.real.smtpd import RealSmtpd
from tests.real.systems import Systems


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers said with a test that fails."""
    report = yield
    if report.failed:
        report.sections += [(f"Log of {name}", text) for name, text in ServerLog.ends()]
    return report


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Systems:
    """Return what machines can be made of."""
    return Systems(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def debian() -> DebianRoot:
    """Return what the machine is made of; tests of other servers have a parameter of this name."""
    return OPENSMTPD


@pytest.fixture
def machine(systems: Systems, debian: DebianRoot) -> Iterator[Machine]:
    """Provide a fresh mail server's machine; nothing runs on it."""
    with Machine(*systems.folders(debian)) as machine:
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


@pytest.fixture
def start_dovecot(machine: Machine, clients: Clients) -> Iterator[Callable[..., RealDovecot]]:
    """Provide a function that starts Dovecot; it takes what RealDovecot takes. Each is ended after the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(RealDovecot(machine, *arguments)).start()


@pytest.fixture
def start_postfix(machine: Machine, clients: Clients) -> Iterator[Callable[..., RealPostfix]]:
    """Provide a function that starts Postfix; it takes what RealPostfix takes. Each is ended after the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(RealPostfix(machine, *arguments)).start()


@pytest.fixture
def start_filterban(machine: Machine) -> Iterator[Callable[[str], FilterBan]]:
    """Provide a function that starts the daemon with a configuration; it is ended after the test."""
    with ExitStack() as stack:
        yield lambda configuration: stack.enter_context(FilterBan(machine, configuration)).start()
