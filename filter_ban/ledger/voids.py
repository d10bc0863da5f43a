# SPDX-License-Identifier: ISC
"""
Statements that remove strikes which are void: those of a client, or of one user there, up to a time.

Whose are void, and until when, goes into a temporary table first, so that all strikes are looked at once, however many
clients there are. Not into JSON, as elsewhere: SQLite may read a decimal fraction as the neighbour of the number that
was meant, and the strike of just that moment would stay.
"""

from collections.abc import Mapping
from typing import Final

import attrs

from filter_ban.ledger.sql import insert

_LATEST: Final = "ON CONFLICT DO UPDATE SET until_s = max(until_s, excluded.until_s)"


@attrs.frozen(kw_only=True)
class Voids:
    """What is executed, in this order; ``insert`` by size of the group."""

    create: str
    insert: Mapping[int, str]
    remove: str
    clear: str


OF_CLIENTS: Final = Voids(
    create="CREATE TEMP TABLE IF NOT EXISTS lifted (client TEXT PRIMARY KEY, until_s REAL) WITHOUT ROWID",
    insert=insert("temp.lifted", "client, until_s", _LATEST),
    remove="""
        DELETE FROM strike
        WHERE client IN (SELECT client FROM temp.lifted)
            AND (
                time_s <= (SELECT min(until_s) FROM temp.lifted)  -- most, and quickly said
                OR time_s <= (SELECT until_s FROM temp.lifted AS void WHERE void.client = strike.client)
            )
    """,
    clear="DELETE FROM temp.lifted",
)
OF_USERS: Final = Voids(
    create="""
        CREATE TEMP TABLE IF NOT EXISTS pardoned (
            client TEXT, user_tag INTEGER, until_s REAL, PRIMARY KEY (client, user_tag)
        ) WITHOUT ROWID
    """,
    insert=insert("temp.pardoned", "client, user_tag, until_s", _LATEST),
    remove="""
        DELETE FROM strike
        WHERE (client, user_tag) IN (SELECT client, user_tag FROM temp.pardoned)
            AND time_s <= (
                SELECT until_s FROM temp.pardoned AS void
                WHERE void.client = strike.client AND void.user_tag = strike.user_tag
            )
    """,
    clear="DELETE FROM temp.pardoned",
)
