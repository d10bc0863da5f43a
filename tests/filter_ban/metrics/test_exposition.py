# SPDX-License-Identifier: ISC
"""The text is what Prometheus's own parsers read, with the values that were meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.metrics import Form, Histogram, Readings, accepted, render
from filter_ban.metrics.families import Family, Type
from filter_ban.text import excerpt
from tests.filter_ban.metrics.prometheus import PARSERS

GAUGE = Family("filter_ban_things", Type.GAUGE, "Things.", ("kind", "where"))
COUNTER = Family("filter_ban_acts_total", Type.COUNTER, "Acts.", ("by",))
BARE = Family("filter_ban_bare", Type.GAUGE, "Without labels.")
TIME = Family("filter_ban_took_seconds", Type.HISTOGRAM, "Time.", ("by",))
ABSENT = Family("filter_ban_absent_total", Type.COUNTER, "Has no samples now.", ("by",))

Sample = tuple[str, tuple[tuple[str, str], ...]]


def samples(text: str, form: Form) -> dict[Sample, float]:
    """Return what the parser of *form* reads, by name and labels."""
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in PARSERS[form](text)
        for sample in family.samples
    }


def readings() -> Readings:
    """Return one of each type."""
    histogram = Histogram((0.5, 1.0))
    for value in (0.25, 0.75, 0.75, 4.0):
        histogram.observe(value)
    return {
        GAUGE: {("a", "b"): 3, ("a", "c"): 0.5},
        COUNTER: {("x",): 7},
        BARE: {(): 1_000_000},
        TIME: {("x",): histogram},
        ABSENT: {},
    }


def test_the_text_itself() -> None:
    """Byte by byte, once."""
    assert render(readings(), Form.TEXT) == (
        "# HELP filter_ban_things Things.\n"
        "# TYPE filter_ban_things gauge\n"
        'filter_ban_things{kind="a",where="b"} 3\n'
        'filter_ban_things{kind="a",where="c"} 0.5\n'
        "# HELP filter_ban_acts_total Acts.\n"
        "# TYPE filter_ban_acts_total counter\n"
        'filter_ban_acts_total{by="x"} 7\n'
        "# HELP filter_ban_bare Without labels.\n"
        "# TYPE filter_ban_bare gauge\n"
        "filter_ban_bare 1000000\n"
        "# HELP filter_ban_took_seconds Time.\n"
        "# TYPE filter_ban_took_seconds histogram\n"
        'filter_ban_took_seconds_bucket{by="x",le="0.5"} 1\n'
        'filter_ban_took_seconds_bucket{by="x",le="1.0"} 3\n'
        'filter_ban_took_seconds_bucket{by="x",le="+Inf"} 4\n'
        'filter_ban_took_seconds_sum{by="x"} 5.75\n'
        'filter_ban_took_seconds_count{by="x"} 4\n'
        "# HELP filter_ban_absent_total Has no samples now.\n"
        "# TYPE filter_ban_absent_total counter\n"
    )


@pytest.mark.parametrize("form", Form)
def test_prometheus_reads_it(form: Form) -> None:
    """Both forms have the same samples, and the strict parser of OpenMetrics has no objection."""
    assert samples(render(readings(), form), form) == {
        ("filter_ban_things", (("kind", "a"), ("where", "b"))): 3.0,
        ("filter_ban_things", (("kind", "a"), ("where", "c"))): 0.5,
        ("filter_ban_acts_total", (("by", "x"),)): 7.0,
        ("filter_ban_bare", ()): 1e6,
        ("filter_ban_took_seconds_bucket", (("by", "x"), ("le", "0.5"))): 1.0,
        ("filter_ban_took_seconds_bucket", (("by", "x"), ("le", "1.0"))): 3.0,
        ("filter_ban_took_seconds_bucket", (("by", "x"), ("le", "+Inf"))): 4.0,
        ("filter_ban_took_seconds_sum", (("by", "x"),)): 5.75,
        ("filter_ban_took_seconds_count", (("by", "x"),)): 4.0,
    }


@pytest.mark.parametrize("form", Form)
@given(word=st.text(), value=st.floats(min_value=0, allow_infinity=False))
def test_any_label_survives(form: Form, word: str, value: float) -> None:
    """It is bounded and escaped as all foreign text is, and can end neither its line nor its quotes."""
    text = render({COUNTER: {(word,): value}}, form)

    assert text.count("\n") == (3 if form is Form.TEXT else 4)
    assert samples(text, form) == {("filter_ban_acts_total", (("by", excerpt(word)),)): value}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.TEXT),
        ("*/*", Form.TEXT),
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", Form.TEXT),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Form.TEXT),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            Form.OPENMETRICS,
        ),
    ],
)
def test_who_names_openmetrics_gets_it(accept: str, form: Form) -> None:
    """As Prometheus does by default; all others get plain text."""
    assert accepted(accept) is form
