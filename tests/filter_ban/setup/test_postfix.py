# SPDX-License-Identifier: ISC
"""master.cf made to ask us."""

from pathlib import Path

import pytest

from filter_ban.config import Config, parse_config
from filter_ban.setup.files import Change, SetupError
from filter_ban.setup.plan import Plan
from filter_ban.setup.postfix import by_hand, place, plan
from filter_ban.setup.programs import ProgramError
from filter_ban.setup.recipes import policy_service
from tests.filter_ban.setup.servers import DEBIAN_MASTER_CF, FakePostfix

OURS = policy_service("inet:127.0.0.1:10040")
OPTIONS = f"""\
  -o smtpd_delay_reject=no
  -o {{ smtpd_client_restrictions = {OURS}, permit }}
  -o {{ smtpd_relay_restrictions = permit_sasl_authenticated, reject }}
  -o smtpd_hard_error_limit=6
"""
SERVICES = f"""\
submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
{OPTIONS}smtps inet n - y - - smtpd
  -o syslog_name=postfix/smtps
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
{OPTIONS}"""
LOGINS = "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"


def edited(postfix: FakePostfix, plan: Plan) -> str:
    """Return the text that is planned for master.cf."""
    (change,) = plan.changes
    assert change == Change(postfix.master_cf, postfix.master_cf.read_bytes(), change.new)
    assert change.new is not None
    return change.new.decode()


def carry_out(postfix: FakePostfix, text: str) -> None:
    """Write what was planned, and ask for it to be accepted."""
    postfix.master_cf.write_text(text)


def test_pristine(postfix: FakePostfix) -> None:
    """Where Debian's services are commented out, both tested ones are appended, in the chroot of port 25."""
    planned = plan(Config(), postfix)
    assert edited(postfix, planned) == DEBIAN_MASTER_CF + SERVICES
    assert planned.notes == ()
    carry_out(postfix, edited(postfix, planned))
    planned.accept()


def test_twice(postfix: FakePostfix) -> None:
    """What is set up already is not changed."""
    postfix.master_cf.write_text(DEBIAN_MASTER_CF + SERVICES)
    assert plan(Config(), postfix).changes == ()


def test_behind_postscreen(postfix: FakePostfix) -> None:
    """The new services run in a chroot where the server behind postscreen does."""
    text = "smtp inet n - y - 1 postscreen\nsmtpd pass - - y - - smtpd\n"
    postfix.master_cf.write_text(text)
    assert edited(postfix, plan(Config(), postfix)) == text + SERVICES


def test_existing_service(postfix: FakePostfix) -> None:
    """A service that is there gets our options, and no other is opened; port 25 keeps its bytes."""
    postfix.master_cf.write_text(
        DEBIAN_MASTER_CF
        + "submission inet n - y - - smtpd\n"
        + "  -o smtpd_sasl_auth_enable=yes -o smtpd_hard_error_limit=20\n"
        + "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
    )
    planned = plan(Config(), postfix)
    assert edited(postfix, planned) == (
        DEBIAN_MASTER_CF
        + "submission inet n - y - - smtpd\n"
        + "  -o smtpd_sasl_auth_enable=yes -o smtpd_hard_error_limit=6\n"
        + f"  -o {{ smtpd_client_restrictions = {OURS}, permit }}\n"
        + "  -o smtpd_delay_reject=no\n"
        + "  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }\n"
    )
    carry_out(postfix, edited(postfix, planned))
    planned.accept()
    assert plan(Config(), postfix).changes == ()


@pytest.mark.parametrize(
    "name", ["submission", "587", "smtps", "submissions", "465", "127.0.0.1:587", "[::1]:smtps", "2525"]
)
def test_names(postfix: FakePostfix, name: str) -> None:
    """A submission service is known by its port, however that is written."""
    postfix.master_cf.write_text(LOGINS.replace("submission", name, 1))
    config = parse_config("postfix.submission_ports = [25, 465, 587, 2525]")
    text = edited(postfix, plan(config, postfix))
    assert text == LOGINS.replace("submission", name, 1) + OPTIONS.replace(
        "{ smtpd_relay_restrictions = ", "{ smtpd_relay_restrictions = permit_mynetworks, "
    )


@pytest.mark.parametrize(
    "service",
    ["smtp inet n - y - - smtpd", "submission unix n - y - - smtpd", "587 inet n - y - - postscreen"],
)
def test_others_are_not_touched(postfix: FakePostfix, service: str) -> None:
    """Port 25 is never touched, whatever the configuration says, nor is what is no SMTP server."""
    postfix.master_cf.write_text(f"{service}\n{LOGINS}")
    config = parse_config("postfix.submission_ports = [25, 587]")
    assert edited(postfix, plan(config, postfix)).startswith(f"{service}\n{LOGINS}")


def test_reference(postfix: FakePostfix) -> None:
    """A reference to a parameter of main.cf is followed, and written out where the list has to change."""
    postfix.parameters["mua_client"] = "permit_mynetworks, permit_sasl_authenticated, reject"
    postfix.master_cf.write_text(f"{LOGINS}  -o smtpd_client_restrictions=$mua_client\n")
    assert f"smtpd_client_restrictions = permit_mynetworks, {OURS}, permit" in edited(
        postfix, plan(Config(), postfix)
    )


def test_inherited_restrictions(postfix: FakePostfix) -> None:
    """What a service has from main.cf goes on to act on it."""
    postfix.parameters["smtpd_client_restrictions"] = "reject_unknown_client_hostname"
    postfix.master_cf.write_text(LOGINS)
    assert f"smtpd_client_restrictions = {OURS}, reject_unknown_client_hostname, permit" in edited(
        postfix, plan(Config(), postfix)
    )


def test_stricter_limit(postfix: FakePostfix) -> None:
    """An error limit that is stricter than ours stays."""
    postfix.master_cf.write_text(f"{LOGINS}  -o smtpd_hard_error_limit=3\n")
    assert "smtpd_hard_error_limit=3\n" in edited(postfix, plan(Config(), postfix))


def test_not_utf8(postfix: FakePostfix) -> None:
    """Bytes that are no UTF-8 stay as they are."""
    postfix.master_cf.write_bytes(b"# \xff\xe4\r\n" + LOGINS.encode())
    (change,) = plan(Config(), postfix).changes
    assert change.new is not None
    assert change.new.startswith(b"# \xff\xe4\r\n")


NOTES = {
    "dropped": (
        {},
        "  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject_rbl_client zen.example, reject }\n",
        "submission: dropped from smtpd_client_restrictions: reject_rbl_client zen.example.",
    ),
    "HELO": (
        {"smtpd_helo_restrictions": "permit_sasl_authenticated, reject_non_fqdn_helo_hostname"},
        "",
        "submission: smtpd_helo_restrictions are now asked before anybody has logged in",
    ),
    "Cyrus": ({"smtpd_sasl_type": "cyrus"}, "", "submission: passwords are not checked by Dovecot"),
    "no logins": ({}, "  -o smtpd_sasl_auth_enable=no\n", "submission: offers no logins"),
    "logins at port 25": ({"smtpd_sasl_auth_enable": "yes"}, "", "smtp: offers logins too"),
}


@pytest.mark.parametrize(("parameters", "options", "note"), NOTES.values(), ids=NOTES.keys())
def test_notes(postfix: FakePostfix, parameters: dict[str, str], options: str, note: str) -> None:
    """What the operator should know is told, once."""
    postfix.parameters |= parameters
    postfix.master_cf.write_text(f"smtp inet n - y - - smtpd\n{LOGINS}{options}")
    (told,) = plan(Config(), postfix).notes
    assert told.startswith(note)


def test_no_certificate(postfix: FakePostfix) -> None:
    """New services without a certificate in main.cf are of no use, which is told."""
    del postfix.parameters["smtpd_tls_cert_file"]
    (note,) = plan(Config(), postfix).notes
    assert "smtpd_tls_chain_files" in note


def test_unix_socket(postfix: FakePostfix) -> None:
    """A socket in the queue directory can be reached from the chroot; one elsewhere cannot, and is refused."""
    inside = parse_config('postfix.listen = ["unix:/var/spool/postfix/private/ban"]')
    assert policy_service("unix:private/ban") in edited(postfix, plan(inside, postfix))
    outside = parse_config('postfix.listen = ["unix:/run/ban"]')
    with pytest.raises(SetupError, match=r"^unix:/run/ban: Postfix's services run in a chroot"):
        plan(outside, postfix)
    postfix.master_cf.write_text("smtp inet n - n - - smtpd\n")
    assert policy_service("unix:/run/ban") in edited(postfix, plan(outside, postfix))


def test_faults(postfix: FakePostfix) -> None:
    """What makes a set-up impossible is told with its remedy."""
    with pytest.raises(SetupError, match=r"^postfix\.listen is empty"):
        plan(parse_config("postfix.listen = []"), postfix)
    postfix.version = "2.11.3"
    with pytest.raises(SetupError, match=r"^Postfix 2\.11\.3: must be 3\.0 or newer"):
        plan(Config(), postfix)
    postfix.version = "3.7.11"
    postfix.master_cf.unlink()
    with pytest.raises(SetupError, match=r"master\.cf: there is no such file"):
        plan(Config(), lambda argv: "" if argv == ("postconf", "-M") else postfix(argv))


def test_broken_before(postfix: FakePostfix) -> None:
    """What Postfix itself does not understand is not edited."""
    postfix.master_cf.write_text("bad\n")
    with pytest.raises(ProgramError, match="bad field count"):
        plan(Config(), postfix)


def test_accept(postfix: FakePostfix) -> None:
    """A file that Postfix refuses, or reads otherwise than we do, is not accepted."""
    planned = plan(Config(), postfix)
    with pytest.raises(SetupError, match="Postfix does not see"):
        planned.accept()
    carry_out(postfix, edited(postfix, planned).replace("delay_reject=no", "delay_reject=yes", 1))
    with pytest.raises(SetupError, match="Postfix does not see smtpd_delay_reject of submission"):
        planned.accept()
    postfix.refuses = True
    with pytest.raises(ProgramError):
        planned.place.accept()


def test_symbolic_link(postfix: FakePostfix, tmp_path: Path) -> None:
    """Where master.cf is a link, the file that it leads to is the one to be written."""
    real = tmp_path / "real.cf"
    postfix.master_cf.rename(real)
    postfix.master_cf.symlink_to(real)
    assert place(postfix).paths == (real,)


def test_by_hand() -> None:
    """Without a Postfix the services are told as Debian would have them."""
    assert by_hand(Config()) == SERVICES
