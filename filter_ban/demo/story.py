# SPDX-License-Identifier: ISC
"""What the actors do, and the promises that must have held at the end."""

import asyncio
from collections.abc import Mapping
from typing import Final

import attrs

from filter_ban.demo.board import Board
from filter_ban.demo.cast import GUESSER, HONEST, PHONE, Cast
from filter_ban.demo.client import SmtpClient
from filter_ban.demo.server import MailServer
from filter_ban.demo.witness import Witness

ALICE: Final = "alice"
BOB: Final = "bob"
ACCOUNTS: Final = {
    ALICE: "garden-gate",
    BOB: "new-harbour",
}  # of a server that lives for seconds, on loopback
_OLD: Final = "old-harbour"
_TYPO: Final = "graden-gate"
GUESSES: Final = ("123456", "password", "qwerty", "letmein", "dragon")  # as many as the first limit
PHONE_TRIES: Final = 8


@attrs.frozen
class Fact:
    """A promise, and whether it held."""

    text: str
    held: bool


@attrs.frozen
class Outcome:
    """How it went: the promises, and what the banned guesser was told."""

    facts: tuple[Fact, ...]
    told: str

    @property
    def good(self) -> bool:
        """Whether every promise held."""
        return all(fact.held for fact in self.facts)


@attrs.frozen(kw_only=True)
class Story:
    """
    The play.

    Args:
        cast: Addresses of the actors.
        ports: Where the server listens, by host.
        pace_s: Pause after each step, so that a person can follow.

    """

    cast: Cast
    ports: Mapping[str, int]
    board: Board
    guard: Witness
    server: MailServer
    pace_s: float

    async def play(self) -> Outcome:
        """Act it all."""
        guesser = await self._connect(self.cast.guesser)
        async with guesser:
            for number, guess in enumerate(GUESSES):
                await guesser.login(ALICE, guess)
                await self._pause()
                await self._phone_tries(_OLD)
                if number == 1:
                    await self._alice_arrives()
            banned = self.guard.ban_of(self.cast.guesser)
            self.board.note(GUESSER, "now tries the right password, in the open session")
            await self._pause()
            inside = await guesser.login(ALICE, ACCOUNTS[ALICE])
            await self._pause()
        self.board.note(GUESSER, "connects anew")
        async with await self._connect(self.cast.guesser) as again:
            outside = again.greeting
        await self._pause()
        for _ in range(PHONE_TRIES - len(GUESSES)):
            await self._phone_tries(_OLD)
        strikes = self.guard.strikes(self.cast.phone)
        unharmed = self.guard.ban_of(self.cast.phone) is None
        self.board.note(PHONE, "its owner enters the new password")
        await self._pause()
        await self._phone_tries(ACCOUNTS[BOB])
        async with await self._connect(self.cast.honest) as alice:
            await alice.login(ALICE, ACCOUNTS[ALICE])
            await self._send(alice, HONEST, ALICE)
        checked, mails = self.server.checked, self.server.mails
        facts = (
            Fact(f"{len(GUESSES)} different wrong passwords: the guesser was banned", banned is not None),
            Fact("its open session was refused at the next AUTH", inside.startswith("421")),
            Fact("its new connection was refused before the greeting", outside.startswith("421")),
            Fact(
                "the right password no longer helped it: nobody compared it",
                checked[self.cast.guesser] == len(GUESSES),
            ),
            Fact("alice logged in after a typo, and both her mails went out", mails[ALICE] == 2),  # noqa: PLR2004 - mails
            Fact(
                f"the phone sent its old password {PHONE_TRIES} times: one strike, no ban",
                unharmed and strikes == 1,
            ),
            Fact("with the new password its mail went out at once", mails[BOB] == 1),
        )
        return Outcome(facts, told=outside)

    async def _alice_arrives(self) -> None:
        async with await self._connect(self.cast.honest) as alice:
            await alice.login(ALICE, _TYPO)
            await self._pause()
            await alice.login(ALICE, ACCOUNTS[ALICE])
            await self._send(alice, HONEST, ALICE)

    async def _phone_tries(self, password: str) -> None:
        async with await self._connect(self.cast.phone) as phone:
            if (await phone.login(BOB, password)).startswith("235"):
                await self._send(phone, PHONE, BOB)
            else:
                await self._pause()

    async def _send(self, client: SmtpClient, name: str, user: str) -> None:
        await self._pause()
        reply = await client.send_mail(f"{user}@demo.example", "friend@demo.example")
        if reply.startswith("250"):
            self.board.note(name, "mail accepted", "green")
        await self._pause()

    async def _connect(self, source: str) -> SmtpClient:
        host = self.cast.host_for(source)
        return await SmtpClient.connect((host, self.ports[host]), source)

    async def _pause(self) -> None:
        await asyncio.sleep(self.pace_s)
