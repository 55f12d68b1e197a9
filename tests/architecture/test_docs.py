"""Pages are found: the index names each of them, and no link leads nowhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INDEXED = ("concepts", "guides", "recipes", "reference", "results", "tutorials")
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("policies/**/MODEL_CARD.md")])


def linked(page: Path) -> list[Path]:
    """What the page links to inside the repository."""
    links = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    names = [link.split("#")[0] for link in links if "://" not in link]
    return [page.parent / name for name in names if name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page):
    missing = [str(target) for target in linked(page) if not target.exists()]
    assert not missing


def test_the_index_names_every_page():
    named = {target.resolve() for target in linked(DOCS / "README.md")}
    pages = {page for folder in INDEXED for page in (DOCS / folder).glob("*.md")}
    assert pages
    assert not sorted(str(page.relative_to(ROOT)) for page in pages - named)
