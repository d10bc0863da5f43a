# SPDX-License-Identifier: ISC
"""Tests of filter_ban.report.geo."""

import sys
from pathlib import Path
from typing import Any

import pytest

from filter_ban.report.geo import GeoError, Place, open_places, place_of
from tests.filter_ban.report.mmdb import Value, write

GERMANY: Value = {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}}


@pytest.mark.parametrize(
    ("record", "place"),
    [
        (None, Place()),
        ("text", Place()),
        ({}, Place()),
        ({"country": GERMANY}, Place("DE Germany")),
        ({"registered_country": {"iso_code": "DE"}}, Place("DE")),
        ({"country": {"iso_code": None, "names": []}}, Place()),
        (
            {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"},
            Place(system="AS64500 Example Net"),
        ),
        (
            {"country": "Germany", "country_code": "DE", "asn": "AS64500", "as_name": "Example"},
            Place("DE Germany", "AS64500 Example"),
        ),
        ({"country": {"iso_code": "\x1b[0m" + "x" * 99}}, Place("\\x1b[0m" + "x" * 52 + "…")),
    ],
)
def test_place(record: Any, place: Place) -> None:
    """The names of the usual databases are understood; whatever else stands there is left out, or bounded."""
    assert place_of(record) == place


def test_database(tmp_path: Path) -> None:
    """Networks of both families are found in a file; what is not in it is nowhere."""
    pytest.importorskip("maxminddb", reason='needs the extra "geo"')
    file = tmp_path / "places.mmdb"
    write(file, {"192.0.2.0/24": {"country": GERMANY}, "2001:db8::/32": {"autonomous_system_number": 64500}})
    with open_places(file) as look_up:
        assert look_up("192.0.2.0/24") == Place("DE Germany")
        assert look_up("2001:db8:7::/48") == Place(system="AS64500")
        assert look_up("198.51.100.0/24") == Place()
        assert look_up("nonsense") == Place()


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 99])
def test_no_database(tmp_path: Path, content: bytes | None) -> None:
    """A file that is absent or none is told."""
    pytest.importorskip("maxminddb", reason='needs the extra "geo"')
    file = tmp_path / "places.mmdb"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(GeoError):
        open_places(file)


def test_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package it is said which one is needed."""
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(GeoError, match="maxminddb"):
        open_places(tmp_path / "places.mmdb")
