# SPDX-License-Identifier: ISC
"""
The text that Prometheus reads.

Sources: Prometheus, "Exposition formats" (text format 0.0.4); OpenMetrics 1.0.0.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from filter_ban.metrics.families import Family, Type
from filter_ban.metrics.histogram import Histogram
from filter_ban.text import excerpt

Value: TypeAlias = float | Histogram
Labels: TypeAlias = tuple[str, ...]
Readings: TypeAlias = Mapping[Family, Mapping[Labels, Value]]


class Form(enum.Enum):
    """A form of the text; the value is its media type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


_TOTAL: Final = "_total"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def accepted(accept: str) -> Form:
    """Return the form for who sends *accept* as its header of that name: OpenMetrics where it is named."""
    return Form.OPENMETRICS if "application/openmetrics-text" in accept else Form.TEXT


def render(readings: Readings, form: Form) -> str:
    """Return *readings*, each with the values of its family's labels in their order."""
    lines = [line for family, samples in readings.items() for line in _family(family, samples, form)]
    if form is Form.OPENMETRICS:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def _family(family: Family, samples: Mapping[Labels, Value], form: Form) -> Iterator[str]:
    name = family.name
    if form is Form.OPENMETRICS and family.type is Type.COUNTER:
        name = name.removesuffix(_TOTAL)
    yield f"# HELP {name} {family.doc}"
    yield f"# TYPE {name} {family.type}"
    for labels, value in samples.items():
        pairs = [f'{key}="{_quote(word)}"' for key, word in zip(family.labels, labels, strict=True)]
        if isinstance(value, Histogram):
            yield from _histogram(family.name, pairs, value)
        else:
            yield f"{family.name}{_braced(pairs)} {_number(value)}"


def _histogram(name: str, pairs: Sequence[str], histogram: Histogram) -> Iterator[str]:
    count = 0
    for bound, count in histogram.buckets():
        le = f'le="{_number(bound)}"'
        yield f"{name}_bucket{_braced([*pairs, le])} {count}"
    yield f"{name}_sum{_braced(pairs)} {_number(histogram.total)}"
    yield f"{name}_count{_braced(pairs)} {count}"


def _braced(pairs: Sequence[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _quote(word: str) -> str:
    """Return a label's value, bounded and escaped."""
    return excerpt(word).translate(_ESCAPES)


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(value)
