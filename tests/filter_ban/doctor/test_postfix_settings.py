# SPDX-License-Identifier: ISC
"""What postconf prints, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.doctor.postfix_settings import parse_services

MASTER = "submission inet  n       -       y       -       -       smtpd -v -o a=b"

VALUES = {
    "plain": ("x = 1", "", "1"),
    "built in": ("", "", "yes"),
    "of the service": ("x = 1", "submission/inet/x = 2", "2"),
    "of another service": ("x = 1", "smtps/inet/x = 2\nsubmission/unix/x = 3", "1"),
    "empty": ("x = 1", "submission/inet/x =", ""),
    "reference": ("x = $y ${z}$(z) $$\ny = 1\nz = 2", "", "1 22 $"),
    "unknown": ("x = a$nothing", "", "a"),
    "reference to the service's": ("x = $y\ny = 1", "submission/inet/y = 2", "2"),
    "if set": ("x = ${y?yes} ${n?yes}${n:no}\ny = 1\nn =", "", "yes no"),
    "either": ("x = ${y?{a}:{b}} ${n?{a} : {b}}\ny = 1\nn =", "", "a b"),
    "nested": ("x = ${y?{${z}}:{b}}\ny = 1\nz = 2", "", "2"),
    "without end": ("x = a${y?{b", "", "a"),
    "comparison": ("x = a${{1} == {2}?{b}}", "", "a"),
    "circle": ("x = $x", "", "$x"),
    "continued": ("x = 1,\n  2,\n\t3", "", "1,  2,\t3"),
    "no setting": ("postconf: warning\nx=1", "", "1"),
}


@pytest.mark.parametrize(("main", "options", "expected"), VALUES.values(), ids=VALUES.keys())
def test_value(main: str, options: str, expected: str) -> None:
    """The value that holds for a service is its own, that of main.cf or the built-in one, expanded."""
    (service,) = parse_services(main, MASTER, options)
    assert service.get("x" if main else "smtpd_delay_reject") == expected


def test_services() -> None:
    """A service has a name, a type and a program; continued lines belong to the one before."""
    services = parse_services(
        "", f"# a comment\n{MASTER}\n  -o c=d\nshort inet\n\nsmtp unix - - y - - smtp\n", ""
    )
    assert [(service.name, service.type, service.command) for service in services] == [
        ("submission", "inet", "smtpd"),
        ("smtp", "unix", "smtp"),
    ]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ("inet", 0),
        ("submission.inet", 0),
        ("unix, submission.inet", 0),
        ("!submission.inet inet", 1),
        ("smtps.inet", 1),
        ("", 1),
    ],
)
def test_disabled(patterns: str, found: int) -> None:
    """Services that master does not start are left out."""
    assert len(parse_services(f"master_service_disable = {patterns}", MASTER, "")) == found


@given(st.text(alphabet="x$y{}?:() =1\n#/"), st.text(), st.text(alphabet="submission/inet= $x\n"))
def test_anything(main: str, services: str, options: str) -> None:
    """Whatever is printed, there is a value."""
    for service in parse_services(main, f"{MASTER}\n{services}", options):
        assert isinstance(service.get("x"), str)
