# SPDX-License-Identifier: ISC
"""What the engine's process makes of the enforcer's messages."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.daemon.enforcement import Enforcer
from filter_ban.model import Ban, Enforcement

BOT = parse_network("198.51.100.66")
BAN = Ban(client=BOT, start_s=1, end_s=None, rule="by hand", reason="")


def enforcer(*, committed: bool) -> Enforcer:
    """Return an enforcer's side that was asked for one ban."""
    made = Enforcer(lambda _message: None, backend="pf")
    made.push([BAN], committed=committed)
    return made


def test_in_force_needs_firewall_and_ledger() -> None:
    """Whichever comes last makes it so."""
    made = enforcer(committed=False)
    made.outcome({"in_force": ["198.51.100.66"]})
    assert made.state_of(BOT) == (Enforcement.PENDING, "")
    made.committed([BOT])
    assert made.state_of(BOT) == (Enforcement.IN_FORCE, "")


def test_an_entry_that_vanished_and_cannot_be_put_back_has_drifted() -> None:
    """It is told apart from one that never was in force, with the reason."""
    made = enforcer(committed=True)
    made.outcome({"failed": [["198.51.100.66", "no permission"]], "drifted": ["198.51.100.66"]})
    assert made.state_of(BOT) == (Enforcement.DRIFTED, "no permission")
    made.outcome({"in_force": ["198.51.100.66"]})
    assert made.state_of(BOT) == (Enforcement.IN_FORCE, "")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["push", "withdraw", "committed", "in_force", "failed", "drifted"]), st.integers(0, 4)
    ),
    max_size=40,
)


@given(STEPS)
def test_the_counts_are_those_of_the_states(steps: list[tuple[str, int]]) -> None:
    """Counting as states change gives what counting all of them gives."""
    made = Enforcer(lambda _message: None, backend="pf")
    clients = [parse_network(f"198.51.100.{number}") for number in range(5)]
    for step, number in steps:
        client, text = clients[number], f"198.51.100.{number}"
        match step:
            case "push":
                made.push([Ban(client=client, start_s=1, end_s=None, rule="", reason="")])
            case "withdraw":
                made.withdraw([client])
            case "committed":
                made.committed([client])
            case "failed":
                made.outcome({"failed": [[text, "why"]]})
            case _:
                made.outcome({step: [text]})

    states = Counter(made.state_of(client)[0] for client in clients)
    del states[Enforcement.IN_BAND]
    assert +made.counts() == states
