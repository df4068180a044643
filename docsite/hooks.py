"""What mkdocs does for this site besides: pages that stand elsewhere in the project, and links to them.

README, changelog and their like stay where everybody looks for them, and pages link to them as files, so that
links also work in a checkout and in GitLab. Here each becomes a page of the site, and such links lead to it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docsite.messages import messages_page

ROOT: Final = Path(__file__).resolve().parents[1]
#: File of the project to page of the site.
_ELSEWHERE: Final = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "LICENSE": "project/licence.md",
    "config.toml.example": "project/config-example.md",
}
_LINK: Final = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """Fill the part of the navigation that lists the decisions."""
    for part in config.nav or []:
        if "Decisions" in part:
            part["Decisions"] = [f"adr/{path.name}" for path in sorted((ROOT / "docs/adr").glob("*.md"))]
    return config


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages that are not below ``docs/``."""
    for name, page in _ELSEWHERE.items():
        files.append(File.generated(config, page, content=_page(name)))
    files.append(File.generated(config, "reference/messages.md", content=messages_page()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files of the project into links to their pages."""
    folder = posixpath.dirname(page.file.src_uri)
    origin = next((name for name, to in _ELSEWHERE.items() if to == page.file.src_uri), None)
    base = "" if origin else posixpath.join("docs", folder)

    def lead(match: re.Match[str]) -> str:
        if "://" in match[2]:
            return match[0]
        target = posixpath.normpath(posixpath.join(base, match[2]))
        page_path = _ELSEWHERE.get(target) or target.removeprefix("docs/")
        if target not in _ELSEWHERE and not origin:
            return match[0]
        return f"{match[1]}{posixpath.relpath(page_path, folder or '.')}{match[3] or ''}{match[4]}"

    return _LINK.sub(lead, markdown)


def _page(name: str) -> str:
    text = (ROOT / name).read_text()
    if name.endswith(".md"):
        return text
    language = "toml" if ".toml" in name else "text"
    return f"# {'Licence' if name == 'LICENSE' else name}\n\n````{language}\n{text}\n````\n"
