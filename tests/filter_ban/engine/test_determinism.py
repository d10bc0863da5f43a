# SPDX-License-Identifier: ISC
"""The same signals give the same bans, in any chunking, and whenever what is over or due is looked for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from filter_ban.engine.outbox import Outbox
from filter_ban.model import Kind
from tests.filter_ban.engine.judging import START_S, Court

CONFIG = """
[limits]
windows = ["3 in 1m", "6 in 10m"]
[ban]
ladder = ["10s", "1m", "5m"]
forget = "10m"
[users]
domains = ["example.org"]
[guard]
remember = "5m"
pace = "10s"
[siege]
clients = 3
window = "2m"
patience = "20s"
unresolved = 3
[widen]
members = 2
strikes = 3
window = "1m"
length = "30s"
[[override]]
networks = ["198.51.100.7"]
windows = ["4 in 1m"]
"""
ADDRESSES = [
    *(f"198.51.100.{host}" for host in (7, 8, 9)),
    *(f"2001:db8:1:{net:x}::1" for net in (1, 2, 0x100)),
    "203.0.113.1",
]
SIGNALS = st.tuples(
    st.sampled_from([Kind.AUTH_FAIL] * 6 + [Kind.AUTH_PASS, Kind.NO_TLS, Kind.BAD_HELO, Kind.DECOY]),
    st.sampled_from([0, 1, 2, 5, 9, 10, 30]),  # seconds later
    st.sampled_from(ADDRESSES),
    st.sampled_from(["anna", "bert", "carl", "x@example.com", ""]),
    st.sampled_from([0, 0, 11, 12, 13]),
    st.booleans(),  # whether time is looked at before
)
Seen = tuple[Kind, int, str, str, int, bool]


def judge(signals: list[Seen], *, looks: bool, chunks: bool) -> Outbox:
    """Return all that was decided."""
    court = Court(CONFIG)
    engine, decided = court.engine, Outbox()

    def take() -> None:
        decided.strikes += engine.outbox.strikes
        decided.logins += engine.outbox.logins
        decided.forgiven += engine.outbox.forgiven
        engine.outbox = Outbox(bans=engine.outbox.bans)

    now_s = 0
    for kind, later_s, address, user, secret, looks_now in signals:
        for at_s in range(now_s, now_s + later_s + 1) if looks and looks_now else ():
            decided.bans += court.resolve(at_s)
            engine.expire(START_S + at_s)
            engine.forget_offences(START_S + at_s)
        now_s += later_s
        decided.bans += court.see(kind, now_s, address, user, secret)
        if chunks:
            take()
    decided.bans += court.resolve(now_s + 1000)
    take()
    return decided


@settings(max_examples=200)
@given(st.lists(SIGNALS, max_size=60))
def test_the_same_signals_give_the_same_bans(signals: list[Seen]) -> None:
    """With references, reasons and all, and the same strikes, logins and pardons."""
    at_once = judge(signals, looks=False, chunks=False)

    assert judge(signals, looks=True, chunks=True) == at_once


def test_the_property_is_about_something() -> None:
    """Under its configuration each rule bans."""
    fails = [(Kind.AUTH_FAIL, 1, address, "anna", 0, True) for address in ADDRESSES * 4]
    decided = judge([*fails, (Kind.DECOY, 400, ADDRESSES[0], "", 0, True)], looks=True, chunks=True)

    assert {"3 in 1m", "widened", "decoy"} <= {ban.rule for ban in decided.bans}
