# SPDX-License-Identifier: ISC
"""What the doctor says: one finding for each cause."""

import enum

import attrs

from filter_ban.text import excerpt

QUOTED_CHARS = 200


class Severity(enum.StrEnum):
    """How bad it is, the worst first."""

    DANGER = "danger"  # mail or logins fail, or guessing goes on
    MISSING = "missing"  # a part of the set-up is not there
    ADVICE = "advice"  # it works, and could be better


@attrs.frozen
class Finding:
    """
    One thing that is not well.

    Args:
        server: Whose it is: ``postfix``, ``dovecot``, ``opensmtpd``, ``filter-ban``, or a firewall's backend.
        severity: How bad it is.
        name: Short and the same in every version, for scripts.
        text: What is wrong and what comes of it, on one line.
        remedy: The line to add, or the command to run where *place* is empty.
        place: The file that the line belongs in.

    """

    server: str
    severity: Severity
    name: str
    text: str
    remedy: str
    place: str = ""

    def __str__(self) -> str:
        advice = f"in {self.place}: {self.remedy}" if self.place else f"run: {self.remedy}"
        return f"{self.server}: {self.severity}: {self.name}: {self.text}; {advice}"


def quoted(text: str) -> str:
    """Return text of a foreign configuration as a finding shows it: printable and bounded."""
    return excerpt(text, QUOTED_CHARS)
