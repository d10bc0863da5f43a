# SPDX-License-Identifier: ISC
"""The policy request: all attributes as they came, with a typed view of the known ones."""

from collections.abc import Mapping

import attrs

from postfix_policy._attributes import ATTRIBUTES, KnownAttributes
from postfix_policy._text import excerpt
from postfix_policy._wire import encode_attributes


@attrs.frozen
class PolicyRequest(KnownAttributes):
    """
    What Postfix wants to know an action for.

    Args:
        attributes: By name, in wire order; belongs to the request. Each known one is an attribute of this class, too.

    """

    attributes: Mapping[str, str]

    @property
    def unknown(self) -> dict[str, str]:
        """The attributes that this package does not know."""
        return {name: value for name, value in self.attributes.items() if name not in ATTRIBUTES}

    def __str__(self) -> str:
        return f"{excerpt(self.protocol_state)} from client {excerpt(self.client_address)}"


def encode_request(request: PolicyRequest) -> bytes:
    """
    Return *request* as Postfix would send it.

    Raises:
        LocalProtocolError: an attribute cannot be sent, see `encode_attributes`.

    """
    return encode_attributes(request.attributes)
