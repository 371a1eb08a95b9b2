"""Another page in place of ours: its files by their names, under its own policy, and nothing besides."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from riffengine.errors import ControlError
from riffengine.web import app_files
from riffengine.web.access import SECURITY_HEADERS
from riffengine.web.app_files import APP_HEADERS, read_app
from riffengine.web.options import WebOptions
from tests.web.site import run, site

INDEX = "<!doctype html><title>Riffusion</title><script>1</script>"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder as a static export writes it, and things in it that are not of the page."""
    folder = tmp_path / "out"
    (folder / "_next" / "static").mkdir(parents=True)
    (folder / "settings").mkdir()
    for name, text in {
        "index.html": INDEX, "about.html": "about", "settings/index.html": "settings", "404.html": "no page",
        "_next/static/main-1.js": "let a = 1;\n" * 100, ".env": "SECRET=1",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    outside = tmp_path / "outside.html"
    outside.write_text("outside")
    (folder / "link.html").symlink_to(outside)
    return folder


def test_the_page_takes_the_place_of_ours_which_is_at_play(app: Path) -> None:
    async def body() -> None:
        async with site(WebOptions(port=0, app=str(app))) as web:
            for path, text in {
                "/": INDEX, "/about": "about", "/settings": "settings", "/settings/": "settings", "/404": "no page",
            }.items():  # fmt: skip
                async with web.client.get(web.url + path) as answer:
                    assert (answer.status, await answer.text()) == (200, text)
                    assert answer.content_type == "text/html"
                    assert answer.headers["Content-Security-Policy"] == APP_HEADERS["Content-Security-Policy"]
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
            async with web.client.get(f"{web.url}/_next/static/main-1.js") as answer:
                assert (answer.content_type, answer.headers["Content-Encoding"]) == ("text/javascript", "gzip")
            async with web.client.get(f"{web.url}/play") as answer:
                assert "main.js" in await answer.text()
                assert answer.headers["Content-Security-Policy"] == SECURITY_HEADERS["Content-Security-Policy"]
            for path in ("/.env", "/link", "/link.html", "/../outside.html", "/%2e%2e/outside.html"):
                # As it stands: a client takes the dots of an address away before it asks.
                async with web.client.get(URL(web.url + path, encoded=True)) as answer:
                    assert answer.status == 404, path

    run(body)


def test_a_folder_without_a_page_or_with_too_much_is_refused(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ControlError, match="holds no index"):
        list(read_app(app / "settings" / "nothing"))
    monkeypatch.setattr(app_files, "MOST_BYTES", 500)
    with pytest.raises(ControlError, match="cannot be served"):
        list(read_app(app))
    monkeypatch.undo()
    monkeypatch.setattr(app_files, "MOST_FILES", 3)
    with pytest.raises(ControlError, match="more than 3 files"):
        list(read_app(app))
