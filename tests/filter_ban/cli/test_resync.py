# SPDX-License-Identifier: ISC
"""``filter-ban resync``."""

from typing import Any, Final

import pytest

WELL = {"backend": "nftables", "ok": True, "problem": "", "missing": 0, "foreign": 0, "rule_present": True}
REPORTS: Final[dict[str, tuple[dict[str, Any], tuple[int, str, str]]]] = {
    "nothing": ({}, (0, "nftables: nothing was missing\n", "")),
    "drift": (
        {"missing": 1200, "foreign": 1},
        (0, "nftables: 1,200 missing put back, 1 foreign removed\n", ""),
    ),
    "failed": (
        {"ok": False, "problem": "nft: \x1bx"},
        (
            1,
            "nftables: nothing was missing\n",
            "filter-ban: nftables: the table is not as it should be: nft: \\x1bx; see filter-ban doctor firewall\n",
        ),
    ),
    "no rule": (
        {"rule_present": False},
        (
            1,
            "nftables: nothing was missing\n",
            "filter-ban: nftables: the table is as it should be, but no rule of the firewall uses it\n",
        ),
    ),
    "rule not looked for": ({"rule_present": None}, (0, "nftables: nothing was missing\n", "")),
}


@pytest.mark.parametrize(("report", "expected"), REPORTS.values(), ids=REPORTS.keys())
def test_report(run: Any, daemon: Any, report: dict[str, Any], expected: tuple[int, str, str]) -> None:
    """What was found and repaired is told; what is still wrong is an error."""
    daemon.answers["resync"] = [{"backends": [{**WELL, **report}]}]
    result = run("resync")
    assert (result.exit_code, result.stdout, result.stderr) == expected


def test_several_backends(run: Any, daemon: Any) -> None:
    """Each backend has its line, and what is wrong with one is an error."""
    other = {**WELL, "backend": "route", "ok": False, "problem": "ip: not found"}
    daemon.answers["resync"] = [{"backends": [{**WELL, "missing": 2}, other]}]
    result = run("resync")
    assert result.exit_code == 1
    assert result.stdout == "nftables: 2 missing put back, 0 foreign removed\nroute: nothing was missing\n"
    assert (
        result.stderr
        == "filter-ban: route: the table is not as it should be: ip: not found; see filter-ban doctor firewall\n"
    )


def test_no_firewall(run: Any, daemon: Any) -> None:
    """A daemon without a firewall refuses, in its words."""
    daemon.answers["resync"] = [{"error": "no firewall is configured"}]
    result = run("resync")
    assert (result.exit_code, result.stderr) == (1, "filter-ban: no firewall is configured\n")


def test_without_a_daemon(run: Any) -> None:
    """Without a daemon there is nothing to compare."""
    assert run("resync").exit_code == 69
