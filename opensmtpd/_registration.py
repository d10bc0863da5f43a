# SPDX-License-Identifier: ISC
"""What a filter asks the server for, once, after `Ready`."""

from collections.abc import Iterable

from opensmtpd._errors import LocalProtocolError
from opensmtpd._names import Phase, ReportName, Stream, Subsystem


def registration(
    reports: Iterable[ReportName | str] = (),
    phases: Iterable[Phase | str] = (),
    *,
    delivery_reports: Iterable[ReportName | str] = (),
) -> bytes:
    """
    Return the lines that register *reports* and *phases*, each once, and end the handshake.

    Args:
        reports: Events of the SMTP server.
        phases: Points at which smtpd shall ask. ``data-line`` puts the filter in the path of every line of mail.
        delivery_reports: The same events of the SMTP client (subsystem smtp-out).

    Raises:
        LocalProtocolError: a name is unknown; smtpd would die of it.

    """
    try:
        wanted = [
            *((Stream.REPORT, Subsystem.SMTP_IN, ReportName(name)) for name in reports),
            *((Stream.REPORT, Subsystem.SMTP_OUT, ReportName(name)) for name in delivery_reports),
            *((Stream.FILTER, Subsystem.SMTP_IN, Phase(name)) for name in phases),
        ]
    except ValueError as error:
        raise LocalProtocolError(f"registration: {error}") from None
    # smtpd delivers an event twice that is registered twice.
    lines = [f"register|{stream}|{subsystem}|{name}\n" for stream, subsystem, name in dict.fromkeys(wanted)]
    return "".join([*lines, "register|ready\n"]).encode("ascii")
