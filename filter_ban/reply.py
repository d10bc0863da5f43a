# SPDX-License-Identifier: ISC
"""Reply templates: the one SMTP line that a refused client is shown."""

import re
import string
import time
from typing import Final

import attrs

from filter_ban.client import key_text
from filter_ban.model import Answer, Ban, Verdict

MAX_REPLY: Final = 480  # RFC 5321, 4.5.3.1.5: 512 with code and CRLF; smtpd cuts or dies far above
_TEXT: Final = re.compile(r"[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*")
_CODE: Final = re.compile(r"[45][0-9]{2}")
_LONGEST: Final = {
    "client": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
    "strikes": "1000000.5",
    "until": "2026-11-21 04:30 UTC",
    "ref": "XXXXXXXX",
}
_HANG_UP: Final = ("421", "521")  # RFC 5321, 3.8 and RFC 7504: the server closes after these


def until_text(end_s: int | None) -> str:
    """Return the end of a ban for people, in UTC to the minute, never earlier than the true end."""
    if end_s is None:
        return "further notice"
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(end_s + 59))


@attrs.frozen
class ReplyTemplate:
    """A reply with ``{client}``, ``{strikes}``, ``{until}`` and ``{ref}``; build it with :meth:`parse`."""

    text: str

    @classmethod
    def parse(cls, text: str, words: tuple[str, ...] = ()) -> "ReplyTemplate":
        """
        Check *text* and return its template.

        Args:
            text: A code, a blank, and what the client is told.
            words: What may stand in the place of the code: a server's own word for it.

        Raises:
            ValueError: an unknown field, or a text that is no single SMTP reply of class 4 or 5.

        Source: RFC 5321, 4.2; what smtpd makes of anything else is an internal error.

        """
        try:
            fields = [
                (name, spec, conversion)
                for _, name, spec, conversion in string.Formatter().parse(text)
                if name is not None
            ]
        except ValueError as error:
            raise ValueError(f"unbalanced braces ({error})") from None
        for name, spec, conversion in fields:
            if name not in _LONGEST or spec or conversion:
                known = ", ".join(f"{{{field}}}" for field in _LONGEST)
                raise ValueError(f"unknown field {{{name}}}; known are {known}")
        longest = text.format_map(_LONGEST)
        code, _, rest = longest.partition(" ")
        if not (_CODE.fullmatch(code) or code in words) or not _TEXT.fullmatch(rest):
            codes = " or ".join(("a code 4xx or 5xx", *words))
            raise ValueError(f"must be one line of printable ASCII: {codes}, a blank, a text")
        if len(longest) > MAX_REPLY:
            raise ValueError(f"may become {len(longest)} characters long; the limit is {MAX_REPLY}")
        return cls(text)

    @property
    def answer(self) -> Answer:
        """How severe the reply is: 421 and 521 hang up, other 4xx defer, other 5xx refuse."""
        if self.text.startswith(_HANG_UP):
            return Answer.DROP
        return Answer.DEFER if self.text.startswith("4") else Answer.REFUSE

    def render(self, ban: Ban) -> Verdict:
        """Return the verdict that tells a client of *ban*."""
        text = self.text.format(
            client=key_text(ban.client),
            strikes=f"{ban.strikes:g}",
            until=until_text(ban.end_s),
            ref=ban.reference,
        )
        return Verdict(self.answer, text)
