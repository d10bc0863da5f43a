# SPDX-License-Identifier: ISC
"""The picture of the live view."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.filter_ban.cli.watch.documents import shown
from tools.pictures.watch import PICTURE, attack, drawn

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("made", [False, True], ids=["drawn now", "in the manual"])
def test_picture(made: bool) -> None:
    """It is one file that fetches nothing, and shows the view."""
    picture = Path(PICTURE).read_text() if made else drawn(shown())
    texts = [element.text or "" for element in ET.fromstring(picture).iter(f"{SVG}text")]
    assert any("Newest\xa0bans" in text for text in texts)
    assert not re.search(r"@font-face|@import|href=|url\((?!#)", picture)


def test_the_attack_is_the_same_each_time() -> None:
    """Only its hour differs."""
    one, other = list(attack(10_000.0)), list(attack(20_000.0))
    assert [guess.address for guess in one] == [guess.address for guess in other]
    assert all(0 <= guess.time_s < 10_000 for guess in one)
