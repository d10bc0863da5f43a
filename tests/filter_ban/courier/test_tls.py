# SPDX-License-Identifier: ISC
"""What TLS with a store needs, from texts."""

import ssl
import tempfile
from pathlib import Path

import pytest

from filter_ban import certificate
from filter_ban.courier.tls import Tls, context_of
from tests.filter_ban.authority import Authority


def test_the_key_is_in_no_file_for_longer_than_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificate and key are in a file of the courier's own, which is gone as soon as they are loaded."""
    modes: list[int] = []
    load = certificate.load

    def observe(context: ssl.SSLContext, file: Path) -> None:
        modes.append(file.stat().st_mode & 0o777)
        load(context, file)

    authority = Authority(tmp_path)
    node, other = authority.issue("node").texts, authority.issue("other").texts
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(certificate, "load", observe)
    context_of(Tls("", *node))
    with pytest.raises(certificate.CertificateError):
        context_of(Tls("", node[0], other[1]))
    assert modes == [0o600, 0o600]
    assert list(folder.iterdir()) == []


def test_without_a_certificate() -> None:
    """The name and certificate of a server are always checked."""
    context = context_of(Tls())
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_nothing_is_shown() -> None:
    """Whoever prints it shows no secret."""
    assert repr(Tls("the-ca", "the-certificate", "the-key")) == "Tls()"
