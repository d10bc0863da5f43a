# SPDX-License-Identifier: ISC
"""What the operator changes while the daemon runs: the configuration, and who is let in whatever he does."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from filter_ban.channel import encode
from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.config import parse_config
from filter_ban.config.changes import without_restart
from filter_ban.daemon.control import CommandError, Handler, Request
from filter_ban.daemon.wishes import MAX_REASON, end_problem, is_for_all
from filter_ban.model import Allowance, Ban
from filter_ban.text import excerpt
from filter_ban.views import Document, allowance_document

if TYPE_CHECKING:
    from filter_ban.daemon.service import Service


class Steering:
    """Changes what a service goes by; nothing that is counted or banned is lost, and no answer waits."""

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handlers of the control socket by the name of their command."""
        return {
            "allow": self.allow,
            "disallow": self.disallow,
            "allowed": self.allowed,
            "reload": self.reload,
        }

    # --- the configuration

    async def reload(self, _request: Request) -> AsyncIterator[Document]:
        """Have the configuration read again and applied; yield what came of it."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        number = id(answer)
        self._asked[number] = answer
        self._service.send(encode("reload", number))
        try:
            message = await answer
        finally:
            del self._asked[number]
        yield {name: message[name] for name in ("file", "problem", "changed")}

    async def reloaded(self, message: dict[str, Any]) -> None:
        """Apply what the enforcer has read, if it is right, and tell whoever asked for it."""
        if not message["problem"]:
            service = self._service
            config = without_restart(service.config, parse_config(message["config"], message["file"]))
            service.config_file = message["file"]
            await service.reconfigure(config, firewall_anew=message["firewall"])
        answer = self._asked.get(message["asked"])
        if answer is not None and not answer.done():
            answer.set_result(message)

    # --- who is let in

    async def allow(self, request: Request) -> AsyncIterator[Document]:
        """Let clients in, until a time or until taken out, and end their bans; yield an outcome for each, in order."""
        for_all = is_for_all(request, self._service)
        here = self._service.cluster is not None and not for_all
        now_s, length_s = int(time.time()), request.get("length")
        until_s = None if length_s is None else now_s + length_s
        if problem := end_problem(until_s, now_s):
            raise CommandError(problem)
        reason = excerpt(str(request.get("reason") or ""), MAX_REASON)
        new: list[Allowance] = []
        results: list[Document] = []
        for text in _texts(request):
            try:
                allowance = Allowance(parse_network(str(text)), now_s, until_s, reason, here)
            except ValueError as error:
                results.append({"client": excerpt(str(text)), "outcome": "refused", "why": str(error)})
            else:
                new.append(allowance)
                results.append({**allowance_document(allowance), "outcome": "allowed"})
        lifted = await self.take_over(new, ())
        if for_all and self._service.cluster is not None:
            self._service.cluster.allowed(new, lifted)
        yield {"results": results, "everywhere": for_all}

    async def disallow(self, request: Request) -> AsyncIterator[Document]:
        """Let exactly these clients in no more; yield an outcome for each, in order."""
        for_all = is_for_all(request, self._service)
        gone, results = [], []
        for text in _texts(request):
            try:
                client = parse_network(str(text))
            except ValueError as error:
                results.append({"client": excerpt(str(text)), "outcome": "refused", "why": str(error)})
                continue
            known = client in self._service.allowed
            outcome = (
                {"outcome": "removed"}
                if known
                else {"outcome": "not-allowed", "why": "is not let in by hand"}
            )
            results.append({"client": key_text(client), **outcome})
            gone.append(client)
        await self.take_over((), gone)
        if for_all and self._service.cluster is not None:
            self._service.cluster.disallowed(gone)
        yield {"results": results, "everywhere": for_all}

    async def allowed(self, _request: Request) -> AsyncIterator[Document]:
        """Yield who is let in."""
        allowed = sorted(self._service.allowed.values(), key=lambda allowance: allowance.client)
        yield {"allowed": [allowance_document(allowance) for allowance in allowed]}

    async def expire(self) -> None:
        """End the allowances whose time is over."""
        now_s = time.time()
        allowed = self._service.allowed.values()
        over = [one.client for one in allowed if one.until_s is not None and one.until_s <= now_s]
        await self.take_over((), over)

    async def recall(self, remembered: Iterable[Allowance]) -> None:
        """Take over what the ledger remembers; what was said since goes before it."""
        known = {allowance.client: allowance for allowance in remembered}
        if known.keys() - self._service.allowed.keys():
            self._service.allowed = known | self._service.allowed
            await self._spare()

    async def hear(self, allowed: Iterable[Allowance], disallowed: Iterable[ClientKey]) -> None:
        """Take over what other nodes say; whom the operator of this one lets in for it alone stays so."""
        known = self._service.allowed
        new = [one for one in allowed if one.client not in known or not _stays(known[one.client], one)]
        gone = [client for client in disallowed if client not in known or not known[client].here]
        await self.take_over(new, gone)

    async def take_over(self, allowed: Iterable[Allowance], disallowed: Iterable[ClientKey]) -> list[Ban]:
        """Let those in, and these no more; what is so already is no change. Return the bans that have ended by that."""
        service = self._service
        new = {one.client: one for one in allowed if service.allowed.get(one.client) != one}
        gone = [client for client in disallowed if service.allowed.pop(client, None) is not None]
        service.allowed |= new
        service.writer.allow(list(new.values()))
        service.writer.disallow(gone)
        if not new and not gone:
            return []
        lifted = await self._spare()
        if service.cluster is not None:
            service.cluster.spare(lifted)
        return lifted

    async def _spare(self) -> list[Ban]:
        service = self._service
        service.send(encode("spare", [key_text(client) for client in service.allowed]))
        return await service.reconfigure(service.config)


def _stays(ours: Allowance, theirs: Allowance) -> bool:
    """Return whether *ours* is this node's own, and lasts as long as *theirs*."""
    return ours.here and (
        ours.until_s is None or (theirs.until_s is not None and theirs.until_s <= ours.until_s)
    )


def _texts(request: Request) -> list[Any]:
    clients = request.get("clients")
    if not isinstance(clients, list):
        raise CommandError("no clients given")
    return clients
