# SPDX-License-Identifier: ISC
"""Visits to servers that ask for a certificate, and to Sentinels that ask for a password."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

from filter_ban.certificate import ASKED
from filter_ban.doctor.store import Login, Place, StoreError
from filter_ban.doctor.store_visit import visit
from tests.filter_ban.authority import Authority, Pair
from tests.filter_ban.courier.redis_server import RedisServer, Sentinel, secured, serving, tls_options
from tests.filter_ban.daemon.process import free_port

STREAMS: Final = {0: "fb:{0}:stream"}
PASSWORD: Final = "of-the-store"
OF_SENTINELS: Final = "of-the-Sentinels"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Provide who signs the certificates of stores and nodes."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Provide a folder whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fb-") as name:
        yield Path(name)


def login(authority: Authority, pair: Pair | None = None, password: str = "") -> Login:
    """Return who believes *authority*, and shows *pair*."""
    files = (str(pair.file), str(pair.key_file)) if pair else ("", "")
    return Login("", password, str(authority.file), *files)


def refused(place: Place, who: Login) -> tuple[str, str]:
    """Return of which kind a failed visit is, and why it failed."""
    with pytest.raises(StoreError) as raised:
        visit(place, who, "fb", STREAMS)
    assert PASSWORD not in str(raised.value)
    return raised.value.kind, str(raised.value)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_certificate_that_is_asked_for(
    folder: Path, authority: Authority, tmp_path: Path, version: str, password: str
) -> None:
    """A server that asks for a certificate is told as such, and so is one that does not take ours."""
    with secured(folder / "s", authority, **{"tls-protocols": version}) as (server, url):
        if password:
            server.ask("CONFIG", "SET", "requirepass", password)
        place = Place.parse(url)
        kind, why = refused(place, login(authority, password=password))
        assert kind == "certificate"
        assert why == ASKED if version == "TLSv1.3" else "cluster.certificate_file" in why
        stranger = login(authority, Authority(tmp_path).issue("node"), password)
        assert refused(place, stranger) == ("certificate", "it does not take our certificate: unknown ca")
        assert visit(place, login(authority, authority.issue("node"), password), "fb", STREAMS).failed == {}


@pytest.fixture
def store(folder: Path) -> Iterator[RedisServer]:
    """Provide a store with a password."""
    with serving(folder / "s", requirepass=PASSWORD) as server:
        yield server


@pytest.mark.parametrize("user", ["", "asker"])
def test_sentinels_with_a_password(store: RedisServer, folder: Path, user: str) -> None:
    """Sentinels are asked with the user and password that are theirs; one that does not take them is told as such."""
    right = "-@all +sentinel|get-master-addr-by-name"
    options = {"requirepass": OF_SENTINELS}
    if user:
        options = {"user default": "off", f"user {user}": f"on >{OF_SENTINELS} {right}"}
    sentinel = Sentinel(folder / "q", store.port, **options)
    try:
        place = Place.parse(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/{sentinel.NAME}")
        who = Login("", PASSWORD, sentinel_user=user, sentinel_password=OF_SENTINELS)
        assert visit(place, who, "fb", STREAMS).failed == {}
        for wrong in "", PASSWORD:
            assert refused(place, attrs.evolve(who, sentinel_password=wrong))[0] == "sentinel-login"
        assert refused(place, attrs.evolve(who, password=""))[0] == "login"
        assert refused(attrs.evolve(place, name="nobody"), who) == (
            "down",
            "no Sentinel can be asked, or none knows nobody",
        )
    finally:
        sentinel.kill()


def test_sentinels_that_ask_for_a_certificate(folder: Path, authority: Authority) -> None:
    """Sentinels are shown our certificate, too."""
    port = free_port()
    with secured(folder / "s", authority) as (_, url):
        options = {**tls_options(authority, port), "tls-replication": "yes"}
        sentinel = Sentinel(folder / "q", int(url.rpartition(":")[2]), **options)
        try:
            place = Place.parse(f"rediss+sentinel://127.0.0.1:{port}/{sentinel.NAME}")
            assert refused(place, login(authority)) == ("certificate", ASKED)
            assert visit(place, login(authority, authority.issue("node")), "fb", STREAMS).failed == {}
        finally:
            sentinel.kill()
