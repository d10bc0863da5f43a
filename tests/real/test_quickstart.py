# SPDX-License-Identifier: ISC
"""
The quick starts for Debian, done as they are written on machines of each release, until a guesser is refused.

What needs the world is compared and not done: packages must be those of the machine, where the checkout is installed
already, and what our own package adds is put beside it. Units are not run by systemd but started by the command that they
name. The package itself, under systemd, is tested in ``test_package``.
"""

import configparser
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

import pytest

from tests.real.accounts import CERTIFICATE, KEY, furnish
from tests.real.client import Clients
from tests.real.debian_root import CHECKOUT, OPENSMTPD, POSTFIX_3_7, POSTFIX_3_10, UFW_12, UFW_13, DebianRoot
from tests.real.filterban import TIMEOUT_S
from tests.real.installation import COMMAND
from tests.real.machine import Machine
from tests.real.network import IMAP, IMAPS, SMTP, SMTPS, SUBMISSION
from tests.real.polling import wait_until
from tests.real.server import RealServer
from tests.real.smtpd import RealSmtpd

pytestmark = pytest.mark.real

MOST_COMMANDS: Final = 8
LIMIT: Final = 5  # wrong passwords that are a ban
GREETING: Final = 220
GUESSER: Final = "10.99.0.66"
PATIENCE_S: Final = (
    6.0  # who hears nothing for longer has been dropped; Dovecot lets a wrong password wait for 2
)
UNIT: Final = "/etc/systemd/system/filter-ban.service"
PACKAGING: Final = CHECKOUT / "packaging"
INSTALLER: Final = {"pipx"}  # needed on a machine where nothing is installed
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"^(?:In )?`(/[^`]+)`[^\n]*:\s*\Z", re.MULTILINE)


def page_of(name: str) -> str:
    """Return the text of a quick start."""
    return (CHECKOUT / "docs/quickstart" / f"{name}.md").read_text()


def steps_of(page: str) -> Iterator[tuple[str, str, str]]:
    """Yield language, file and content of each block; the file is what the line before it names, or empty."""
    end = 0
    for block in _BLOCK.finditer(page):
        named = _FILE.search(page[end : block.start()])
        yield block[1], named[1] if named else "", block[2]
        end = block.end()


def commands_of(page: str) -> list[str]:
    """Return the commands of a page."""
    return [line for language, _, text in steps_of(page) if language == "sh" for line in text.splitlines()]


class Admin:
    """Does what a page says on a machine; ends what it has started."""

    def __init__(self, machine: Machine, debian: DebianRoot, servers: dict[str, RealServer]) -> None:
        """Take over *machine*; *servers* are those that it has, by the names of their units."""
        self._machine = machine
        self._debian = debian
        self._servers = servers
        self._stack = ExitStack()
        for server in servers.values():
            self._stack.enter_context(server)

    def close(self) -> None:
        """End all servers."""
        self._stack.close()

    def follow(self, page: str, *, with_pip: bool = False) -> None:
        """Do each step; *with_pip*: in place of the package."""
        if with_pip:
            self.follow(page_of("pip"))
            _, configure, steps = page.partition("## 2. Configure")
            page = (configure + steps).replace(
                "systemctl restart filter-ban", "systemctl enable --now filter-ban"
            )
        for language, file, text in steps_of(page):
            if language == "sh":
                for line in text.splitlines():
                    self._do(line)
            elif file == "/etc/smtpd.conf":
                self._attach_filter(file, text)
            else:
                self._machine.write(file, text)

    def run(self, *argv: str) -> str:
        """Return what a command prints; it must succeed."""
        return self._machine.run(argv).stdout.decode()

    def _do(self, line: str) -> None:
        words = shlex.split(line)
        match words:
            case ["packaging/debian/build"]:
                assert os.access(PACKAGING / "debian/build", os.X_OK)
            case ["apt", "install", "./dist/filter-ban_*_all.deb", *packages]:
                assert {*packages} <= {*self._debian.packages}
                self._install_package()
            case ["apt", "install", *packages]:
                assert {*packages} <= {*self._debian.packages, *INSTALLER}
            case [*_, "pipx", "install", requirement]:
                assert "PIPX_BIN_DIR=/usr/local/bin" in words
                self._check_requirement(requirement)
            case ["systemctl", "enable", "--now", "filter-ban"]:
                self._start_daemon(self._machine.path(UNIT).read_text())
            case ["systemctl", "restart", *units]:
                for unit in units:
                    self._restart(unit)
            case _:
                self.run(*words)

    def _check_requirement(self, requirement: str) -> None:
        extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        wanted = requirement.removeprefix(".").strip("[]")
        assert not wanted or wanted in extras
        assert self._machine.path(COMMAND).exists()

    def _install_package(self) -> None:
        """Add what our package has beside the program: its place, user and configuration, and the daemon runs."""
        self.run("ln", "-s", COMMAND, "/usr/bin/filter-ban")
        self.run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "_filterban")
        self._machine.write("/etc/filter-ban.toml", (PACKAGING / "debian/filter-ban.toml").read_text())
        self._start_daemon((PACKAGING / "systemd/filter-ban.service").read_text())

    def _start_daemon(self, text: str) -> None:
        unit = configparser.ConfigParser(strict=False)
        unit.read_string(text)
        self._servers["filter-ban"] = daemon = RealServer(
            self._machine, unit["Service"]["ExecStart"].split(), ()
        )
        self._stack.enter_context(daemon.start())
        self._wait_for_daemon()

    def _wait_for_daemon(self) -> None:
        answers = ["filter-ban", "status"]
        wait_until(
            lambda: not self._machine.run(answers, check=False).returncode, "the daemon answers", TIMEOUT_S
        )

    def _restart(self, unit: str) -> None:
        if unit == "ufw":  # a unit that runs commands, not a server
            self.run("/usr/lib/ufw/ufw-init", "restart")
            return
        self._servers[unit].stop()
        self._servers[unit].start()
        if unit == "filter-ban":
            self._wait_for_daemon()

    def _attach_filter(self, file: str, text: str) -> None:
        """Add the line for the filter, and what ends the page's ``listen on`` to each one that is there."""
        filter_line, listen_line = text.splitlines()
        attached = re.search(r' filter "\w+"$', listen_line)
        assert attached
        lines = self._machine.path(file).read_text().splitlines()
        new = [f"{line}{attached[0]}" if line.startswith("listen on") else line for line in lines]
        self._machine.write(file, "".join(f"{line}\n" for line in (filter_line, *new)))


@pytest.fixture
def make_admin(machine: Machine, clients: Clients, debian: DebianRoot) -> Iterator[Callable[..., Admin]]:
    """Provide a function that makes an admin of servers, by the names of their units."""
    with ExitStack() as stack:

        def make(**servers: RealServer) -> Admin:
            admin = Admin(machine, debian, servers)
            stack.callback(admin.close)
            return admin

        yield make


def guess(clients: Clients, user: str, password: str) -> str:
    """Try to log in; return how that ended: a reply, or ``dropped``."""
    try:
        with clients.connect(GUESSER, SUBMISSION, PATIENCE_S) as session:
            replies = [session.greeting]
            if session.greeting.code == GREETING:
                replies += [session.ehlo(), session.starttls(), session.login(user, password)]
    except TimeoutError:
        return "dropped"
    return str(replies[-1]) if replies[-1].code else "dropped"


def assert_refused_and_lifted(admin: Admin, clients: Clients, user: str) -> None:
    """Guess until refused; the ban is shown and in force, and when it is lifted the client is heard again."""
    with ThreadPoolExecutor() as pool:  # the server lets each wrong password wait
        answers = [*pool.map(lambda number: guess(clients, user, f"guess-{number}"), range(LIMIT))]
    assert [answer[:3] for answer in answers] == ["535"] * LIMIT
    assert guess(clients, user, "guess-5").startswith(("dropped", "421"))
    wait_until(
        lambda: "in force" in admin.run("filter-ban", "show", GUESSER), "the ban is in force", TIMEOUT_S
    )
    assert GUESSER in admin.run("filter-ban", "list")
    assert "All is well." in admin.run("filter-ban", "status")
    admin.run("filter-ban", "lift", GUESSER)
    wait_until(lambda: guess(clients, user, "guess-6").startswith("535"), "the lift is in force", TIMEOUT_S)


@pytest.mark.parametrize("name", ["postfix-nftables", "postfix-ufw", "opensmtpd-debian"])
def test_length(name: str) -> None:
    """A quick start has at most eight commands, with the package and with pip."""
    page = page_of(name)
    steps = page.partition("## 2. Configure")[2]
    assert 0 < len(commands_of(page)) <= MOST_COMMANDS
    assert 0 < len(commands_of(page_of("pip")) + commands_of(steps)) <= MOST_COMMANDS


def dovecot_and_postfix(machine: Machine) -> dict[str, RealServer]:
    """Return both servers as their packages leave them, with a certificate; Postfix logs to where the test sees it."""
    furnish(machine)
    settings: Sequence[str] = (
        "maillog_file=/dev/stdout",
        f"smtpd_tls_cert_file={CERTIFICATE}",
        f"smtpd_tls_key_file={KEY}",
    )
    machine.run(["postconf", "-e", *settings])
    return {
        "dovecot": RealServer(machine, ["dovecot", "-F"], {IMAP, IMAPS}),
        "postfix": RealServer(machine, ["postfix", "start-fg"], {SMTP, SMTPS, SUBMISSION}),
    }


@pytest.mark.parametrize("debian", [POSTFIX_3_7, POSTFIX_3_10], ids=str)
def test_postfix_nftables(machine: Machine, clients: Clients, make_admin: Callable[..., Admin]) -> None:
    """Postfix and Dovecot as packaged, and nftables."""
    admin = make_admin(**dovecot_and_postfix(machine))
    admin.follow(page_of("postfix-nftables"))
    assert_refused_and_lifted(admin, clients, "root")


@pytest.mark.parametrize("debian", [POSTFIX_3_7], ids=str)
def test_pip(machine: Machine, clients: Clients, make_admin: Callable[..., Admin]) -> None:
    """The same, installed with pip."""
    admin = make_admin(**dovecot_and_postfix(machine))
    admin.follow(page_of("postfix-nftables"), with_pip=True)
    assert_refused_and_lifted(admin, clients, "root")


@pytest.mark.parametrize("debian", [UFW_12, UFW_13], ids=str)
def test_postfix_ufw(machine: Machine, clients: Clients, make_admin: Callable[..., Admin]) -> None:
    """Postfix and Dovecot as packaged, behind a ufw that lets in mail; the ban is there after a reload, too."""
    machine.run(["ufw", "allow", "25,143,465,587,993/tcp"])
    machine.run(["ufw", "--force", "enable"])
    admin = make_admin(**dovecot_and_postfix(machine))
    admin.follow(page_of("postfix-ufw"))
    assert "all is well" in admin.run("filter-ban", "doctor")
    assert_refused_and_lifted(admin, clients, "root")


@pytest.mark.parametrize("debian", [OPENSMTPD], ids=str)
def test_opensmtpd(machine: Machine, clients: Clients, make_admin: Callable[..., Admin]) -> None:
    """OpenSMTPD with accounts, and nftables."""
    smtpd = RealSmtpd(machine)
    admin = make_admin(opensmtpd=smtpd)
    smtpd.start()
    admin.follow(page_of("opensmtpd-debian"))
    assert_refused_and_lifted(admin, clients, "alice")
