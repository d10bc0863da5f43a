# SPDX-License-Identifier: ISC
"""What the doctor says of OpenSMTPD."""

import pytest

from filter_ban.doctor.finding import Severity
from filter_ban.doctor.opensmtpd import file_missing, filter_line, findings
from filter_ban.doctor.smtpd_conf import parse_smtpd_conf

FILTER_LINE = filter_line()

PROXY = 'filter "rspamd" proc-exec "filter-rspamd"\n'
RIGHT = {
    "as in the README": f'{FILTER_LINE}\nlisten on eth0 port 587 tls-require pki "mail" auth filter "ban"\n',
    "chain": f'{FILTER_LINE}\n{PROXY}filter both chain {{ "ban", "rspamd" }}\nlisten on all tls auth filter both\n',
    "chain in place": f"{FILTER_LINE}\n{PROXY}listen on all tls auth filter {{ rspamd,\n  ban }}\n",
    "process": 'proc p "/opt/bin/filter-ban --config /x opensmtpd"\nfilter x proc p\nlisten on all auth filter x\n',
    "module": 'filter x proc-exec "/opt/venv/bin/python -m filter_ban opensmtpd"\nlisten on all auth filter x\n',
    "no logins": f"{FILTER_LINE}\nlisten on all\n",
    "local": f"{FILTER_LINE}\nlisten on lo0 auth\nlisten on 127.0.0.1 auth\nlisten on ::1 auth\nlisten on socket\n",
    "continued": f"{FILTER_LINE}\nlisten on all tls \\\n  auth <users> \\\n  filter ban\n",
    "macro": f'{FILTER_LINE}\nf = "ban"\nif=eth0\nlisten on $if auth filter $f\n',
}
WRONG = {
    "nothing": ("", [("filter-missing", FILTER_LINE)]),
    "commented": (f"# {FILTER_LINE}\n", [("filter-missing", FILTER_LINE)]),
    "another filter": (
        f"{PROXY}listen on eth0 auth filter rspamd\n",
        [
            ("filter-missing", FILTER_LINE),
            ("listener-unfiltered", 'listen on eth0 auth filter { "rspamd", "ban" }'),
        ],
    ),
    "other commands of ours": (
        'filter "ban" proc-exec "filter-ban serve"\n',
        [("filter-missing", FILTER_LINE)],
    ),
    "listener": (
        f"{FILTER_LINE}\nlisten on eth0 port 465 smtps auth-optional <users>\nlisten on all auth filter ban",
        [("listener-unfiltered", 'listen on eth0 port 465 smtps auth-optional <users> filter "ban"')],
    ),
    "another chain": (
        f"{FILTER_LINE}\n{PROXY}filter c chain {{ rspamd }}\nlisten on 192.0.2.1 auth filter c\n",
        [("listener-unfiltered", 'listen on 192.0.2.1 auth filter { "c", "ban" }')],
    ),
}


def no_include(name: str) -> str:
    """Fail: nothing is included."""
    raise AssertionError(name)


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_right(text: str) -> None:
    """Of a configuration with our filter wherever logins come from the world, nothing is said."""
    assert [*findings(parse_smtpd_conf(text, no_include), "/etc/smtpd.conf")] == []


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG.keys())
def test_wrong(text: str, expected: list[tuple[str, str]]) -> None:
    """Each fault is one finding with the line that mends it."""
    found = [*findings(parse_smtpd_conf(text, no_include), "/etc/smtpd.conf")]
    assert [(finding.name, finding.remedy) for finding in found] == expected
    assert {finding.place for finding in found} == {"/etc/smtpd.conf"}


def test_file_missing() -> None:
    """A configuration that cannot be read is a finding."""
    finding = file_missing("/etc/smtpd.conf", "No such file or directory")
    assert (finding.severity, finding.name) == (Severity.MISSING, "file-missing")
