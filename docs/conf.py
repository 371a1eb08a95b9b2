"""Sphinx: the Markdown pages of the repository as a site.

``sphinx-build -W --keep-going -q -c docs . build/site`` writes it; it needs no network, to build or to read. The source
folder is the repository itself, so that a link is the same here and on a code host.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

project = "Riffengine"
author = "the Riffengine authors"
release = re.findall(r'^__version__ = "(.+)"', (ROOT / "riffengine/__init__.py").read_text(encoding="utf-8"), re.M)[0]
extensions = ["myst_parser", "sphinx.ext.autodoc"]
include_patterns = ["*.md", "docs/*.md", "riffengine/weights/*.md", "tools/**/*.md"]
# Not searched: a virtual environment has 30,000 files.
exclude_patterns = [".*", "build", "dist", "scratch", "**/node_modules"]
root_doc = "README"

html_theme = "furo"  # system fonts, nothing from other servers
html_title = f"Riffengine {release}"
html_show_sphinx = False
html_theme_options: dict[str, Any] = {"navigation_with_keys": True}

myst_heading_anchors = 4  # links to headings, spelled as code hosts spell them
myst_enable_extensions = ["attrs_block"]
suppress_warnings = ["myst.header"]  # pages that are written by tools may skip a level
highlight_language = "text"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "imported-members": True}

CHAPTERS: dict[str, list[str]] = {
    "Play": ["docs/install", "docs/play", "docs/presets", "docs/parameters", "docs/midi", "docs/controllers",
             "docs/osc", "docs/web", "docs/riffusion-app", "docs/daw", "docs/agents", "docs/plugins", "docs/headless",
             "docs/scale"],
    "Models": ["docs/models", "riffengine/weights/MODEL_CARD", "tools/train/README", "tools/train/tried"],
    "Listen and look": ["docs/examples", "docs/pictures"],
    "Measured": ["docs/measured", "tools/bench/results/README"],
    "Help": ["docs/troubleshooting", "GLOSSARY", "CHANGELOG"],
    "Develop": ["ARCHITECTURE", "CONTRIBUTING", "SECURITY", "docs/api", "docs/web_protocol", "docs/release"],
}  # fmt: skip


def add_chapters(app: Sphinx, name: str, source: list[str]) -> None:
    """The home page is the README; the site's navigation is added to it here, where a code host does not show it."""
    if name == root_doc:
        for title, pages in CHAPTERS.items():
            entries = "\n".join(f"/{page}" for page in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:maxdepth: 1\n:caption: {title}\n\n{entries}\n```\n"


def add_index(app: Sphinx, error: Exception | None) -> None:
    """A web server and a person look for index.html first."""
    if error is None and app.builder.format == "html":
        page = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=README.html">\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register both."""
    app.connect("source-read", add_chapters)
    app.connect("build-finished", add_index)
