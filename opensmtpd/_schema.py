# SPDX-License-Identifier: ISC
"""
The table of the protocol: which line makes which value, and which fields it has in which order.

Source: smtpd-filters(7) of OpenSMTPD 6.6 (0.5), 6.8 (0.6) and 7.8 (0.7), where measured servers do not say otherwise:
the connect request has a name and an address in all versions, whatever the manuals before 7.7 say.
"""

import functools
from collections.abc import Mapping
from typing import Any, Final

import attrs

from opensmtpd import _fields as f
from opensmtpd import _reports as r
from opensmtpd import _requests as q
from opensmtpd._version import Version


@attrs.frozen
class Layout:
    """The fields of a line in the order of the wire; the last ``optional`` ones may be missing."""

    event: type[Any]
    fields: tuple[f.Field, ...] = ()
    optional: int = 0

    @property
    def name(self) -> str:
        """The word of the wire for this event or phase."""
        name: str = self.event.phase if issubclass(self.event, q.FilterRequest) else self.event.name
        return name

    def parse(self, payload: str | None) -> dict[str, Any]:
        """
        Return the attributes that *payload* (None: the line ends before it) gives the event.

        Raises:
            ValueError: too few fields, or a field breaks its rule.

        """
        values, extra = self._split(payload)
        missing = len(self.fields) - len(values)
        if missing > self.optional:
            raise ValueError(f"{len(values)} fields: must be at least {len(self.fields) - self.optional}")
        attributes = {
            field.name: field.parse(value) for field, value in zip(self.fields, values, strict=False)
        }
        if extra:
            attributes["extra"] = tuple(extra)
        return attributes

    def _split(self, payload: str | None) -> tuple[list[str], list[str]]:
        """Return the known fields and the others: the bar is a character in the field that is free text."""
        count = len(self.fields)
        if payload is None or not (payload or count):
            return [], []
        for index, field in enumerate(self.fields):
            if field.free:
                values = payload.split("|", index)
                values[index:] = values[index].rsplit("|", count - 1 - index) if len(values) > index else []
                return values, []
        values = payload.split("|")
        return values[:count], values[count:]

    def encode(self, event: Any) -> str:
        """Return the payload of *event*, each field after a bar."""
        values = [(field, getattr(event, field.name)) for field in self.fields]
        known = [field.encode(value) for field, value in values if value is not None]
        return "".join(f"|{value}" for value in (*known, *event.extra))


_RESULT_THEN_ADDRESS: Final = (f.MESSAGE_ID, f.TX_RESULT, f.text("address"))
_ADDRESS_THEN_RESULT: Final = (f.MESSAGE_ID, f.text("address"), f.TX_RESULT)

_REPORTS: Final = (
    Layout(r.LinkConnect, (f.RDNS, f.FCRDNS, f.address("src"), f.address("dst"))),
    Layout(r.LinkDisconnect),
    Layout(r.LinkGreeting, (f.text("hostname"),)),
    Layout(r.LinkIdentify, (f.METHOD, f.text("identity"))),
    Layout(r.LinkTls, (f.text("tls"),)),
    Layout(r.LinkAuth, (f.AUTH_RESULT, f.text("username"))),
    Layout(r.TxReset, (f.OPTIONAL_MESSAGE_ID,), optional=1),
    Layout(r.TxBegin, (f.MESSAGE_ID,)),
    Layout(r.TxMail, _RESULT_THEN_ADDRESS),
    Layout(r.TxRcpt, _RESULT_THEN_ADDRESS),
    Layout(r.TxEnvelope, (f.MESSAGE_ID, f.ENVELOPE_ID)),
    Layout(r.TxData, (f.MESSAGE_ID, f.TX_RESULT)),
    Layout(r.TxCommit, (f.MESSAGE_ID, f.SIZE)),
    Layout(r.TxRollback, (f.MESSAGE_ID,)),
    Layout(r.ProtocolClient, (f.text("command"),)),
    Layout(r.ProtocolServer, (f.text("response"),)),
    Layout(r.FilterReport, (f.FILTER_KIND, f.plain("filter_name"), f.text("message"))),
    Layout(r.FilterResponse, (f.REPORTED_PHASE, f.DECISION, f.text("parameter")), optional=1),
    Layout(r.Timeout),
)
_REPORTS_BEFORE_0_7: Final = (Layout(r.LinkAuth, (f.text("username"), f.AUTH_RESULT)),)
_REPORTS_BEFORE_0_6: Final = (Layout(r.TxMail, _ADDRESS_THEN_RESULT), Layout(r.TxRcpt, _ADDRESS_THEN_RESULT))

_REQUESTS: Final = (
    Layout(q.Connect, (f.RDNS, f.address("src"))),
    Layout(q.Helo, (f.text("identity"),)),
    Layout(q.Ehlo, (f.text("identity"),)),
    Layout(q.StartTls),
    Layout(q.Auth, (f.text("argument"),)),
    Layout(q.MailFrom, (f.text("address"),)),
    Layout(q.RcptTo, (f.text("address"),)),
    Layout(q.Data),
    Layout(q.DataLine, (f.text("line"),)),
    Layout(q.Rset),
    Layout(q.Quit),
    Layout(q.Noop),
    Layout(q.Help),
    Layout(q.Wiz),
    Layout(q.Commit),
)

REQUESTS: Final[Mapping[str, Layout]] = {layout.name: layout for layout in _REQUESTS}
"""The layout of each phase, the same in all versions."""


@functools.lru_cache(maxsize=16)
def reports(version: Version) -> Mapping[str, Layout]:
    """Return the layout of each report event in *version*."""
    older = _REPORTS_BEFORE_0_7 if version < (0, 7) else ()
    oldest = _REPORTS_BEFORE_0_6 if version < (0, 6) else ()
    return {layout.name: layout for layout in (*_REPORTS, *older, *oldest)}
