# SPDX-License-Identifier: ISC
"""filter-ban-opensmtpd(8): what smtpd starts."""

from typing import Final

from filter_ban.relay.wire import EVENTS, PHASES
from tools.man.configuration_page import section
from tools.man.mdoc import display, page, paragraphs, tags

_DESCRIPTION: Final = """
smtpd(8) starts this filter by a line in smtpd.conf(5). It is a relay between smtpd and the daemon, `filter-ban serve`, and
it is small, unprivileged and alone in one duty: smtpd stops when a filter ends, and holds up a session until the filter has
answered, so the relay does neither. It answers in time whatever the daemon does, and leaves at the end of its input
alone; SIGTERM, SIGINT and SIGHUP are ignored. The daemon, its configuration and its ledger can be changed, stopped and
upgraded under a running smtpd.

When no daemon answers within `relay.deadline_ms`, or none runs, the session goes on, or gets the reply of
`relay.on_trouble`. When the daemon is back it is told of the sessions that are open. Where none runs the relay starts one,
as the user that smtpd runs it as and so without a firewall, unless `daemon.spawn` is false.

It asks smtpd for no more than it needs:
"""
_SMTPD_CONF: Final = """
filter "ban" proc-exec "filter-ban opensmtpd"
listen on egress port 587 tls-require pki "mail" auth filter "ban"
"""


def relay_page() -> str:
    """Return the page."""
    return page(
        "filter-ban-opensmtpd",
        8,
        "filter of OpenSMTPD against password guessing",
        ("SYNOPSIS", [".Nm filter-ban", ".Cm opensmtpd", ".Op Fl c Ar FILE"]),
        ("DESCRIPTION", [*paragraphs(_DESCRIPTION), *_registration()]),
        (
            "CONFIGURATION",
            [
                "What the relay itself reads of",
                ".Xr filter-ban.toml 5 :",
                ".Ic daemon.socket_dir ,",
                ".Ic daemon.spawn ,",
                "and",
                *section("relay"),
                ".Pp",
                "A wrong value is told in smtpd's log, and the default holds.",
                "The daemon reads",
                *section("opensmtpd"),
            ],
        ),
        ("EXAMPLES", ["In", ".Pa /etc/smtpd.conf :", *display(_SMTPD_CONF)]),
        ("SEE ALSO", [".Xr filter-ban 1 ,", ".Xr filter-ban.toml 5"]),
    )


def _registration() -> list[str]:
    asked = {"reports": EVENTS, "filter requests": PHASES}
    return [
        *tags((f"Em {what}", [", ".join(name.decode() for name in names)]) for what, names in asked.items())
    ]
