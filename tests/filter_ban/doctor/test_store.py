# SPDX-License-Identifier: ISC
"""Where the URLs of stores lead."""

from typing import Final

import pytest

from filter_ban.config.values import store_url
from filter_ban.doctor.store import Place

PLACES: Final = {
    "redis://store": Place(hosts=(("store", 6379),)),
    "redis://10.0.0.1:6380/3": Place(hosts=(("10.0.0.1", 6380),), database=3),
    "rediss://[2001:db8::1]:6380": Place(hosts=(("2001:db8::1", 6380),), tls=True),
    "redis://[::1]": Place(hosts=(("::1", 6379),)),
    "unix:///run/valkey/valkey.sock": Place(path="/run/valkey/valkey.sock"),
    "redis+sentinel://a,b:26380/main": Place(
        hosts=(("a", 26_379), ("b", 26_380)), kind="sentinel", name="main"
    ),
    "rediss+sentinel://a/main/2": Place(
        hosts=(("a", 26_379),), tls=True, kind="sentinel", name="main", database=2
    ),
    "rediss+cluster://a:7000,b:7001": Place(hosts=(("a", 7000), ("b", 7001)), tls=True, kind="cluster"),
}


@pytest.mark.parametrize(("url", "place"), PLACES.items())
def test_places(url: str, place: Place) -> None:
    """Every form of URL that the configuration accepts is understood."""
    assert Place.parse(store_url(url)) == place
