# SPDX-License-Identifier: ISC
"""master.cf as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.setup.master_cf import Service, append_service, parse_services, set_options

FIELDS = "submission inet n - y - - smtpd"
WANTED = (("a", "1"), ("list", "x { y, z = w }, permit"))
SET = "-o { list = x { y, z = w }, permit }"

# what stands behind the fields, and what stands there when a is 1 and list is set
EDITS = {
    "nothing": ("\n", f"\n  -o a=1\n  {SET}\n"),
    "no end of line": ("", f"\n  -o a=1\n  {SET}\n"),
    "plain": ("\n  -o a=0\n\t-o list=b\n", f"\n  -o a=1\n\t{SET}\n"),
    "braces": ("\n  -o { a = 0 }\n  -o {list=b}\n", f"\n  -o a=1\n  {SET}\n"),
    "attached": (" -oa=0\n -olist=b\n", f" -o a=1\n {SET}\n"),
    "several on a line": (" -o a=0 -o b=2 -o list=x -v\n", f" -o a=1 -o b=2 {SET} -v\n"),
    "over several lines": (
        "\n  -o\n   a=0\n  -o { list = b,\n   c }\n  -o d=4\n",
        f"\n  -o a=1\n  {SET}\n  -o d=4\n",
    ),
    "comment in between": (
        "\n  -o d=4\n#  -o a=0\n\n  # more\n  -o list=b\n# end\n",
        f"\n  -o d=4\n#  -o a=0\n\n  # more\n  {SET}\n  -o a=1\n# end\n",
    ),
    "set already": (f"\n  -o {{a=1}}\n  {SET}\n", f"\n  -o {{a=1}}\n  {SET}\n"),
    "attached braces are part of a name": (f" -o{{a=0}} -o a=1\n  {SET}\n", f" -o{{a=0}} -o a=1\n  {SET}\n"),
    "other blanks": (
        "\n  -o a=1\n  -o { list =  x { y,\n   z = w }, permit }\n",
        "\n  -o a=1\n  -o { list =  x { y,\n   z = w }, permit }\n",
    ),
    "several times": (
        "\n  -o a=3 -o a=4 -o a=5\n  -o list=1\n  -o list=2\n  -o a=6 -o b=2\n",
        f"\n  \n  {SET}\n  -o a=1 -o b=2\n",
    ),
    "once too many": ("\n  -o a=3 -o b=2 -o a=4\n", f"\n  -o b=2 -o a=1\n  {SET}\n"),
    "beginning of a name": ("\n  -o ab=0\n  -o b=a=0\n", f"\n  -o ab=0\n  -o b=a=0\n  -o a=1\n  {SET}\n"),
}


def only(text: str) -> Service:
    """Return the submission service of *text*."""
    (service,) = (service for service in parse_services(text) if service.name == "submission")
    return service


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS.keys())
@pytest.mark.parametrize("head", ["", "# head\n\nsmtp inet n - y - - smtpd\n  -o a=0\n"])
@pytest.mark.parametrize("tail", ["", "smtps inet n - y - - smtpd\n  -o list=0\n\n# tail"])
def test_set_options(head: str, before: str, after: str, tail: str) -> None:
    """Options are set in whatever form they stand there, and everything else keeps its bytes."""
    if tail and not before.endswith("\n"):
        before += "\n"
    text = f"{head}{FIELDS}{before}{tail}"
    assert set_options(text, only(text), WANTED) == f"{head}{FIELDS}{after}{tail}"


def test_parse() -> None:
    """A service has its fields and options, those of comments excepted; the last of a name holds."""
    text = (
        "# smtp inet n - y - - smtpd\n"
        "smtp inet n - n - - smtpd -v\n"
        "127.0.0.1:587 inet n - y - 10 smtpd -o a=1 -o { b = c  d } # e\n"
        "#  -o f=g\n"
        "  -o a=2 -- -o h=i\n"
        "short inet n\n"
        "maildrop unix - n n - - pipe flags=DR argv=/x -o y=z\n"
    )
    smtp, submission, maildrop = parse_services(text)
    assert (smtp.name, smtp.type, smtp.chroot, smtp.command) == ("smtp", "inet", "n", "smtpd")
    assert smtp.options == ()
    assert (submission.name, submission.command) == ("127.0.0.1:587", "smtpd")
    assert submission.option("b") == "c d"
    assert submission.option("a") == "1"
    assert submission.option("f") is None
    assert maildrop.options == ()


def test_last_holds() -> None:
    """Of several options of a name Postfix takes the last."""
    assert only(f"{FIELDS} -o a=1\n -o a=2\n").option("a") == "2"


def test_append() -> None:
    """A service is appended on lines of its own."""
    service = f"{FIELDS}\n  -o a=1\n  {SET}\n"
    assert append_service("", FIELDS, WANTED) == service
    assert append_service("smtp\n", FIELDS, WANTED) == f"smtp\n{service}"
    assert append_service("# end", FIELDS, WANTED) == f"# end\n{service}"


NAMES = st.sampled_from(["a", "b", "list", "smtpd_x"])
VALUES = st.sampled_from(["", "1", "x,y", "a=b", "$mua"])
OPTIONS = st.one_of(
    st.builds("-o {}={}".format, NAMES, VALUES),
    st.builds("-o{}={}".format, NAMES, VALUES),
    st.builds("-o {{ {} = {} c }}".format, NAMES, VALUES),
    st.builds("-o\n {}={}".format, NAMES, VALUES),
    st.just("-v"),
)
GAPS = st.sampled_from([" ", "\t", "\n  ", "\n# -o a=comment\n  ", "\n\n \n\t"])
ARGUMENTS = st.lists(st.tuples(GAPS, OPTIONS), max_size=6).map(
    lambda parts: "".join(gap + option for gap, option in parts)
)
ENTRIES = st.one_of(
    st.builds("{} inet n - y - - smtpd{}\n".format, st.sampled_from(["smtp", "smtps", "x"]), ARGUMENTS),
    st.sampled_from(
        ["# comment\n", "\n", "   \n", "maildrop unix - n n - - pipe\n  flags=D argv=x -o a=9\n"]
    ),
)
FILES = st.tuples(
    st.lists(ENTRIES).map("".join), ARGUMENTS.map(f"{FIELDS}{{}}\n".format), st.lists(ENTRIES).map("".join)
)


@given(FILES)
def test_any_file(parts: tuple[str, str, str]) -> None:
    """In any file our options hold after an edit, all others as before, other entries keep their bytes; twice is once."""
    head, _, tail = parts
    text = "".join(parts)
    edited = set_options(text, only(text), WANTED)
    assert edited.startswith(head)
    assert edited.endswith(tail)
    service = only(edited)
    ours = dict(WANTED)
    names = [option.name for option in service.options]
    assert all(names.count(name) == 1 and service.option(name) == value for name, value in WANTED)
    assert [(option.name, option.value) for option in service.options if option.name not in ours] == [
        (option.name, option.value) for option in only(text).options if option.name not in ours
    ]
    assert edited.count("-v") == text.count("-v")
    assert edited.count("# -o a=comment") == text.count("# -o a=comment")
    assert set_options(edited, service, WANTED) == edited


@given(st.text("ab {}=-o\n\t#smtpd", max_size=80))
def test_any_text(text: str) -> None:
    """Any text is parsed, and options stand where they say."""
    for service in parse_services(f"{FIELDS}{text}"):
        for option in service.options:
            assert f"{FIELDS}{text}"[option.start : option.end].startswith("-o")
