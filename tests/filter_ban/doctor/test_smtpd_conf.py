# SPDX-License-Identifier: ISC
"""smtpd.conf, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.doctor.smtpd_conf import Listener, parse_smtpd_conf

OPENBSD = """\
#\t$OpenBSD: smtpd.conf,v 1.14 2019/11/26 20:14:38 gilles Exp $
table aliases file:/etc/mail/aliases
listen on socket
# To accept external mail, replace with: listen on all
listen on lo0
action "local_mail" mbox alias <aliases>
match from local for any action "outbound"
"""


def test_openbsds_own() -> None:
    """The configuration that OpenBSD installs has two listeners and no filter."""
    conf = parse_smtpd_conf(OPENBSD, str)
    assert [listener.interface for listener in conf.listeners] == ["socket", "lo0"]
    assert (conf.commands, conf.chains) == ({}, {})


def test_include() -> None:
    """Included files are read in their place, with the macros so far; one that includes itself comes to an end."""
    files = {"/etc/a": "listen on $if auth\n", "b": 'include "b"\nlisten on b\n'}
    conf = parse_smtpd_conf('if = eth0\ninclude "/etc/a"\ninclude "b"\nlisten on last\n', files.__getitem__)
    assert conf.listeners[0] == Listener("listen on eth0 auth", "eth0", logins=True, filters=())
    assert conf.listeners[-1].interface == "last"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('filter a proc-exec "b \\"c\\" d"', 'b "c" d'),
        ('filter "a" proc-exec "b" user root', "b"),
        ('filter a proc-exec "b # c" # d', "b # c"),
        ("filter a proc nobody", ""),
    ],
)
def test_command(text: str, command: str) -> None:
    """The command of a filter is its string."""
    assert parse_smtpd_conf(text, str).commands == {"a": command}


@given(st.text(alphabet='listen onfilter"{}=,\\$#a\n') | st.text())
def test_anything(text: str) -> None:
    """Whatever the file holds, it is read."""
    parse_smtpd_conf(f"listen on {text}\nfilter {text}\ninclude {text}", lambda _: text)
