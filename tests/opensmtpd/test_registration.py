# SPDX-License-Identifier: ISC
"""The registration."""

import pytest

from opensmtpd import LocalProtocolError, Phase, ReportName, registration


def test_registration() -> None:
    """Events and phases are registered in order, each once, and register|ready ends it."""
    wanted = registration(
        [ReportName.LINK_AUTH, "timeout", "link-auth"], [Phase.AUTH, "auth"], delivery_reports=["timeout"]
    )
    assert wanted == (
        b"register|report|smtp-in|link-auth\nregister|report|smtp-in|timeout\nregister|report|smtp-out|timeout\n"
        b"register|filter|smtp-in|auth\nregister|ready\n"
    )


def test_nothing_is_a_registration_too() -> None:
    """The server waits for register|ready even where nothing is wanted."""
    assert registration() == b"register|ready\n"


@pytest.mark.parametrize("names", [(["link-moved"], []), ([], ["*"]), (["connect"], []), ([], ["auth\n"])])
def test_unknown_names_cannot_be_registered(names: tuple[list[str], list[str]]) -> None:
    """The server dies of a name that it does not know, so none leaves us."""
    with pytest.raises(LocalProtocolError, match="is not a valid"):
        registration(*names)
