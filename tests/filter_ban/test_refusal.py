# SPDX-License-Identifier: ISC
"""Why servers hang up: asked of one that wants a certificate, and of others."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban import certificate
from filter_ban.refusal import refusal
from tests.filter_ban.authority import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Provide somebody who signs."""
    return Authority(tmp_path_factory.mktemp("tls"))


@contextlib.contextmanager
def server(authority: Authority, *, wants: bool, version: ssl.TLSVersion) -> Iterator[tuple[str, int]]:
    """Serve TLS to one client and hang up; yield the address."""
    own = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    certificate.load(context, own.file, own.key_file)
    if wants:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                plain, _ = listener.accept()
                with plain, context.wrap_socket(plain, server_side=True):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def said(authority: Authority, address: tuple[str, int], shown: Pair | None = None) -> str:
    """Return what a server has against the certificate that it is shown; nothing, if it says nothing."""
    context = ssl.create_default_context(cafile=authority.file)
    if shown is not None:
        certificate.load(context, shown.file, shown.key_file)
    error = asyncio.run(refusal(address, context))
    return "" if error is None else certificate.problem_of(error)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_a_server_has_against_us(authority: Authority, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A certificate that is missing, or that is another's, is told from one that is welcome."""
    ours, anothers = authority.issue("node"), Authority(tmp_path).issue("node")
    with server(authority, wants=True, version=version) as address:
        assert "a certificate" in said(authority, address)
    with server(authority, wants=True, version=version) as address:
        assert said(authority, address, anothers) == "it does not take our certificate: unknown ca"
    with server(authority, wants=True, version=version) as address:
        assert said(authority, address, ours) == ""
    with server(authority, wants=False, version=version) as address:
        assert said(authority, address) == ""


def test_nobody_there(authority: Authority) -> None:
    """Where nobody listens, nobody has anything against us."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    assert said(authority, address) == ""
