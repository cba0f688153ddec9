"""Signing in elsewhere: OAuthenticator and LTIAuthenticator themselves, set up as docs/portal.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.identity import CLIENT, Elsewhere, serving
from tests.webapp.platform.conftest import Portal, a_portal
from webapp.settings import PREFIX

pytestmark = pytest.mark.portal
PAGE = Path(__file__).parents[3] / "docs" / "portal.md"


@contextmanager
def portal_of(package: str, elsewhere: Elsewhere) -> Iterator[Portal]:
    """A portal that is up, with the settings that the page gives for a package, and this place in theirs."""
    text = PAGE.read_text()
    part = text[text.index(f"pip install {package}") :]
    authenticator = re.search(r"SEATRIAL_AUTHENTICATOR=(\S+)", part)
    settings = re.search(r"```python\n(.*?)```", part, re.DOTALL)
    assert authenticator and settings
    with a_portal(SEATRIAL_AUTHENTICATOR=authenticator[1]) as portal:
        secret = portal.folder / "client-secret"
        secret.write_text(elsewhere.secret)
        written = settings[1].replace("/etc/seatrial/client-secret", str(secret))
        for name in ("https://login.example.edu", "https://lms.example.edu"):
            written = written.replace(name, elsewhere.url)
        written = written.replace("https://labs.example.edu", portal.settings.address)
        written = written.replace("the client's id in the LMS", CLIENT)
        portal.settings.data.mkdir(mode=0o700, parents=True)
        (portal.settings.data / "jupyterhub_config.py").write_text(written)
        up = portal.seatrial("up")
        assert up.returncode == 0, up.stderr
        assert "password" not in up.stdout, "nobody is made who could sign in with one"
        yield portal


def users(portal: Portal) -> dict[str, str]:
    found = json.loads(portal.seatrial("user", "list", "-o", "json").stdout)
    return {user["name"]: user["role"] for user in found}


def test_by_openid_connect(portal_programs: None) -> None:
    with (
        serving(Elsewhere("Octo.Cat")) as university,
        portal_of("oauthenticator", university) as portal,
        httpx.Client(base_url=portal.settings.address, follow_redirects=True, timeout=30) as browser,
    ):
        asked = browser.get("/")
        assert "Sign in with the university" in asked.text
        button = re.search(r"href=['\"]([^'\"]*oauth_login[^'\"]*)['\"]", asked.text)
        assert button
        page = browser.get(button[1].replace("&amp;", "&"))
        assert (page.status_code, page.url.path) == (200, f"{PREFIX}/")
        assert "octo.cat" in page.text
        assert users(portal) == {"octo.cat": "student"}


def test_by_lti(portal_programs: None) -> None:
    with (
        serving(Elsewhere("ada@example.edu")) as lms,
        portal_of("jupyterhub-ltiauthenticator", lms) as portal,
        httpx.Client(base_url=portal.settings.address, timeout=30) as browser,
    ):
        hint = {
            "iss": lms.url, "login_hint": "17", "client_id": CLIENT, "target_link_uri": f"{portal.settings.address}/"
        }  # fmt: skip

        def begin() -> tuple[str, dict[str, str]]:
            """Where the LMS is to post, and what the tool asks of it."""
            sent = browser.post("/hub/lti13/oauth_login", data=hint)
            asked = {key: value[0] for key, value in parse_qs(urlsplit(sent.headers["Location"]).query).items()}
            assert sent.headers["Location"].startswith(f"{lms.url}/mod/lti/auth.php?")
            return asked["redirect_uri"], asked

        back, asked = begin()
        assert browser.post(back, data=lms.launch(asked, rsa.generate_private_key(65537, 2048))).status_code == 400
        assert users(portal) == {}, "what somebody else has signed lets nobody in"
        back, asked = begin()
        page = browser.post(back, data=lms.launch(asked), follow_redirects=True)
        assert (page.status_code, page.url.path) == (200, f"{PREFIX}/")
        assert "ada@example.edu" in page.text
        assert users(portal) == {"ada@example.edu": "student"}
