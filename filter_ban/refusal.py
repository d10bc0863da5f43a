# SPDX-License-Identifier: ISC
"""Why a server hangs up on us as soon as TLS is there."""

import asyncio
import ssl
from typing import Final

LOOK_S: Final = 1.0


async def refusal(address: tuple[str, int], context: ssl.SSLContext) -> ssl.SSLError | None:
    """
    Return what a server has against us, if it says so.

    In TLS 1.3 it judges our certificate when the handshake is over for us. Whoever has sent something by then finds
    the connection reset, often before the alert is read; so nothing is sent here.

    Source: RFC 8446, sections 2 and 6.2.

    """
    try:
        async with asyncio.timeout(LOOK_S):
            reader, writer = await asyncio.open_connection(*address, ssl=context)
            try:
                await reader.read(1)
            finally:
                writer.transport.abort()
    except ssl.SSLError as error:
        return error
    except (OSError, TimeoutError):
        return None
    return None
