# SPDX-License-Identifier: ISC
"""Actions: what Postfix would take for something else cannot be built."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postfix_policy import (
    MAX_TEXT_LENGTH,
    Action,
    Bcc,
    Defer,
    DeferIfPermit,
    DeferIfReject,
    Discard,
    Dunno,
    Filter,
    Hold,
    Info,
    LocalProtocolError,
    Ok,
    Prepend,
    Redirect,
    Reject,
    RemoteProtocolError,
    Reply,
    Restrictions,
    Warn,
    encode_action,
    parse_action,
)

ACTIONS: dict[str, Action] = {
    "DUNNO": Dunno(),
    "OK": Ok(),
    "421 4.7.0 Try again later": Reply("421 4.7.0 Try again later"),
    "521 5.7.1 No": Reply("521 5.7.1 No"),
    "550 no": Reply("550 no"),
    "554 5.7.1": Reply("554 5.7.1"),
    "REJECT": Reject(),
    "REJECT 5.7.0 Too many failed logins": Reject("5.7.0 Too many failed logins"),
    "REJECT 1.2 is no status": Reject("1.2 is no status"),
    "DEFER later": Defer("later"),
    "DEFER_IF_PERMIT 4.2.0 later": DeferIfPermit("4.2.0 later"),
    "DEFER_IF_REJECT": DeferIfReject(),
    "WARN look": Warn("look"),
    "INFO look": Info("look"),
    "HOLD": Hold(),
    "DISCARD 12345": Discard("12345"),
    "FILTER smtp:[127.0.0.1]:10025": Filter("smtp:[127.0.0.1]:10025"),
    "FILTER dummy:": Filter("dummy:"),
    "PREPEND X-Seen: yes, indeed": Prepend("X-Seen: yes, indeed"),
    "REDIRECT alice@example.org": Redirect("alice@example.org"),
    "BCC alice@example.org": Bcc("alice@example.org"),
    "reject_unauth_destination": Restrictions("reject_unauth_destination"),
    "sleep 3, reject": Restrictions("sleep 3, reject"),
    "permit_mynetworks reject": Restrictions("permit_mynetworks reject"),
}
TEXT_ACTIONS: list[Callable[[str], Action]] = [
    *(Reject, Defer, DeferIfPermit, DeferIfReject, Warn, Info, Hold, Discard)
]
BAD_TEXTS = [
    *("a\nb", "a\rb", "a\0b", "a\tb", "a\x1b[31m", "ü", "a\u2028b", "\x7f", "\n", "a\n"),
    *(" ", " a", "a ", "x" * (MAX_TEXT_LENGTH + 1)),
]


@pytest.mark.parametrize(("line", "action"), ACTIONS.items(), ids=ACTIONS)
def test_action_on_the_wire(line: str, action: Action) -> None:
    """Each action has one line, which is read as the same action."""
    assert encode_action(action) == b"action=" + line.encode() + b"\n\n"
    assert parse_action(line) == action


def test_every_action_is_in_the_table() -> None:
    """The table above has all actions of access(5)."""
    words = {"DUNNO", "OK", "REJECT", "DEFER", "DEFER_IF_PERMIT", "DEFER_IF_REJECT", "WARN", "INFO"}
    words |= {"HOLD", "DISCARD", "FILTER", "PREPEND", "REDIRECT", "BCC", ""}
    assert {action.word for action in ACTIONS.values()} == words


@pytest.mark.parametrize("build", TEXT_ACTIONS)
@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_bad_text(build: Callable[[str], Action], text: str) -> None:
    """A text with control characters, line ends, other than ASCII, blanks around it or too long is refused."""
    with pytest.raises(LocalProtocolError, match=r"^text: .*: must"):
        build(text)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        *(
            (Reject, "4.7.1 later"),
            (Defer, "5.7.1 never"),
            (DeferIfPermit, "2.0.0 fine"),
            (DeferIfReject, "5.0.0"),
        ),
        *((Reply, "421 5.7.0 no"), (Reply, "521 4.7.0 no"), (Reply, "450 2.0.0")),
    ],
)
def test_status_of_another_class(build: Callable[[str], Action], text: str) -> None:
    """An enhanced status code must belong to the class of the reply."""
    with pytest.raises(LocalProtocolError, match="must have a status of class"):
        build(text)


@pytest.mark.parametrize(
    "reply",
    [
        *(
            "",
            "521",
            "521 ",
            "521  ",
            "521  x",
            "521\tx",
            "5211 x",
            "52 x",
            "250 fine",
            "354 go",
            "999 x",
            "600 x",
        ),
        *("12345", "521x", " 521 x", "٤٢١ x", "4२1 x", "DUNNO", "OK", *(f"521 {text}" for text in BAD_TEXTS)),
    ],
    ids=ascii,
)
def test_bad_reply(reply: str) -> None:
    """A bare code, which is OK for Postfix, and whatever else is no reply of class 4 or 5 cannot be built."""
    with pytest.raises(LocalProtocolError, match=r"^reply: .*: must"):
        Reply(reply)


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        *(
            (Filter, ""),
            (Filter, "smtp"),
            (Filter, ":x"),
            (Filter, "smtp:a b"),
            (Filter, "smtp:\n"),
            (Filter, "ü:"),
        ),
        *((Filter, "x:" + "y" * MAX_TEXT_LENGTH), (Prepend, ""), (Prepend, "X-Seen"), (Prepend, "X Seen: a")),
        *(
            (Prepend, "X-Seen: "),
            (Prepend, ": a"),
            (Prepend, "X: a\nY: b"),
            (Prepend, "X: ü"),
            (Prepend, "X: a\r"),
        ),
        *(
            (Prepend, "X: " + "y" * 998),
            (Redirect, ""),
            (Redirect, "alice"),
            (Redirect, "@"),
            (Redirect, "a @b"),
        ),
        *((Redirect, "a@b\n"), (Bcc, "ü@example.org"), (Bcc, "a@" + "b" * 320)),
    ],
    ids=ascii,
)
def test_bad_argument(build: Callable[[str], Action], argument: str) -> None:
    """An argument that Postfix would skip with a warning cannot be built."""
    with pytest.raises(LocalProtocolError, match="must"):
        build(argument)


@pytest.mark.parametrize(
    "names",
    [
        *(
            "",
            " ",
            "12345",
            "3 sleep",
            "ok",
            "OK",
            "dunno",
            "relay",
            "hangup",
            "reject",
            "reject later",
            "hold",
            "bcc",
        ),
        *(
            "permit",
            "sleep 1, permit",
            "sleep 1,permit",
            "sleep  1",
            "foo:bar",
            "check_client_access hash:/x",
            "a\nb",
        ),
        *("ünit", "a;b", "a,", ",a", "{ a }", "x" * (MAX_TEXT_LENGTH + 1), "Reject", "filter x"),
    ],
    ids=ascii,
)
def test_bad_restrictions(names: str) -> None:
    """What Postfix would not take for restrictions, and what permits without being said as Ok, cannot be built."""
    with pytest.raises(LocalProtocolError, match=r"^names: .*: must"):
        Restrictions(names)


@pytest.mark.parametrize(
    ("line", "action"),
    [
        *(("dunno", Dunno()), ("Dunno because", Dunno()), ("ok", Ok()), ("OK fine", Ok()), ("RELAY", Ok())),
        *(("permit", Ok()), ("reject", Reject()), ("REJECT   text ", Reject("text"))),
        ("defer_if_permit Service temporarily unavailable", DeferIfPermit("Service temporarily unavailable")),
    ],
)
def test_other_spellings(line: str, action: Action) -> None:
    """Other servers' spellings are read as Postfix reads them."""
    assert parse_action(line) == action


@pytest.mark.parametrize(
    "line",
    [
        "",
        " DUNNO",
        "521",
        "12345",
        "0",
        "999 x",
        "foo:bar",
        "HANGUP",
        "REJECT ü",
        "FILTER",
        "nothing\r",
        "a b\0",
    ],
)
def test_traps(line: str) -> None:
    """What Postfix takes for OK without that word, or for an error in its configuration, is no action."""
    with pytest.raises(RemoteProtocolError, match=r"^action: "):
        parse_action(line)


class _Sneaky(Dunno):
    @property
    def line(self) -> str:
        return "OK"


@pytest.mark.parametrize("value", [None, "DUNNO", b"DUNNO", True, Action(), _Sneaky(), Dunno], ids=repr)
def test_only_actions_are_sent(value: object) -> None:
    """Whatever else a handler returns is not encoded."""
    with pytest.raises(LocalProtocolError, match="must be an action"):
        encode_action(value)  # type: ignore[arg-type]  # that is the test


@settings(deadline=None)
@given(st.sampled_from([*TEXT_ACTIONS, Reply, Filter, Prepend, Redirect, Bcc, Restrictions]), st.text())
def test_no_text_builds_another_action(build: Callable[[str], Action], text: str) -> None:
    """Any text is refused, or makes one line of ASCII that is read as the same action and never as OK."""
    for argument in (text, f"521 {text}", f"a@{text}", f"x:{text}", f"X: {text}"):
        try:
            action = build(argument)
        except LocalProtocolError:
            continue
        wire = encode_action(action)
        assert wire.startswith(b"action=")
        assert wire.endswith(b"\n\n")
        assert wire.count(b"\n") == 2
        assert wire.isascii()
        assert not wire[7:-2].isdigit()
        assert parse_action(wire[7:-2].decode()) == action
