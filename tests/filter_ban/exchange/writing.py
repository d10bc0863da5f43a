# SPDX-License-Identifier: ISC
"""Bans to be exported, and a short form of what was written of them."""

from typing import Any, Final

from hypothesis import strategies as st

from filter_ban.client import ClientKey, key_text, make_key, parse_network
from filter_ban.exchange.banned import Banned
from filter_ban.exchange.formats import write_bans
from filter_ban.model import Ban
from filter_ban.reply import ReplyTemplate
from filter_ban.views import ban_document
from tests.filter_ban.exchange.reading import NOW_S

REPLY: Final = ReplyTemplate.parse("421 4.7.0 {client} refused until {until}, reference {ref}")

CLIENTS: Final = st.one_of(
    st.builds(make_key, st.binary(min_size=4, max_size=4), st.integers(1, 32)),
    st.builds(make_key, st.binary(min_size=16, max_size=16), st.integers(1, 128)),
    st.builds(make_key, st.binary(max_size=4).map(lambda head: head.ljust(16, b"\0")), st.just(64)),
)


def banned(client: ClientKey | str, end_s: int | None = None, **facts: Any) -> Banned:
    """Return a ban of *client*, with the document that the daemon would send."""
    text = client if isinstance(client, str) else key_text(client)
    given: dict[str, Any] = {"rule": "5 in 10m", "reason": "5 strikes", "reference": "K7Q2ABCD", **facts}
    ban = Ban(client=parse_network(text), start_s=NOW_S - 60, end_s=end_s, **given)
    return Banned.parse(ban_document(ban))


def written(form: str, *bans: Banned, omitted: list[ClientKey] | None = None) -> str:
    """Return *bans* in a format."""
    left_out = [] if omitted is None else omitted
    return "".join(write_bans(bans, form, now_s=NOW_S, reply=REPLY, omitted=left_out))
