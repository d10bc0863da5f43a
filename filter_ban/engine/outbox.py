# SPDX-License-Identifier: ISC
"""What the engine decided, for the daemon to hand on."""

import attrs

from filter_ban.client import ClientKey
from filter_ban.model import Ban, Login, Strike


@attrs.define
class Outbox:
    """What was decided since the daemon last looked, oldest first."""

    strikes: list[Strike] = attrs.Factory(list)
    logins: list[Login] = attrs.Factory(list)
    forgiven: list[tuple[ClientKey, int]] = attrs.Factory(
        list
    )  # client, tag of the user whose strikes are void
    bans: list[Ban] = attrs.Factory(list)

    def __bool__(self) -> bool:
        return bool(self.strikes or self.logins or self.bans or self.forgiven)
