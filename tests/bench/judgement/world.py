# SPDX-License-Identifier: ISC
"""One run: everybody's logins in the order of time, one rule set between them and the password check."""

import heapq
import random

import attrs

from filter_ban.client import ClientKey, widen
from tests.bench.judgement.attackers import ATTACKS
from tests.bench.judgement.cast import Cast
from tests.bench.judgement.innocents import DAYS, INNOCENTS
from tests.bench.judgement.login import DAY_S, HOUR_S, START_S, Answer, Front, Life, Party
from tests.bench.judgement.rule import Rule

END_S = START_S + DAYS * DAY_S
PEACE = "peace"


@attrs.frozen
class Outcome:
    """What became of one party in one run."""

    party: str
    guesses: int
    turned_away: int
    locked_out_h: float
    firewall_bans: int


def run(rule: Rule, attack: str, front: Front, seed: int) -> list[Outcome]:
    """Return what became of the attacker (none in peace) and of all innocents under *rule*."""
    cast = Cast.make(front, seed)
    lives: list[Life] = []
    parties = []
    for name, people in INNOCENTS.items():
        parties.append(party := Party(name))
        lives += people(party, random.Random(f"{seed} {name}"), cast)
    if attack != PEACE:
        parties.append(party := Party(attack))
        lives += ATTACKS[attack](party, random.Random(f"{seed} {attack}"), cast)
    live(rule, lives)
    return [outcome(party, rule) for party in parties]


def live(rule: Rule, lives: list[Life]) -> None:
    """Let all *lives* run until the end, each login in its time."""
    ahead = [
        (login.time_s, number, login) for number, life in enumerate(lives) if (login := next(life, None))
    ]
    heapq.heapify(ahead)
    while ahead:
        time_s, number, login = ahead[0]
        if time_s >= END_S:
            break
        answer = rule.judge(login)
        delay_s = 0.0
        if answer is None:
            rule.learn(login)
            answer = Answer.PASSED if login.right else Answer.FAILED
            if login.account is not None and not login.right:
                login.party.guesses += 1
                delay_s = rule.delay_s(login)
        else:
            login.party.turned_away += 1
            login.party.locked_out_s += login.costs_s
        try:
            following = lives[number].send(answer)
        except StopIteration:
            heapq.heappop(ahead)
        else:
            heapq.heapreplace(ahead, (following.time_s + delay_s, number, following))


def outcome(party: Party, rule: Rule) -> Outcome:
    """Return the sums of one party."""
    bans = sum(1 for ban in rule.firewall_bans for host in party.hosts if covers(ban, host))
    return Outcome(party.name, party.guesses, party.turned_away, party.locked_out_s / HOUR_S, bans)


def covers(ban: ClientKey, host: ClientKey) -> bool:
    """Return whether the prefix *ban* contains *host*."""
    return len(ban) == len(host) and widen(host, ban[-1]) == ban
