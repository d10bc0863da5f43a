# SPDX-License-Identifier: ISC
"""``filter-ban setup`` on Debian's own Postfix and Dovecot, as their packages leave them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.real.accounts import CERTIFICATE, KEY, furnish
from tests.real.client import Clients
from tests.real.debian_root import POSTFIX_3_7, POSTFIX_3_10
from tests.real.filterban import FilterBan
from tests.real.installation import COMMAND
from tests.real.machine import Machine
from tests.real.network import IMAP, IMAPS, SMTP, SMTPS, SUBMISSION
from tests.real.server import RealServer

pytestmark = [pytest.mark.real, pytest.mark.parametrize("debian", [POSTFIX_3_7, POSTFIX_3_10], ids=str)]

CONFIGURATION = """\
[dovecot]
listen = ["127.0.0.1:10041"]
secret_file = "/etc/filter-ban.secret"
"""
MASTER = "/etc/postfix/master.cf"
DOVECOT = "/etc/dovecot/conf.d/99-filter-ban.conf"
OURS = "check_policy_service { inet:127.0.0.1:10040, timeout=5s, default_action=DUNNO, policy_context=submission }"
OPTIONS = {
    "smtpd_client_restrictions": f"{OURS}, permit",
    "smtpd_delay_reject": "no",
    "smtpd_hard_error_limit": "6",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
}
OWN_SERVICE = """\
127.0.0.1:submission inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes
  -o { smtpd_recipient_restrictions =
# not this one:
       permit_sasl_authenticated, reject } -v
  -o smtpd_client_restrictions=$mua_client_restrictions
# the end
"""
GUESSER = "10.99.0.66"


@pytest.fixture
def machine(machine: Machine, clients: Clients) -> Machine:
    """Provide a machine with its network, without which Postfix accepts no configuration."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.write("/etc/filter-ban.secret", "Tell-Nobody-0815\n", 0o600)
    return machine


@pytest.fixture
def start(machine: Machine) -> Iterator[Callable[..., RealServer]]:
    """Provide a function that starts a server as it is configured."""
    with ExitStack() as stack:
        yield lambda argv, ports: stack.enter_context(RealServer(machine, argv, ports)).start()


def run(machine: Machine, *argv: str) -> str:
    """Return what a program on the machine prints."""
    return machine.run(argv).stdout.decode()


def service_options(machine: Machine, service: str) -> dict[str, str]:
    """Return the options of a service as Postfix sees them."""
    lines = run(machine, "postconf", "-P", f"{service}/inet").splitlines()
    found = (line.removeprefix(f"{service}/inet/").partition(" = ") for line in lines)
    return {name: value for name, _, value in found}


def test_postfix(machine: Machine) -> None:
    """Postfix sees both services with our options, port 25 as it was; twice is once, and undo restores every byte."""
    master = machine.path(MASTER)
    pristine = master.read_bytes()
    services = run(machine, "postconf", "-M")
    assert "+submission inet" in run(machine, COMMAND, "setup", "postfix")
    assert master.read_bytes() == pristine
    assert "postfix reload" in run(machine, COMMAND, "setup", "postfix", "--apply", "--yes")
    for service in ("submission", "smtps"):
        assert service_options(machine, service).items() >= OPTIONS.items()
    assert run(machine, "postconf", "-M").startswith(services)
    assert run(machine, COMMAND, "setup", "postfix", "--apply") == f"{MASTER}: all is set up already\n"
    run(machine, COMMAND, "setup", "postfix", "--undo", "--yes")
    assert master.read_bytes() == pristine


def test_without_root(machine: Machine) -> None:
    """A user can look, and is told that writing needs root."""
    as_user = ["setpriv", "--reuid", "nobody", "--clear-groups", COMMAND, "setup", "postfix"]
    machine.path("/etc/filter-ban.toml").unlink()
    assert b"+submission inet" in machine.run(as_user).stdout
    done = machine.run([*as_user, "--apply"], check=False)
    assert done.returncode == 1
    assert done.stderr == f"filter-ban: {MASTER}: no permission to write there; try again as root\n".encode()


def test_existing_service(machine: Machine) -> None:
    """A service that is there keeps its own options, and a reference to main.cf is followed."""
    master = machine.path(MASTER)
    master.write_text(master.read_text() + OWN_SERVICE)
    run(
        machine,
        "postconf",
        "-e",
        "mua_client_restrictions = permit_mynetworks,permit_sasl_authenticated,reject",
    )
    run(machine, COMMAND, "setup", "postfix", "--apply")
    assert service_options(machine, "127.0.0.1:submission") == OPTIONS | {
        "smtpd_client_restrictions": f"permit_mynetworks, {OURS}, permit",
        "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
        "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject",
        "smtpd_sasl_auth_enable": "yes",
    }
    assert "# not this one:\n" in master.read_text()
    assert not service_options(machine, "smtps")


def test_dovecot(machine: Machine) -> None:
    """Dovecot sees our settings, for all users; twice is once, and undo takes the file out again."""
    before = run(machine, "doveconf", "-n")
    assert "systemctl restart dovecot" in run(machine, COMMAND, "setup", "dovecot", "--apply", "--yes")
    settings = [
        line.strip().removeprefix("auth_policy_") for line in run(machine, "doveconf", "-n").splitlines()
    ]
    assert "server_url = http://127.0.0.1:10041/" in settings
    assert "server_api_header = X-API-Key: Tell-Nobody-0815" in settings
    assert "unix_listener /var/spool/postfix/private/auth {" in settings
    as_user = run(machine, "setpriv", "--reuid", "nobody", "--clear-groups", "doveconf", "-n")
    assert "server_url = http://127.0.0.1:10041/" in as_user
    assert "Tell-Nobody" not in as_user
    assert run(machine, COMMAND, "setup", "dovecot", "--apply") == f"{DOVECOT}: all is set up already\n"
    run(machine, COMMAND, "setup", "dovecot", "--undo", "--yes")
    assert run(machine, "doveconf", "-n") == before
    assert not machine.path(DOVECOT).exists()


def test_refused_by_dovecot(machine: Machine) -> None:
    """What Dovecot would refuse is taken out again."""
    machine.write("/etc/dovecot/local.conf", "auth_policy_hash_nonce =\n")
    done = machine.run([COMMAND, "setup", "dovecot", "--apply"], check=False)
    assert done.returncode == 1
    assert b"nothing is changed" in done.stderr
    assert [*machine.path("/etc/dovecot/conf.d").glob("99-*")] == []


def test_at_work(
    machine: Machine,
    clients: Clients,
    start: Callable[..., RealServer],
    start_filterban: Callable[[str], FilterBan],
) -> None:
    """Both set up and started, the doctor finds nothing, and a guesser is refused before the banner after five tries."""
    furnish(machine)
    log = "maillog_file=/dev/stdout"
    run(machine, "postconf", "-e", log, f"smtpd_tls_cert_file={CERTIFICATE}", f"smtpd_tls_key_file={KEY}")
    filterban = start_filterban(CONFIGURATION)
    run(machine, COMMAND, "setup", "postfix", "--apply")
    run(machine, COMMAND, "setup", "dovecot", "--apply")
    start(["dovecot", "-F"], {IMAP, IMAPS})
    start(["postfix", "start-fg"], {SMTP, SMTPS, SUBMISSION})

    assert filterban.run("doctor").stdout == b"postfix, dovecot: all is well\n"

    def guess(password: str) -> int:
        with clients.open(GUESSER) as session:
            return session.login("root", password).code

    with ThreadPoolExecutor() as pool:
        assert [*pool.map(guess, ["a", "b", "c", "d", "e"])] == [535] * 5
    with clients.connect(GUESSER, SUBMISSION) as session:
        assert session.greeting.code == 421
    with clients.open("10.99.0.67") as session:
        assert session.login("root", "f").code == 535
