# SPDX-License-Identifier: ISC
"""The play whose output the manual shows: a user, a guesser, one who mistypes, and the commands of an admin."""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.manual.mail_server import MailServer
from tools.manual.stage import Shown, Stage

GUESSER: Final = "192.0.2.7"
PROBER: Final = "2001:db8:7::25"
MISTYPER: Final = "192.0.2.80"
_DEMO: Final = "from filter_ban.demo.main import run; run(False, pace_s=0)"
_FAULTY: Final = """\
mode = "on"

[limits]
windows = ["5 in ten minutes"]
ladder = ["15m"]
"""
_SMTPD_CONF: Final = """\
filter "ban" proc-exec "/usr/local/bin/filter-ban opensmtpd"
listen on eth0 port 25 tls pki "mail"
listen on eth0 port 587 tls-require pki "mail" auth
"""
_MAIL_LOG: Final = "".join(
    f"Nov 20 03:{minute:02}:11 mail dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
    f"user=<alice@example.org>, method=PLAIN, rip=192.0.2.7, lip=198.51.100.1, TLS, session=<A{minute:02}>\n"
    for minute in range(12)
)
_LIST: Final = """\
# who keeps coming back
198.51.100.23
198.51.100.64/28
203.0.113.10
"""


def play() -> Mapping[str, Sequence[Shown]]:
    """Return what is shown of each command."""
    with (
        tempfile.TemporaryDirectory(prefix="fb") as folder,
        Stage(Path(folder)) as stage,
        stage.mail_server() as server,
    ):
        _attack(stage, server)
        return _commands(stage)


def _attack(stage: Stage, server: MailServer) -> None:
    server.login("198.51.100.20", "alice@example.org", right=True)
    for _ in range(5):
        stage.wait(7)
        server.login(GUESSER, "alice@example.org")
    stage.settle()
    server.login(GUESSER, "alice@example.org")
    stage.wait(95)
    server.login(PROBER, "info@example.net")
    for _ in range(3):
        stage.wait(9)
        server.login(MISTYPER, "robert@example.org")
    stage.wait(21)
    stage.settle()


def _commands(stage: Stage) -> Mapping[str, Sequence[Shown]]:
    shown: defaultdict[str, list[Shown]] = defaultdict(list)

    def show(line: str) -> None:
        shown[line.split()[1]].append(stage.run(line))

    show("filter-ban status")
    show("filter-ban list")
    show(f"filter-ban show {GUESSER}")
    show(f"filter-ban show {MISTYPER}")
    show('filter-ban ban --for 7d --reason "asked by an abuse desk" 198.51.100.99')
    stage.settle()
    show("filter-ban ban 203.0.113.10")
    stage.wait(60)
    show(f"filter-ban lift {GUESSER}")
    show(f"filter-ban show {GUESSER}")
    show("filter-ban list --json")
    stage.settle()
    show("filter-ban report --since 1h")
    show('filter-ban allow --for 30d --reason "customer 4711" 192.0.2.80')
    show("filter-ban allow")
    show("filter-ban export --format postfix-access")
    show("filter-ban resync")
    show("filter-ban reload")
    stage.write("/etc/blocked.txt", _LIST)
    show("filter-ban import --dry-run /etc/blocked.txt")
    show("filter-ban import --for 30d /etc/blocked.txt")
    show("filter-ban check")
    stage.write("/etc/filter-ban-new.toml", _FAULTY)
    show("filter-ban check /etc/filter-ban-new.toml")
    stage.write("/var/log/mail.log.1", _MAIL_LOG)
    show("filter-ban replay --year 2026 /var/log/mail.log.1")
    stage.write("/etc/smtpd.conf", _SMTPD_CONF)
    show("filter-ban doctor opensmtpd --smtpd-conf /etc/smtpd.conf")
    show("filter-ban setup pf")
    shown["demo"].append(stage.run_python("filter-ban demo", _DEMO))
    return shown
