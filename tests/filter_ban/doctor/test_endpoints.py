# SPDX-License-Identifier: ISC
"""Where Postfix and Dovecot are told to ask, compared with where we listen."""

import pytest

from filter_ban.config.values import Endpoint
from filter_ban.doctor.endpoints import endpoint_served, postfix_endpoints, url_endpoints

LOOPBACK = Endpoint(host="127.0.0.1", port=10040)
LOOPBACK_6 = Endpoint(host="::1", port=10040)

POSTFIX = {
    "inet:127.0.0.1:10040": (LOOPBACK,),
    "inet:[::1]:10040": (LOOPBACK_6,),
    "inet:localhost:10040": (LOOPBACK, LOOPBACK_6),
    "inet:10040": (),
    "127.0.0.1:10040": (),
    "unix:private/ban": (Endpoint(path="/spool/private/ban"),),
    "unix:/ban": (Endpoint(path="/ban"),),
    "": (),
}
URLS = {
    "http://127.0.0.1:10040/": (LOOPBACK,),
    "http://u:p@[::1]:10040/x?y": (LOOPBACK_6,),
    "http://127.0.0.1/": (Endpoint(host="127.0.0.1", port=80),),
    "https://127.0.0.1:10040/": (),
    "http://127.0.0.1:x/": (),
    "http://[::1/": (),
    "": (),
}


@pytest.mark.parametrize(("text", "expected"), POSTFIX.items())
def test_postfix(text: str, expected: tuple[Endpoint, ...]) -> None:
    """An endpoint of Postfix is each that it may mean."""
    assert postfix_endpoints(text, "/spool", chrooted=False) == expected


@pytest.mark.parametrize(("url", "expected"), URLS.items())
def test_url(url: str, expected: tuple[Endpoint, ...]) -> None:
    """A URL is the endpoint of its host and port."""
    assert url_endpoints(url) == expected


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        ([LOOPBACK], LOOPBACK),
        ([LOOPBACK_6], LOOPBACK_6),
        ([Endpoint(host="0.0.0.0", port=10040)], LOOPBACK),
        ([Endpoint(host="127.0.0.1", port=10041)], None),
        ([Endpoint(path="/x")], None),
        ([], None),
    ],
)
def test_served(listening: list[Endpoint], expected: Endpoint | None) -> None:
    """What is asked is served where one of our listeners hears it."""
    assert endpoint_served([LOOPBACK, LOOPBACK_6], listening) == expected


def test_chroot() -> None:
    """For a smtpd in a chroot the queue directory is the root."""
    assert postfix_endpoints("unix:/ban", "/spool", chrooted=True) == (Endpoint(path="/spool/ban"),)
