# SPDX-License-Identifier: ISC
"""Which decision is an answer to which request; smtpd dies of the others."""

from typing import Final

from opensmtpd._decisions import AddReport, Decision, Junk, Rewrite
from opensmtpd._errors import LocalProtocolError
from opensmtpd._events import Answerable, Malformed
from opensmtpd._names import Phase
from opensmtpd._requests import DataLine, UnknownRequest
from opensmtpd._version import Version

_REWRITABLE: Final = (Phase.HELO, Phase.EHLO, Phase.AUTH, Phase.MAIL_FROM, Phase.RCPT_TO)
_ADD_REPORT_SINCE: Final[Version] = (0, 7)


def check_answer(request: Answerable, decision: Decision, version: Version) -> None:
    """
    Return if *decision* may answer *request*.

    Raises:
        LocalProtocolError: it must not, or it is no decision.

    """
    if not isinstance(decision, Decision):
        raise LocalProtocolError(f"decision: {str(decision)[:100]!a}: must be one of the decisions")
    if isinstance(request, DataLine):
        raise LocalProtocolError("data-line: must be answered by lines")
    phase = "" if isinstance(request, Malformed | UnknownRequest) else request.phase
    if isinstance(decision, Junk) and phase in ("", Phase.COMMIT):
        raise LocalProtocolError(f"junk: must not answer {phase or 'an unknown phase'}")
    if isinstance(decision, Rewrite) and phase not in _REWRITABLE:
        raise LocalProtocolError(
            f"rewrite: must not answer {phase or 'an unknown phase'}, which has no argument"
        )
    if isinstance(decision, AddReport) and (phase != Phase.CONNECT or version < _ADD_REPORT_SINCE):
        raise LocalProtocolError("report: must answer connect only, and not before protocol 0.7")
