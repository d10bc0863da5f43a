# SPDX-License-Identifier: ISC
"""Shell that makes sets and rules, and the trial of it."""

from pathlib import Path

import pytest

from filter_ban.config import Config
from filter_ban.config.schema import Firewall
from filter_ban.setup import xtables
from filter_ban.setup.files import SetupError
from tests.filter_ban.setup.xtables_host import SAVED, FakeHost


def test_sets_are_made_once() -> None:
    """A set that is there is used as it is, whatever the configuration says of its size."""
    lines = xtables.create_commands(Config(firewall=Firewall(table="bots", max_entries=5))).splitlines()
    assert [line.partition(" hash:net ")[0] for line in lines] == [
        f"ipset -terse list bots{family} >/dev/null 2>&1 || ipset create bots{family}" for family in (4, 6)
    ]
    assert all(" maxelem 5 " in line and line.endswith(" || :") for line in lines)


@pytest.mark.parametrize(
    ("text", "taken"), [(":bots - [0:0]\n", True), (":bots2 - [0:0]\n", False), ("-A INPUT -j bots\n", False)]
)
def test_names_of_others(text: str, taken: bool) -> None:
    """A name is taken where a chain is declared by it."""
    if taken:
        with pytest.raises(SetupError, match="/rules has a chain bots of its own"):
            xtables.require_no_chain(Path("/rules"), text, "free", "bots")
    else:
        xtables.require_no_chain(Path("/rules"), text, "free", "bots")


@pytest.mark.parametrize(
    ("host", "families", "acts"),
    [
        (FakeHost(), (4, 6), True),
        (FakeHost(saved=SAVED.replace("filter-ban6", "other")), (4,), True),
        (FakeHost(saved=SAVED.replace("filter-ban6", "other")), (4, 6), False),
        (FakeHost(saved=SAVED.replace("-j DROP", "-j RETURN")), (4,), False),
        (FakeHost(failing={"unshare --net sh"}), (4,), False),
        (FakeHost(failing={"unshare --net true"}), (4,), True),
    ],
)
def test_trial(host: FakeHost, families: tuple[int, ...], acts: bool) -> None:
    """Our rules act if what is then in force has them in each family; what cannot be tried is let pass."""
    if acts:
        xtables.require_effect(host, Config(), "true\n", families)
    else:
        with pytest.raises(SetupError):
            xtables.require_effect(host, Config(), "true\n", families)
