# SPDX-License-Identifier: ISC
"""What the engine decided, for the daemon to hand on."""

import attrs

from filter_ban.model import Ban, Login, Pardon, Reweighing, Strike


@attrs.define
class Outbox:
    """
    What was decided since the daemon last looked, oldest first.

    ``node`` is the peer by whose signals it is decided; empty: by what this node sees.
    """

    strikes: list[Strike] = attrs.Factory(list)
    logins: list[Login] = attrs.Factory(list)
    forgiven: list[Pardon] = attrs.Factory(list)
    reweighed: list[Reweighing] = attrs.Factory(list)
    bans: list[Ban] = attrs.Factory(list)
    node: str = ""

    def __bool__(self) -> bool:
        return bool(self.strikes or self.logins or self.bans or self.forgiven or self.reweighed)
