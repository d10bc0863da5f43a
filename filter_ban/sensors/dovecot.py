# SPDX-License-Identifier: ISC
"""
The Dovecot sensor: its auth-policy requests (allow, report) become signals and verdicts.

One sensor serves every Dovecot: a request says all that there is to know, nothing is remembered between two. Whatever a
request lacks, or has of a wrong type, is taken as absent.

Source: weakforced's API as Dovecot 2.3 and 2.4 use it (``src/auth/auth-policy.c``).
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Answer, Kind
from filter_ban.sensors.sensor import MAX_USER, Sensor

Attributes = Mapping[str, Any]  # of one request, as they came

MAX_EXPLANATION: Final = (
    400  # Postfix sends it in one line, RFC 5321, 4.5.3.1.5: 512 with what it puts before
)
_MAX_ADDRESS: Final = 64  # an IPv6 address with a zone
_MAX_PROTOCOL: Final = 32

# Dovecot 2.4's fail_type, where it is not the client's fault or not a password that was wrong
_NOT_COUNTED: Final = ("internal", "policy")
_UNKNOWN_USER: Final = "account"

# Mechanisms of which pwhash says whether the same was tried again: Dovecot sees the password or the token, or there is
# nothing to guess. With all others (CRAM, DIGEST, SCRAM, ...) it is a constant of the user, whatever the guess.
_TELLING: Final = frozenset(("PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "EXTERNAL", "GSSAPI", "GSS-SPNEGO"))


@attrs.frozen
class Permission:
    """The answer to allow: whether Dovecot may go on, and if not, what it tells the client."""

    allowed: bool
    explanation: str = ""  # printable ASCII: Dovecot would let a newline into its log


_ALLOWED: Final = Permission(allowed=True)


class DovecotSensor(Sensor):
    """Requests of any number of Dovecots in, answers out."""

    def allow(self, attributes: Attributes) -> Permission:
        """Decide whether the password of a client is to be checked."""
        verdict = self._verdicts.of(self._client(attributes))
        if verdict.answer is Answer.ALLOW:
            return _ALLOWED
        return Permission(allowed=False, explanation=verdict.explanation[:MAX_EXPLANATION])

    def report(self, attributes: Attributes) -> None:
        """Count what became of a login."""
        success = attributes.get("success")
        refused = attributes.get("policy_reject", False)
        if not isinstance(success, bool) or not isinstance(refused, bool):
            self.counts["malformed"] += 1
        elif refused:
            self.counts["policy-reject"] += 1  # by us: it has been counted
        elif success:
            # of a banned client: the password check had begun when the ban fell
            self.credit(self._client(attributes), _text(attributes, "login"))
        else:
            self._failure(attributes)

    def _failure(self, attributes: Attributes) -> None:
        fail_type = _text(attributes, "fail_type")
        if fail_type in _NOT_COUNTED:
            self.counts[f"fail-{fail_type}"] += 1
            return
        user = _text(attributes, "login")[:MAX_USER]
        self.strike(
            Kind.UNKNOWN_USER if fail_type == _UNKNOWN_USER else Kind.AUTH_FAIL,
            self._client(attributes),
            user=user,
            secret=self._secret(user, attributes),
            service=_service(attributes),
        )

    def _secret(self, user: str, attributes: Attributes) -> int:
        """
        Return the tag of what was tried, NO_SECRET where pwhash does not tell.

        Without a user name it is a constant: so arrive all names that Dovecot does not accept.
        """
        pwhash = _text(attributes, "pwhash")
        mechanism = _text(attributes, "mech") or _text(attributes, "mechanism")
        if not user or not pwhash or (mechanism and mechanism.upper() not in _TELLING):
            return NO_SECRET
        return self._secrets.of(f"dovecot\0{user}\0{pwhash}")

    def _client(self, attributes: Attributes) -> ClientKey:
        return self._clients.of(_text(attributes, "remote")[:_MAX_ADDRESS])


def _text(attributes: Attributes, name: str) -> str:
    """Return an attribute, empty if it is absent or no text; half a surrogate pair, which only JSON can write, as ``?``."""
    text = attributes.get(name)
    if not isinstance(text, str):
        return ""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _service(attributes: Attributes) -> str:
    protocol = _text(attributes, "protocol")[:_MAX_PROTOCOL]
    return f"dovecot {protocol}" if protocol.isascii() and protocol.isalnum() else "dovecot"
