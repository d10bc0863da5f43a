# SPDX-License-Identifier: ISC
"""Tests of filter_ban.report.page and charts, without a browser."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given

from filter_ban.report.charts import Column, ceiling, drawing, ticks
from filter_ban.report.model import Report
from filter_ban.report.page import render
from tests.filter_ban.report.making import held, report, reports, sums, week

HOSTILE = "<script>alert(1)</script>\" ' & <img src=http://192.0.2.1/> ]]>"
VOID = {"meta"}


class Checker(HTMLParser):
    """Notes what a page is made of, and that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element of SVG that is closed at once."""
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close the last one."""
        assert self.open.pop() == tag


def check(page: str) -> Checker:
    """Return what *page* is made of, once it is known to be sound and to need nothing else."""
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert checker.tags.isdisjoint({"script", "link", "img", "iframe", "object", "a", "form"})
    assert checker.attributes.isdisjoint({"src", "href", "srcset", "onload", "onerror"})
    assert len(set(checker.ids)) == len(checker.ids)
    assert not re.search(r"url\(|@import|@font-face", page)
    return checker


@given(reports)
def test_anything(found: Report) -> None:
    """Whatever names and numbers are, the page is sound HTML that needs nothing else, of a bounded size."""
    page = render(found)
    check(page)
    assert len(page.encode()) < 150_000


def test_foreign_text() -> None:
    """No text from elsewhere becomes markup."""
    names = {HOSTILE: 5}
    counted = sums(user=names, network=names, service=names, failure=names, ban=names, drop=names)
    page = render(report(held(sums=counted), host=HOSTILE, news=[HOSTILE]))
    check(page)
    assert "&lt;script&gt;alert(1)" in page


def test_a_week(tmp_path: Path) -> None:
    """Every chart has a title and a description, and the numbers stand in tables."""
    page = render(week(tmp_path))
    check(page)
    drawings = re.findall(r'<svg[^>]*role="img"[^>]*>(.*?)</svg>', page)
    assert len(drawings) == 7
    assert all(
        re.match(r'<title id="[a-z]+-title">[^<]+</title><desc id="[a-z]+-text">[^<]+</desc>', one)
        for one in drawings
    )
    assert page.count("<tr>") > 28 + 24  # bins of 6 hours, hours of the day
    assert len(page.encode()) < 100_000


def test_nothing_happened() -> None:
    """A page of nothing says so."""
    page = render(report(held()))
    check(page)
    assert "Nothing happened" in page
    assert "<svg" not in page


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 4), (1, 4), (5, 6), (7, 8), (9, 10), (11, 20), (31, 40), (99, 100), (2467, 3000)]
)
def test_ceiling(highest: int, top: int) -> None:
    """A scale ends at a round number whose half is one too."""
    assert ceiling(highest) == top


def test_columns() -> None:
    """A column is as high as its value, nothing has none, and a little is seen."""
    columns = [Column("a", 0), Column("b", 1), Column("c", 100)]
    drawn = drawing("name", columns, title="Title", description="Text")
    assert re.findall(r'height="([\d.]+)"><title>(.*?)</title>', drawn) == [
        ("1.5", "b: 1"),
        ("100", "c: 100"),
    ]


def test_ticks() -> None:
    """Labels are so far apart that they do not touch, and each stands where its like begin."""
    found = re.findall(r"left:([\d.]+)%\">(\w+)<", ticks([*"aabbccddeeffgghhiijj"]))
    assert found == [("0", "a"), ("30", "d"), ("60", "g")]
