# SPDX-License-Identifier: ISC
"""The table of metrics keeps to Prometheus's rules."""

import re

import pytest

from filter_ban.metrics import families
from filter_ban.metrics.families import FAMILIES, PREFIX, Family, Type

UNITS = ("_seconds", "_bytes")
PERSONAL = {"client", "address", "user", "network", "ip"}


def test_each_is_in_the_table_once() -> None:
    """No name is used twice, and none is left out."""
    named = [value for value in vars(families).values() if isinstance(value, Family)]

    assert list(FAMILIES) == named
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_naming(family: Family) -> None:
    """Ours begin with our prefix, only counters end in _total, histograms have a unit, labels are names of no person."""
    assert re.fullmatch(rf"(?:{PREFIX}|process_)[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.type is Type.COUNTER)
    assert family.type is not Type.HISTOGRAM or family.name.endswith(UNITS)
    assert all(re.fullmatch(r"[a-z]+", label) for label in family.labels)
    assert not PERSONAL & {*family.labels, "le"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_documentation(family: Family) -> None:
    """It is one plain line, a sentence, that needs no escape anywhere it is shown."""
    assert family.doc.endswith(".")
    assert family.doc.isprintable()
    assert not set(family.doc) & set('\\"|')
