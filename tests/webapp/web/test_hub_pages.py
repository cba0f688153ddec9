"""The pages that the Hub draws from our templates."""

from __future__ import annotations

import re

import pytest

from tests.webapp.pages.gallery import Shot, hub, hub_page


@pytest.mark.parametrize("shot", hub(), ids=lambda shot: shot.name)
def test_each_page_of_the_hub_is_in_the_portals_words(shot: Shot) -> None:
    html = hub_page(shot.path.rpartition("/")[2], shot.hub or {})
    assert 'class="brand"' in html
    words = re.sub(r"<[^>]*>|\{#.*?#\}", " ", html)
    assert not re.search(r"JupyterHub|Jupyter Hub|\bserver\b|scopes|None\b|Undefined", words)
    assert "<script>" not in html
    assert not re.search(r"<[^>]*\son\w+=", html)


def test_what_the_hub_says_of_a_failure_is_text() -> None:
    html = hub_page("not_running.html", {"failed": True, "failed_message": "<script>alert(1)</script>"})
    assert "<script>alert" not in html
