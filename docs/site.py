#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""site.py OUT: the documentation as a static site, by Debian's mkdocs and mandoc.

The pages are those of docs/, README.md is the first of them, and the manual pages come along.
Every link within is followed, to the heading that it names: one that leads nowhere is an error.
"""
import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Title and pages, in the order in which they are read.
NAV = {
    "Start": ["index", "tutorial", "install", "recipes"],
    "See": ["reports", "page", "findings", "profiling", "phases", "top", "jobs", "counters"],
    "Tune": ["tuning", "tune", "numa", "doctor"],
    "Build on": ["languages", "guide", "wrap"],
    "Understand": ["design", "reliability", "security", "measuring", "style", "contributing", "changes"],
}
# What of the repository is a page under another name.
TOP = {"README.md": "index.md", "SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md",
       "CHANGELOG.md": "changes.md", "bench/README.md": "measuring.md"}


def title_of(path):
    return re.search(r"^# (.*)", path.read_text(), re.M)[1]


def sources(folder):
    """All that becomes the site, in one folder, with links as they are there."""
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py", "man"))
    (folder / "bindings/rust/examples").mkdir(parents=True)
    for name, page in TOP.items():
        text = (ROOT / name).read_text()
        text = re.sub(r"\]\((?:\.\./)?docs/", "](", text)
        (folder / page).write_text(text)
    for path in folder.glob("*.md"):
        text = path.read_text()
        for name, page in TOP.items():
            text = re.sub(rf"\]\((?:\.\./)?{re.escape(name)}", f"]({page}", text)
        text = re.sub(r"\]\(man/([^)#]*)\)", r"](man/\1.md)", text)
        # Folders are looked at in the repository: their name stays.
        text = re.sub(r"\[([^]\n]*)\]\((?:\.\./)*(?:examples|packaging|bench|include[^)]*|bindings[^)]*)\)", r"\1", text)
        path.write_text(text)
    manual(folder)


def manual(folder):
    (folder / "man").mkdir()
    index = ["# Manual pages\n"]
    for page in sorted((ROOT / "docs/man").iterdir()):
        made = subprocess.run(["mandoc", "-T", "html", "-O", "fragment", page], check=True,
                              capture_output=True, text=True).stdout
        name = f"{page.stem}({page.suffix[1:]})"
        (folder / f"man/{page.name}.md").write_text(f"# {name}\n\n{made}\n")
        index.append(f"- [{name}]({page.name}.md)")
    (folder / "man/index.md").write_text("\n".join(index) + "\n")


def configuration(folder, out):
    lines = ["site_name: numatally", f"docs_dir: {folder}", f"site_dir: {out}", "strict: true",
             "use_directory_urls: false", "theme:", "  name: mkdocs", "  highlightjs: false",
             "  navigation_depth: 2", "nav:"]
    for part, pages in NAV.items():
        lines.append(f"- {part}:")
        lines += [f"  - {title_of(folder / (page + '.md'))!r}: {page}.md" for page in pages]
    lines += ["- Manual:"] + [f"  - {path.stem}: man/{path.name}" for path in sorted((folder / "man").glob("*.md"))]
    missing = {path.stem for path in folder.glob("*.md")} - set(sum(NAV.values(), []))
    if missing:
        sys.exit(f"site.py: not in NAV: {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"


class Page(html.parser.HTMLParser):
    """What a page links to, and what in it can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.remote = [], set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("id"):
            self.ids.add(attrs["id"])
        for key in ("href", "src"):
            target = attrs.get(key)
            if not target:
                continue
            if re.match(r"(https?:)?//", target):
                if tag != "a":
                    self.remote.append(target)
            elif not target.startswith(("mailto:", "data:", "javascript:")):
                self.links.append(target)


def check(out):
    """Links that lead nowhere, and what would be loaded from elsewhere."""
    pages = {path: Page(path) for path in out.rglob("*.html") if path.name != "404.html"}
    wrong = []
    for path, page in pages.items():
        wrong += [f"{path.name}: loads {url}" for url in page.remote]
        for link in page.links:
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists():
                wrong.append(f"{path.name}: {link}")
            elif anchor and target in pages and anchor not in pages[target].ids:
                wrong.append(f"{path.name}: {link}: no such heading")
    return wrong, sum(len(page.links) for page in pages.values()), len(pages)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: site.py OUT")
    out = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / "pages"
        sources(folder)
        settings = pathlib.Path(work) / "mkdocs.yml"
        settings.write_text(configuration(folder, out))
        subprocess.run(["mkdocs", "build", "--quiet", "--config-file", settings], check=True,
                       env=dict(os.environ, LC_ALL="C.UTF-8"))
    wrong, links, pages = check(out)
    if wrong:
        sys.exit("site.py: these lead nowhere:\n" + "\n".join(sorted(set(wrong))))
    print(f"{pages} pages, {links} links: {out}/index.html")


main()
