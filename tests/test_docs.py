"""The documents: relative links lead somewhere, Python snippets compile."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def documents():
    folders = ("docs", "keys", "sbom", "examples", ".github")
    found = [
        *ROOT.glob("*.md"),
        *(path for name in folders for path in (ROOT / name).rglob("*.md")),
    ]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def anchors(path):
    """Return the anchors that GitHub gives to the headings of a document."""
    headings = HEADING.findall(FENCE.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", documents())
def test_links_lead_somewhere(name):
    path = ROOT / name
    for link in LINK.findall(FENCE.sub("", path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        found = path.parent / target if target else path
        assert found.exists(), f"{name}: {link} leads nowhere"
        assert not anchor or anchor in anchors(found), f"{name}: {link}: no such heading"


@pytest.mark.parametrize("name", documents())
def test_python_snippets_compile(name):
    for language, code in FENCE.findall((ROOT / name).read_text()):
        if language == "python":
            compile(code, name, "exec")
