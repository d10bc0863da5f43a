# SPDX-License-Identifier: ISC
"""``filter-ban ban`` and ``filter-ban lift``."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from filter_ban.cli import errand


@pytest.fixture
def willing(daemon: Any, ban_document: dict[str, Any]) -> Any:
    """Return a daemon that bans and lifts whatever it is asked to, but knows nothing of 203.0.113.0/24."""

    def ban(request: dict[str, Any]) -> list[dict[str, Any]]:
        end = None if request["length"] is None else ban_document["start"] + 720 + request["length"]
        return _pieces(
            [
                {"client": client, "outcome": "refused", "why": "is in never.networks"}
                if client.startswith("203.0.113.")
                else {"outcome": "banned", **ban_document, "client": client, "end": end}
                for client in request["clients"]
            ]
        )

    def lift(request: dict[str, Any]) -> list[dict[str, Any]]:
        return _pieces(
            [
                {"client": client, "outcome": "not-banned", "why": "not banned"}
                if client.startswith("203.0.113.")
                else {"client": client, "outcome": "lifted", "bans": [client]}
                for client in request["clients"]
            ]
        )

    daemon.answers |= {"ban": ban, "lift": lift}
    return daemon


def _pieces(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"results": results[at : at + 250]} for at in range(0, len(results), 250)]


def test_ban(run: Any, willing: Any) -> None:
    """A ban without a length lasts until lifted, and says so."""
    result = run("ban", "192.0.2.7", "2001:DB8::/64")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "192.0.2.7 banned until lifted, reference K7Q2ABCD\n2001:db8::/64 banned until lifted, reference K7Q2ABCD\n"
    )
    assert willing.requests == [
        {
            "command": "ban",
            "clients": ["192.0.2.7", "2001:db8::/64"],
            "length": None,
            "reason": "",
            "force": False,
        }
    ]


LENGTHS = {"2h": 7200, "1h30m": 5400, "900": 900, "forever": None}


@pytest.mark.parametrize(("text", "length"), LENGTHS.items())
def test_length(run: Any, willing: Any, text: str, length: int | None) -> None:
    """A length is a duration, seconds, or for ever."""
    assert run("ban", "--for", text, "192.0.2.7").exit_code == 0
    assert willing.requests[0]["length"] == length


def test_length_is_told(run: Any, willing: Any) -> None:
    """The end of a ban is told as a moment and a distance."""
    assert " UTC (in 2h), reference" in run("ban", "--for", "2h", "192.0.2.7").stdout


@pytest.mark.parametrize("text", ["", "2y", "-5", "0", "99999d", "1.5h", "Forever"])
def test_wrong_length(run: Any, willing: Any, text: str) -> None:
    """A length that is none is a mistake in usage, and nothing is asked of the daemon."""
    result = run("ban", "--for", text, "192.0.2.7")
    assert result.exit_code == 2
    assert f"Invalid value for '--for': {text!r}: must be" in result.stderr
    assert willing.requests == []


def test_reason_and_force(run: Any, willing: Any) -> None:
    """Reason and force are the daemon's business."""
    run("ban", "--reason", "guesses all day", "--force", "10.0.0.0/8")
    assert (willing.requests[0]["reason"], willing.requests[0]["force"]) == ("guesses all day", True)


OUTCOMES = {
    "extended": "192.0.2.7 was banned already, now until lifted, reference K7Q2ABCD\n",
    "unchanged": "192.0.2.7 stays banned until lifted (lift it first to make that shorter), reference K7Q2ABCD\n",
    "of a later version": "192.0.2.7 of a later version, reference K7Q2ABCD\n",
}


@pytest.mark.parametrize(("outcome", "told"), OUTCOMES.items())
def test_other_outcomes(run: Any, daemon: Any, ban_document: dict[str, Any], outcome: str, told: str) -> None:
    """A client that was banned already is told what holds now."""
    daemon.answers["ban"] = [{"results": [{"outcome": outcome, **ban_document, "end": None}]}]
    result = run("ban", "192.0.2.7")
    assert (result.exit_code, result.stdout) == (0, told)


def test_refused(run: Any, willing: Any) -> None:
    """What the daemon refuses is told with the reason; the others are done."""
    result = run("ban", "203.0.113.9", "192.0.2.7")
    assert result.exit_code == 1
    assert result.stdout == "192.0.2.7 banned until lifted, reference K7Q2ABCD\n"
    assert result.stderr == "filter-ban: 203.0.113.9: is in never.networks\n"


def test_mistakes_do_not_stop_the_others(run: Any, willing: Any) -> None:
    """A text that is no client has its line number and is not sent; the good ones are done."""
    result = run(
        "ban", "mail", "-", text=b"# ours\n\n192.0.2.7\n192.0.2.\x1b[31m\n192.0.2.8 # too\n203.0.113.9\n"
    )
    assert result.exit_code == 1
    assert willing.requests[0]["clients"] == ["192.0.2.7", "192.0.2.8", "203.0.113.9"]
    assert result.stderr == (
        "filter-ban: 'mail': not an IPv4 or IPv6 address\n"
        "filter-ban: line 4: '192.0.2.\\x1b[31m': not an IPv4 or IPv6 address\n"
        "filter-ban: line 6: 203.0.113.9: is in never.networks\n"
    )


def test_mistakes_alone(run: Any, folder: Any) -> None:
    """Where no text is a client no daemon is needed to say so."""
    result = run("lift", "mail")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "filter-ban: 'mail': not an IPv4 or IPv6 address\n"


def test_nothing_to_do(run: Any, folder: Any) -> None:
    """Empty standard input is done at once."""
    result = run("lift", "-", text="# nobody\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_lift(run: Any, willing: Any) -> None:
    """A lift names what was lifted, and who was not banned."""
    result = run("lift", "192.0.2.7", "203.0.113.9")
    assert result.exit_code == 1
    assert result.stdout == "192.0.2.7 is no longer banned\n"
    assert result.stderr == "filter-ban: 203.0.113.9: not banned\n"
    assert willing.requests == [{"command": "lift", "clients": ["192.0.2.7", "203.0.113.9"]}]


def test_lift_of_a_wider_ban(run: Any, daemon: Any) -> None:
    """Where the ban stood under another key, that is told."""
    daemon.answers["lift"] = [
        {"results": [{"client": "2001:db8::7", "outcome": "lifted", "bans": ["2001:db8::/64"]}]}
    ]
    assert run("lift", "2001:db8::7").stdout == "2001:db8::7 is no longer banned (lifted: 2001:db8::/64)\n"


def test_many(run: Any, willing: Any) -> None:
    """Many clients go in several requests, and the outcome is a summary."""
    many = 2 * errand.CLIENTS_A_REQUEST + 1
    text = "".join(f"10.{n >> 8}.{n & 255}.1\n" for n in range(many)) + "203.0.113.1\nmail\n"
    result = run("ban", "--for", "2h", "-", text=text)
    assert result.exit_code == 1
    assert result.stdout == f"2 refused, {many:,} banned\n"
    assert result.stderr == (
        f"filter-ban: line {many + 2}: 'mail': not an IPv4 or IPv6 address\n"
        f"filter-ban: line {many + 1}: 203.0.113.1: is in never.networks\n"
    )
    sizes = [len(request["clients"]) for request in willing.requests]
    assert sizes == [errand.CLIENTS_A_REQUEST, errand.CLIENTS_A_REQUEST, 2]


def test_json(run: Any, willing: Any) -> None:
    """The JSON document has the outcome of each client, with the line of those that came in one."""
    result = run("lift", "--json", "192.0.2.7", "mail", "-", text="\n203.0.113.9\n")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "totals": {"refused": 1, "lifted": 1, "not-banned": 1},
        "results": [
            {"client": None, "outcome": "refused", "why": "'mail': not an IPv4 or IPv6 address"},
            {"client": "192.0.2.7", "outcome": "lifted", "bans": ["192.0.2.7"]},
            {"client": "203.0.113.9", "outcome": "not-banned", "why": "not banned", "place": "line 2"},
        ],
    }


@pytest.fixture
def clustered(config_file: Path) -> None:
    """Configure a cluster."""
    with config_file.open("a") as file:
        file.write('[cluster]\nstores = ["redis://store"]\nkey_file = "/etc/filter-ban.key"\n')


EVERYWHERE: Final = {
    "ban": ("ban", ("ban", "192.0.2.7")),
    "lift": ("lift", ("lift", "192.0.2.7")),
    "allow": ("allow", ("allow", "192.0.2.7")),
    "no more": ("disallow", ("allow", "--remove", "192.0.2.7")),
}


@pytest.mark.usefixtures("clustered")
@pytest.mark.parametrize(("command", "arguments"), EVERYWHERE.values(), ids=EVERYWHERE)
def test_everywhere(run: Any, daemon: Any, command: str, arguments: tuple[str, ...]) -> None:
    """Whether other nodes are to be told is the daemon's business, unless it is said; what it did is told."""
    done = {"client": "192.0.2.7", "outcome": "done", "end": None, "reference": "R"}
    for option, wanted in ((), "absent"), (("--everywhere",), True), (("--here",), False):
        daemon.answers[command] = [{"results": [done], "everywhere": wanted is not False}]
        result = run(*arguments, *option)
        assert (result.exit_code, result.stderr) == (0, "")
        assert daemon.requests[-1].get("everywhere", "absent") == wanted
        told = "; on this node only\n" if wanted is False else "; the other nodes are told\n"
        assert result.stdout.endswith(told)


@pytest.mark.usefixtures("clustered")
def test_everywhere_of_many(run: Any, daemon: Any) -> None:
    """A summary says once whether other nodes are told; the JSON document says it of each client."""
    daemon.answers["lift"] = lambda request: [
        {
            "results": [{"client": client, "outcome": "lifted"} for client in request["clients"]],
            "everywhere": True,
        }
    ]
    text = "".join(f"10.0.0.{n}\n" for n in range(30))
    assert run("lift", "-", text=text).stdout == "30 lifted; the other nodes are told\n"
    (result,) = json.loads(run("lift", "--json", "10.0.0.1").stdout)["results"]
    assert result == {"client": "10.0.0.1", "outcome": "lifted", "everywhere": True}


@pytest.mark.usefixtures("clustered")
def test_a_client_that_is_banned_elsewhere(run: Any, willing: Any) -> None:
    """Of one that is not banned here it is told that other nodes hear of the lift all the same."""
    lift = willing.answers["lift"]
    willing.answers["lift"] = lambda request: [{**part, "everywhere": True} for part in lift(request)]
    result = run("lift", "203.0.113.9")
    told = "filter-ban: 203.0.113.9: not banned; the other nodes are told\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", told)


def test_everywhere_without_a_cluster(run: Any, daemon: Any) -> None:
    """That there is no cluster is the daemon's word; where there is none, nothing is said of other nodes."""
    daemon.answers["ban"] = [{"error": "--everywhere: no cluster is configured"}]
    result = run("ban", "--everywhere", "192.0.2.7")
    assert (result.exit_code, result.stderr) == (1, "filter-ban: --everywhere: no cluster is configured\n")
    daemon.answers["lift"] = [
        {"results": [{"client": "192.0.2.7", "outcome": "lifted"}], "everywhere": False}
    ]
    assert run("lift", "192.0.2.7").stdout == "192.0.2.7 is no longer banned\n"


def test_daemon_that_goes_away(run: Any, daemon: Any) -> None:
    """Where the daemon goes away in between, what was done until then is told."""

    def lift_once(request: dict[str, Any]) -> Any:
        daemon.answers["lift"] = b""
        return [{"results": [{"client": client, "outcome": "lifted"} for client in request["clients"]]}]

    daemon.answers["lift"] = lift_once
    text = "".join(f"10.{n >> 8}.{n & 255}.1\n" for n in range(errand.CLIENTS_A_REQUEST + 1))
    result = run("lift", "-", text=text)
    assert result.exit_code == 69
    assert result.stdout == "2,000 lifted\n"
    assert result.stderr.endswith(
        "ended before its answer did; see its log, and try again; 2,000 of 2,001 were done\n"
    )


def test_daemon_that_cannot_count(run: Any, daemon: Any) -> None:
    """An answer for other clients than were asked about is not guessed at."""
    daemon.answers["lift"] = [{"results": []}]
    result = run("lift", "192.0.2.7")
    assert result.exit_code == 69
    assert "the daemon answered for 0 clients of 1; is it of another version?" in result.stderr


@pytest.mark.parametrize("command", ["ban", "lift"])
def test_without_a_daemon(run: Any, folder: Any, command: str) -> None:
    """Nothing is banned or lifted without a daemon, and it is said how to start one."""
    result = run(command, "192.0.2.7")
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr == (
        f"filter-ban: no daemon answers at {folder}/control.sock (No such file or directory);"
        " start it with: filter-ban serve\n"
    )


def test_hostile_bytes(run: Any, daemon: Any) -> None:
    """What the daemon says of a client reaches the terminal escaped."""
    daemon.answers["lift"] = [{"results": [{"client": "a\x1b[31m", "outcome": "refused", "why": "b\x07\nc"}]}]
    assert run("lift", "192.0.2.7").stderr == "filter-ban: a\\x1b[31m: b\\x07\\nc\n"
    assert run("lift", "--json", "192.0.2.7").stdout.isascii()


@pytest.mark.parametrize("command", ["ban", "lift", "show"])
def test_no_client(run: Any, command: str) -> None:
    """A command without its client is a mistake in usage."""
    result = run(command)
    assert result.exit_code == 2
    assert "Missing argument" in result.stderr
