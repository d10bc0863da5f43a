# SPDX-License-Identifier: ISC
"""What the engine's process makes of the enforcer's messages."""

import asyncio
import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.daemon.enforcement import Enforcer
from filter_ban.model import Ban, Enforcement, Mode

BOT = parse_network("198.51.100.66")
TEXT = "198.51.100.66"
BAN = Ban(client=BOT, start_s=1, end_s=None, rule="by hand", reason="")


def enforcer(*backends: str, committed: bool) -> Enforcer:
    """Return an enforcer's side that was asked for one ban."""
    made = Enforcer(lambda _message: None, backends=backends or ("pf",))
    made.push([BAN], committed=committed)
    return made


def outcome(of: Enforcer, **news: Any) -> None:
    """Let the backend pf say something."""
    of.outcome({"backend": "pf", **news})


def test_in_force_needs_firewall_and_ledger() -> None:
    """Whichever comes last makes it so."""
    made = enforcer(committed=False)
    outcome(made, in_force=[TEXT])
    assert made.state_of(BOT) is Enforcement.PENDING
    made.committed([BOT])
    assert made.state_of(BOT) is Enforcement.IN_FORCE


def test_an_entry_that_vanished_and_cannot_be_put_back_has_drifted() -> None:
    """It is told apart from one that never was in force, with the reason."""
    made = enforcer(committed=True)
    outcome(made, failed=[[TEXT, "no permission"]], drifted=[TEXT])
    assert (made.state_of(BOT), made.problem_of(BOT)) == (Enforcement.DRIFTED, "no permission")
    outcome(made, in_force=[TEXT])
    assert (made.state_of(BOT), made.problem_of(BOT)) == (Enforcement.IN_FORCE, "")


def test_a_ban_is_as_far_as_its_last_backend() -> None:
    """With two backends it is in force when both have it, and failed when one has not."""
    made = enforcer("pf", "route", committed=True)
    outcome(made, in_force=[TEXT])
    assert made.state_of(BOT) is Enforcement.PENDING
    made.outcome({"backend": "route", "failed": [[TEXT, "no"]]})
    assert (made.state_of(BOT), made.problem_of(BOT)) == (Enforcement.FAILED, "no")
    made.outcome({"backend": "route", "in_force": [TEXT]})
    assert made.state_of(BOT) is Enforcement.IN_FORCE


def test_packets_add_up() -> None:
    """News of dropped packets are added; the sum of all bans outlives them."""
    made = enforcer(committed=True)
    assert made.dropped_of(BOT) is None
    made.synced({"backend": "pf", "counts": True})
    outcome(made, dropped=[[TEXT, 3]])
    outcome(made, dropped=[[TEXT, 4]])
    assert made.dropped_of(BOT) == 7
    made.withdraw([BOT])
    assert (made.dropped_of(BOT), made.backends["pf"].dropped) == (0, 7)


def test_what_nobody_wants_leaves_no_trace() -> None:
    """News of an entry that was withdrawn meanwhile is not kept."""
    made = enforcer(committed=True)
    made.withdraw([BOT])
    outcome(made, failed=[[TEXT, "why"]], dropped=[[TEXT, 3]])
    assert (made.state_of(BOT), made.problem_of(BOT)) == (Enforcement.IN_BAND, "")
    assert not made.backends["pf"].reasons()


def test_bans_by_hand_have_no_pace() -> None:
    """The enforcer is told which entries a rule has made; those by hand and of the ledger are not among them."""
    sent: list[Any] = []
    made = Enforcer(lambda message: sent.append(json.loads(message)), backends=("pf",))
    made.push([BAN, Ban(client=parse_network("192.0.2.1"), start_s=1, end_s=9, rule="5 in 10m", reason="")])
    made.push(
        [Ban(client=parse_network("192.0.2.2"), start_s=1, end_s=9, rule="5 in 10m", reason="")],
        committed=True,
    )

    told = {network: argument["by_rule"] for _, argument in sent for network, _ in argument["add"]}
    assert told == {TEXT: False, "192.0.2.1": True, "192.0.2.2": False}


def test_a_sync_waits_for_every_backend() -> None:
    """It is done when the last one has said what it found."""

    async def sync() -> list[bool]:
        sent: list[Any] = []
        made = Enforcer(lambda message: sent.append(json.loads(message)), backends=("pf", "route"))
        task = asyncio.create_task(made.sync())
        await asyncio.sleep(0)
        ((_, number),) = sent
        done = []
        for name, asked in (("pf", 0), ("pf", number), ("route", number + 1), ("route", number)):
            made.synced({"backend": name, "asked": asked})
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            done.append(task.done())
        return done

    assert asyncio.run(sync()) == [False, False, False, True]


def test_a_sync_does_not_wait_for_a_backend_that_goes() -> None:
    """Other backends end the wait: those that were asked may never answer."""

    async def sync() -> None:
        made = Enforcer(lambda _message: None, backends=("pf", "route"))
        task = asyncio.create_task(made.sync())
        await asyncio.sleep(0)
        made.begin(("nftables",), Mode.ENFORCE)
        await asyncio.wait_for(task, 5)

    asyncio.run(sync())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["push", "withdraw", "committed", "in_force", "failed", "drifted"]), st.integers(0, 4)
    ),
    max_size=40,
)


@given(STEPS)
def test_the_counts_are_those_of_the_states(steps: list[tuple[str, int]]) -> None:
    """Counting as states change gives what counting all of them gives."""
    made = Enforcer(lambda _message: None, backends=("pf",))
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
                outcome(made, failed=[[text, "why"]])
            case _:
                outcome(made, **{step: [text]})

    states = Counter(made.state_of(client) for client in clients)
    del states[Enforcement.IN_BAND]
    assert +made.backends["pf"].counts() == states
