# SPDX-License-Identifier: ISC
"""CSV."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.exchange import spreadsheet
from filter_ban.exchange.spreadsheet import COLUMNS
from tests.filter_ban.exchange.reading import NOW_S, bans, complaints, read
from tests.filter_ban.exchange.writing import banned, written


def test_rows() -> None:
    """Times are in UTC; lines end as RFC 4180 has it."""
    text = written("csv", banned("192.0.2.7", NOW_S + 60), banned("2001:db8::/64", firewall=False))

    assert text == (
        "client,start,end,rule,reason,offence,strikes,reference,firewall\r\n"
        "192.0.2.7,2026-11-18T11:05:40Z,2026-11-18T11:07:40Z,5 in 10m,5 strikes,1,0,K7Q2ABCD,yes\r\n"
        "2001:db8::/64,2026-11-18T11:05:40Z,,5 in 10m,5 strikes,1,0,K7Q2ABCD,no\r\n"
    )


@given(st.text())
def test_any_reason(reason: str) -> None:
    """No field is a formula to a spreadsheet, none breaks its row, and none has what does harm to a terminal."""
    text = written("csv", banned("192.0.2.7", reason=reason))
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)

    assert tuple(head) == COLUMNS
    assert [len(row) for row in rows] == [len(COLUMNS)]
    assert all(field.isprintable() and not field.startswith(("=", "+", "-", "@")) for field in rows[0])


@pytest.mark.parametrize("reason", ["=cmd()", "+1", "-1", "@x", "'=x", "'", 'plain, "quoted"'])
def test_guard_is_taken_away(reason: str) -> None:
    """What was put before a formula is gone when it is read again."""
    (entry,) = read(written("csv", banned("192.0.2.7", reason=reason))).entries

    assert entry.reason == f"imported from text, {reason}"


def test_other_files() -> None:
    """Columns are found by their names; an end may be in Unix seconds too."""
    found = read(f"\ufeffnote,client,end\nx,192.0.2.7,{NOW_S + 5}\n\ny,192.0.2.8,\nz,192.0.2.9,{NOW_S - 5}\n")

    assert bans(found) == [("192.0.2.7", 5), ("192.0.2.8", None)]
    assert found.over == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "text: its first row names no column client"),
        ("address\n192.0.2.7\n", "text: its first row names no column client"),
        (
            "client,end\n192.0.2.7,tomorrow\n",
            "end tomorrow: must be Unix seconds, or like 2026-11-21T05:29:00Z",
        ),
        ("end,client\n,\n", "'': not an IPv4 or IPv6 address"),
        ('client\n"192.0.2.7\n', "text: line 2: unexpected end of data"),
    ],
)
def test_faults(text: str, why: str) -> None:
    """What is wrong is told."""
    assert complaints(spreadsheet.read, text) == [why]


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is read."""
    assert all(map(str.isprintable, complaints(spreadsheet.read, f"client,end\n{text}")))
