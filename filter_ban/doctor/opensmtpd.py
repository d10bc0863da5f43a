# SPDX-License-Identifier: ISC
"""What is wrong with OpenSMTPD's filter."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.smtpd_conf import Listener, SmtpdConf
from filter_ban.own_command import own_command

SERVER: Final = "opensmtpd"
_OUR_COMMAND: Final = re.compile(
    r"(?:\S*/)?filter-ban(?:\s.*)?\sopensmtpd\b.*|.*\bfilter_ban(?:\s.*)?\sopensmtpd\b.*"
)
_LOCAL: Final = re.compile(r"lo[0-9]*|localhost|socket|/.*")


def filter_line() -> str:
    """Return the line of smtpd.conf that starts us."""
    return f'filter "ban" proc-exec "{" ".join(own_command())} opensmtpd"'


def findings(conf: SmtpdConf, file: str) -> Iterator[Finding]:
    """Yield what is wrong, one finding for each cause; *file* is where the configuration lies."""
    ours = {name for name, command in conf.commands.items() if _OUR_COMMAND.fullmatch(command.strip())}
    if not ours:
        text = "no filter of filter-ban: no failed login is seen, and nobody is refused"
        yield Finding(SERVER, Severity.MISSING, "filter-missing", text, filter_line(), file)
    ours |= {name for name, members in conf.chains.items() if ours.intersection(members)}
    name = min(ours, default="ban")
    for listener in conf.listeners:
        if listener.logins and not _is_local(listener.interface) and not _is_filtered(listener, ours):
            text = f'"{quoted(listener.text)}": logins can be tried here without filter-ban seeing it'
            remedy = _with_filter(listener, name)
            yield Finding(SERVER, Severity.DANGER, "listener-unfiltered", text, quoted(remedy), file)


def file_missing(file: str, problem: str) -> Finding:
    """Return the finding for a configuration that cannot be read."""
    text = f"the configuration cannot be read: {quoted(problem)}"
    remedy = "filter-ban doctor opensmtpd --smtpd-conf FILE"
    return Finding(SERVER, Severity.MISSING, "file-missing", f"{quoted(file)}: {text}", remedy)


def _is_filtered(listener: Listener, ours: set[str]) -> bool:
    return not ours.isdisjoint(listener.filters)


def _is_local(interface: str) -> bool:
    try:
        return ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return _LOCAL.fullmatch(interface) is not None


def _with_filter(listener: Listener, name: str) -> str:
    """Return the line of a listener with our filter, beside another that it may have."""
    before, mark, _ = listener.text.partition(" filter ")
    if not mark:
        return f'{listener.text} filter "{name}"'
    names = ", ".join(f'"{one}"' for one in (*listener.filters, name))
    return f"{before} filter {{ {names} }}"
