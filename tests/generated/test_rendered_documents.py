"""What the documents of every combination say is there."""

import re
from pathlib import Path

from .documented import tokens
from .rendering import Service

# What a person who fills in a form by hand leaves behind.
PLACEHOLDERS = r"\b(TODO|TBD|FIXME|XXX|CHANGE_?ME|lorem ipsum)\b|example\.(com|org)|<your\b|\.\.\.$"

# They are there once the service is installed, runs, or has a second version.
MADE_LATER = {".postgres/", "openapi/", "openapi/v1.json", "routes_v2.py", "uv.lock"}


def code(text: str) -> list[str]:
    """What stands in a document's code spans and blocks."""
    kinds = {"code_inline", "code_block", "fence"}
    return [token.content for token in tokens(text) if token.type in kinds]


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def test_every_link_leads_somewhere(service: Service) -> None:
    documents = service.texts("*.md")
    for path, text in documents.items():
        links = [str(token.attrs["href"]) for token in tokens(text) if token.type == "link_open"]
        for link in links:
            if not re.match(r"[a-z]+:", link):
                target, _, anchor = link.partition("#")
                file = (service.folder / path).parent / target if target else service.folder / path
                assert file.exists(), f"{path}: {link}"
                if anchor:
                    assert anchor in anchors(file.read_text("utf-8")), f"{path}: {link}"


def test_every_make_target_that_a_document_names_is_in_the_makefile(service: Service) -> None:
    targets = set(
        re.findall(r"^([a-z][\w-]*):", service.texts("Makefile")["Makefile"], re.MULTILINE)
    )
    named = {
        (path, target)
        for path, text in service.texts("*.md", ".env.example", "*.py").items()
        for span in (code(text) if path.endswith(".md") else re.findall("`(.+?)`", text))
        for target in re.findall(r"\bmake ([a-z][\w-]*)", span)
    }
    assert len({target for _, target in named}) >= 4
    assert {(path, target) for path, target in named if target not in targets} == set()


def test_help_shows_every_target_that_a_person_calls(service: Service) -> None:
    makefile = service.texts("Makefile")["Makefile"]
    phony = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split()
    assert re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE) == phony


def test_every_path_that_a_document_names_exists(service: Service) -> None:
    paths = {
        (document, span)
        for document, text in service.texts("*.md").items()
        for span in code(text)
        if re.fullmatch(r"[\w.][\w./-]*(/|\.(py|md|ya?ml|toml|ini|example|json))", span)
    } - {
        (document, path)
        for document in ("README.md", "RUNBOOK.md", "ARCHITECTURE.md")
        for path in MADE_LATER
    }
    assert len(paths) >= 5
    missing = [
        (document, path)
        for document, path in paths
        if not any(place.exists() for place in _places(service, path))
    ]
    assert missing == []


def test_the_readme_lists_every_type_of_problem_that_is_answered(service: Service) -> None:
    code = "".join(service.texts(f"src/{service.package}/**/*.py").values())
    served = re.findall(r'^ *(?:TITLES\[)?"([a-z-]+)"(?:: |\] = )\((\d{3}), "', code, re.MULTILINE)
    readme = service.texts("README.md")["README.md"]
    listed = re.findall(r"^\| `urn:problem:([a-z-]+)` \| (\d{3}) \|", readme, re.MULTILINE)
    assert len(listed) > 20
    assert sorted(listed) == sorted(served)


def test_no_placeholder_is_left_for_a_person_to_fill_in(service: Service) -> None:
    for path, text in service.texts().items():
        assert not re.search(PLACEHOLDERS, text, re.IGNORECASE | re.MULTILINE), path


def test_the_template_writes_one_line_for_ever_where_the_code_writes(service: Service) -> None:
    """Else an update would meet what the service has written there."""
    texts = service.texts("RUNBOOK.md", "ARCHITECTURE.md")
    between = [
        found
        for text in texts.values()
        for found in re.findall(r"<!-- (.+):start -->\n\n(.*?)\n*<!-- \1:end -->", text, re.DOTALL)
    ]
    assert between == [
        ("data-model", "`make documents` draws it here, from the code."),
        ("settings", "`make documents` lists them here, from the code."),
        ("incidents", ""),
    ]


def test_the_sections_of_a_document_have_something_to_say(service: Service) -> None:
    for path, text in service.texts("*.md").items():
        blocks = [block for block in text.split("\n\n") if block.strip()]
        for title, body in zip(blocks, [*blocks[1:], "# The end"], strict=True):
            if is_title(title) and is_title(body):
                assert depth(body) > depth(title), f"{path}: {title}"


def is_title(block: str) -> bool:
    return bool(re.fullmatch(r"#+ .+\n?", block))


def depth(title: str) -> int:
    return len(title) - len(title.lstrip("#"))


def _places(service: Service, path: str) -> list[Path]:
    """A document names a room from the top of the service or from the top of its package."""
    package = service.folder / "src" / service.package
    return [service.folder / path, package / path, *package.glob(f"modules/*/{path}")]
