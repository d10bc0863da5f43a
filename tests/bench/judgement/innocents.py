# SPDX-License-Identifier: ISC
"""
The innocents: generators of logins that are told what became of each.

A refused person or program comes back after ``COMES_BACK_S``; each refusal of a right password is counted as that much
time without mail. Everybody has logged in from home before the attacks begin, but for those who are called new.
"""

import random
from collections.abc import Callable, Iterator

from tests.bench.judgement.cast import Cast, make_account
from tests.bench.judgement.login import (
    COMES_BACK_S,
    DAY_S,
    HOUR_S,
    MINUTE_S,
    START_S,
    Account,
    Answer,
    Front,
    Host,
    Life,
    Login,
    Party,
)

People = Callable[[Party, random.Random, Cast], Iterator[Life]]

DAYS = 15
SHUT_OUT = (Answer.REFUSED, Answer.DROPPED)
WORKDAYS = 5
RIGHT = 1
OLD = 2  # yesterday's password


def reader(
    party: Party,
    chance: random.Random,
    account: Account,
    host: Callable[[float], Host],
    *,
    front: Front = Front.PLAIN,
    begins_s: float = START_S,
    hours: tuple[int, int] = (7, 23),
    every_s: float = 1800.0,
    workdays: bool = False,
    mistypes: Callable[[float], int] = lambda _: 0,
) -> Life:
    """
    Read mail each day, and mistype the password now and then.

    Args:
        party: Who.
        chance: Their luck.
        account: Whose.
        host: Where the person is at a time.
        front: What the program uses.
        begins_s: First day.
        hours: From, to.
        every_s: Time between logins.
        workdays: Not on Saturday and Sunday.
        mistypes: How many wrong passwords come before the first right one of a day.

    """
    for day in range(int((begins_s - START_S) // DAY_S), DAYS):
        if workdays and day % 7 >= WORKDAYS:
            continue
        now_s = START_S + day * DAY_S + hours[0] * HOUR_S + chance.random() * every_s
        ends_s = START_S + day * DAY_S + hours[1] * HOUR_S
        now_s = max(now_s, begins_s)
        for number in range(mistypes(now_s)):
            answer = yield Login(now_s, party, host(now_s), front, account, 10 + day * 20 + number)
            now_s += COMES_BACK_S if answer in SHUT_OUT else chance.uniform(8, 40)
        while now_s < ends_s:
            answer = yield Login(
                now_s, party, host(now_s), front, account, RIGHT, right=True, costs_s=COMES_BACK_S
            )
            now_s += COMES_BACK_S if answer in SHUT_OUT else every_s * chance.uniform(0.8, 1.2)


def at(party: Party, text: str) -> Callable[[float], Host]:
    """Return the place of somebody who stays at one address."""
    here = Host.of(text)
    party.hosts.add(here.address)
    return lambda _: here


def office(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Have 200 users behind one address, of whom 2 % a day mistype, once to three times."""
    place = at(party, "203.0.1.1")

    def mistypes(_: float) -> int:
        return chance.randint(1, 3) if chance.random() < 0.02 else 0

    for number in range(200):
        yield reader(
            party,
            chance,
            make_account(f"office{number}@example.org"),
            place,
            front=(Front.PLAIN, Front.DOVECOT, Front.LOGIN)[number % 3],
            hours=(8, 17),
            every_s=2 * HOUR_S,
            workdays=True,
            mistypes=mistypes,
        )


def phone(
    party: Party, chance: random.Random, account: Account, host: Callable[[float], Host], front: Front
) -> Life:
    """Try the old password every 1 to 4 minutes for 3 days after the change on the fifth."""
    now_s = START_S + 4.0 * DAY_S + 10 * HOUR_S
    ends_s = now_s + 3 * DAY_S
    while now_s < ends_s:
        yield Login(now_s, party, host(now_s), front, account, OLD)
        now_s += chance.uniform(1, 4) * MINUTE_S


def family(front: Front, first: int, address: str) -> People:
    """Have 4 members behind one address, the phone of one with an old password; the rest log in fine."""

    def people(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
        place = at(party, address)
        members = [make_account(f"family{number}@example.org") for number in range(first, first + 4)]
        for member in members:
            yield reader(party, chance, member, place)
        yield phone(party, chance, members[0], place, front)

    return people


def mail_program(front: Front, count: int, address: str) -> People:
    """Have several accounts in one program, all of whose passwords change; right ones are typed in 3 hours later."""

    def program(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
        place = at(party, address)
        accounts = [make_account(f"accounts{address}{number}@example.org") for number in range(count)]
        changed_s = START_S + 5 * DAY_S + 9 * HOUR_S

        def life() -> Life:
            now_s = START_S + 8.0 * HOUR_S
            while True:
                right = not changed_s <= now_s < changed_s + 3 * HOUR_S
                every_s = (30 if right else 10) * MINUTE_S
                shut_out = False
                for number, account in enumerate(accounts):
                    answer = yield Login(
                        now_s + number,
                        party,
                        place(now_s),
                        front,
                        account,
                        RIGHT if right else OLD,
                        right=right,
                        costs_s=0 if number else COMES_BACK_S,
                    )
                    shut_out |= answer in SHUT_OUT
                now_s += COMES_BACK_S if shut_out else every_s
                if now_s % DAY_S > 20 * HOUR_S:
                    now_s += DAY_S - now_s % DAY_S + 8 * HOUR_S

        yield life()

    return program


def forgetters(front: Front) -> People:
    """Have 8 people who each try 8 different passwords within an hour at home, and then set a new one."""

    def people(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
        for number in range(8):
            kind = f"{front.value}-" if number else ""
            account = make_account(f"forgetter{kind}{number}@example.org")
            place = at(party, f"203.0.{40 + number + 10 * list(Front).index(front)}.1")
            begins_s = START_S + (3 + number) * DAY_S + 19 * HOUR_S

            def forget(
                account: Account = account,
                place: Callable[[float], Host] = place,
                begins_s: float = begins_s,
            ) -> Life:
                for minute in sorted(chance.uniform(0, 60) for _ in range(8)):
                    now_s = begins_s + minute * MINUTE_S
                    yield Login(now_s, party, place(now_s), front, account, next(cast.secrets))

            yield until(reader(party, chance, account, place), begins_s)
            yield forget()
            yield reader(party, chance, account, place, begins_s=begins_s + 65 * MINUTE_S)

    return people


def until(life: Life, end_s: float) -> Life:
    """Live *life* until *end_s*."""
    login = next(life)
    while login.time_s < end_s:
        login = life.send((yield login))


def traveller(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Have 5 people at a new address each day, who mistype once or twice on every third; their names are leaked."""
    for number in range(5):
        hosts = [Host.of(f"100.{100 + number}.{chance.randrange(256)}.{day + 1}") for day in range(DAYS)]
        party.hosts.update(host.address for host in hosts)
        account = make_account("traveller0@example.org") if not number else cast.leaked[number]
        yield reader(
            party,
            chance,
            account,
            lambda now_s, hosts=hosts: hosts[int(now_s - START_S) // DAY_S],  # type: ignore[misc]  # bound in a loop
            mistypes=lambda _: chance.choice((0, 0, 0, 0, 1, 2)),
            every_s=HOUR_S,
        )


def commuters(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Have 5 phones on a mobile network, at another of its 2,000 addresses every 2 hours; their names are leaked."""
    for number in range(5):
        hosts = [
            Host.of(f"100.64.{chance.randrange(8)}.{chance.randrange(1, 251)}") for _ in range(DAYS * 12)
        ]
        party.hosts.update(host.address for host in hosts)
        account = make_account("commuter0@example.org") if not number else cast.leaked[10 + number]
        yield reader(
            party,
            chance,
            account,
            lambda now_s, hosts=hosts: hosts[int(now_s - START_S) // (2 * HOUR_S)],  # type: ignore[misc]  # bound in a loop
        )


def newcomers(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Have 10 people who set up their first mail program with 2 to 4 wrong passwords within minutes."""
    for number in range(10):
        place = at(party, f"203.0.{120 + number}.9")
        begins_s = START_S + (2 + number) * DAY_S + 18 * HOUR_S
        tries = [chance.randint(2, 4)]
        yield reader(
            party,
            chance,
            make_account(f"newcomer{number}@example.org"),
            place,
            begins_s=begins_s,
            front=(Front.PLAIN, Front.LOGIN)[number % 2],
            mistypes=lambda _, tries=tries: tries.pop() if tries else 0,  # type: ignore[misc]  # bound in a loop
        )


def doubters(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Have 5 people with a first mail program who try 3 or 4 passwords on three evenings, and ask on the fourth."""
    for number in range(5):
        place = at(party, f"203.0.{140 + number}.9")
        tries = [chance.randint(3, 4) for _ in range(3)]
        begins_s = START_S + (3 + number) * DAY_S + 19 * HOUR_S
        account = make_account(f"doubter{number}@example.org")

        def doubt(
            account: Account = account,
            place: Callable[[float], Host] = place,
            begins_s: float = begins_s,
            tries: list[int] = tries,
        ) -> Life:
            for evening in range(3):
                now_s = begins_s + evening * DAY_S
                for _ in range(tries.pop()):
                    yield Login(now_s, party, place(now_s), Front.LOGIN, account, next(cast.secrets))
                    now_s += chance.uniform(30, 120)

        yield doubt()
        yield reader(party, chance, account, place, begins_s=begins_s + 3 * DAY_S)


def neighbours(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Have 2 people in the networks of the hoppers, who have long logged in from there."""
    yield reader(party, chance, make_account("neighbour4@example.org"), at(party, "198.18.4.5"))
    yield reader(party, chance, make_account("neighbour6@example.org"), at(party, "2001:db8:6:77::5"))


def guests(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Have 2 people who come to the networks of the hoppers on the sixth day, and log in there for the first time."""
    for name, address in (("guest4", "198.18.4.6"), ("guest6", "2001:db8:6:78::5")):
        account = make_account(f"{name}@example.org")
        yield reader(party, chance, account, at(party, address), begins_s=START_S + 5 * DAY_S)


def probe(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Connect to port 465 every 5 minutes, without a handshake."""
    place = at(party, "203.0.7.1")

    def life() -> Life:
        for number in range(DAYS * DAY_S // (5 * MINUTE_S)):
            now_s = START_S + number * 5.0 * MINUTE_S
            yield Login(now_s, party, place(now_s), Front.PLAIN, None, costs_s=5 * MINUTE_S)

    yield life()


def scanner(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Connect to port 465 six times within a minute, once a day, without a handshake."""
    place = at(party, "203.0.8.1")

    def life() -> Life:
        for day in range(DAYS):
            begins_s = START_S + day * DAY_S + chance.random() * HOUR_S
            for number in range(6):
                yield Login(begins_s + 10 * number, party, place(begins_s), Front.PLAIN, None)

    yield life()


INNOCENTS: dict[str, People] = {
    "office, 200 users": office,
    "family, old phone (PLAIN)": family(Front.PLAIN, 0, "203.0.2.1"),
    "family, old phone (LOGIN)": family(Front.LOGIN, 4, "203.0.3.1"),
    "7 accounts (PLAIN)": mail_program(Front.PLAIN, 7, "203.0.4.1"),
    "7 accounts (LOGIN)": mail_program(Front.LOGIN, 7, "203.0.5.1"),
    "20 accounts (Dovecot)": mail_program(Front.DOVECOT, 20, "203.0.6.1"),
    "forgot, 8 tries (PLAIN)": forgetters(Front.PLAIN),
    "forgot, 8 tries (LOGIN)": forgetters(Front.LOGIN),
    "travellers": traveller,
    "phones on mobile network": commuters,
    "newcomers": newcomers,
    "doubters": doubters,
    "neighbours of a hopper": neighbours,
    "guests beside a hopper": guests,
    "monitoring probe": probe,
    "scanner": scanner,
}
