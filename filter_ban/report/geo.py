# SPDX-License-Identifier: ISC
"""
Where networks are, by a local file in the format of MaxMind; needs the package maxminddb (extra ``geo``).

Understood are databases of countries, of cities and of autonomous systems, with the names that MaxMind and DB-IP use,
and the flat ones of IPinfo.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import attrs

from filter_ban.text import excerpt


class GeoError(Exception):
    """The database cannot be used; the message says why."""


@attrs.frozen
class Place:
    """Country and autonomous system of a network; empty where the database does not say."""

    country: str = ""
    system: str = ""


Places = Callable[[str], Place]


def open_places(path: Path) -> AbstractContextManager[Places]:
    """
    Open the database at *path*; the context is a look-up of networks.

    Raises:
        GeoError: It is absent or damaged, or the package is not installed.

    """
    try:
        import maxminddb  # noqa: PLC0415 - an extra
    except ImportError:
        raise GeoError('needs the package maxminddb (pip install "filter-ban[geo]")') from None
    try:
        reader = maxminddb.open_database(str(path))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise GeoError(excerpt(str(error))) from error

    @contextmanager
    def opened() -> Any:
        def look_up(network: str) -> Place:
            try:
                return place_of(reader.get(network.partition("/")[0]))
            except (ValueError, maxminddb.InvalidDatabaseError):
                return Place()

        with reader:
            yield look_up

    return opened()


def place_of(record: Any) -> Place:
    """Return the place that a database's *record* tells of."""
    if not isinstance(record, dict):
        return Place()
    return Place(country=_country(record), system=_system(record))


def _country(record: dict[str, Any]) -> str:
    for key in ("country", "registered_country"):
        country = record.get(key)
        if isinstance(country, dict):
            names = country.get("names")
            name = names.get("en") if isinstance(names, dict) else None
            return _joined(country.get("iso_code"), name)
    return _joined(record.get("country_code"), record.get("country"))


def _system(record: dict[str, Any]) -> str:
    number = record.get("autonomous_system_number")
    if number is not None:
        return _joined(f"AS{number}", record.get("autonomous_system_organization"))
    return _joined(record.get("asn"), record.get("as_name"))


def _joined(*texts: object) -> str:
    return excerpt(" ".join(str(text) for text in texts if text), 60)
