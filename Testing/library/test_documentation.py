"""The pages say what is true of the tree: commands parse, links lead somewhere, no page is lost."""

from __future__ import annotations

import re
from functools import cache

import pytest

from library.pages import DOCS, PAGES, ROOT, anchors, blocks, commands, links
from meddl.cli.main import COMMANDS, PASSING_ON, build_parser, join_negative_values, main
from meddl.core.errors import InputError, MedDLError

GUIDE = (DOCS / "command-line.md").read_text()

parser_of = cache(build_parser)


def parse(words: list[str]) -> None:
    """Parse a command line as ``meddl`` does; raises what it would end with."""
    if words and words[0] not in (*COMMANDS, "--help", "--version", "COMMAND"):
        raise InputError(f"there is no command {words[0]!r}")
    if words and words[0] in COMMANDS and words[0] not in PASSING_ON and "--help" not in words:
        parser_of(words[0]).parse_args(join_negative_values(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_parses(page):
    wrong = []
    for block in blocks(page.read_text(), "sh"):
        for words in commands(block.text):
            try:
                parse(words)
            except MedDLError as error:
                wrong.append(f"{page.name}, line {block.line}: meddl {' '.join(words)}: {error}")
    assert wrong == []


def leaves() -> set[str]:
    """The names of all commands that do something, as in ``drr render``."""
    found = set()
    for command in COMMANDS:
        parsers = [parser_of(command)]
        while parsers:
            parser = parsers.pop()
            groups = [g for g in parser._actions if hasattr(g, "choices") and g.nargs == "A..."]
            parsers += [child for group in groups for child in group.choices.values()]
            if not groups:
                found.add(parser.prog.removeprefix("meddl "))
    return found


def test_the_guide_has_an_example_of_every_command():
    lines = [" ".join(words) for block in blocks(GUIDE, "sh") for words in commands(block.text)]
    lines += re.findall(r"`meddl ([^`]+)`", GUIDE)
    assert {
        name for name in leaves() if not any(f"{one} ".startswith(f"{name} ") for one in lines)
    } == set()


RUN = [block for block in blocks(GUIDE, "sh") if "run" in block.info]


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.section)
def test_the_guide_runs_on_the_bundled_data(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Testing").symlink_to(ROOT / "Testing")
    for words in commands(block.text):
        assert main(words) == 0, (words, capsys.readouterr().err)
        output = words[words.index("--output") + 1] if "--output" in words else "Testing"
        assert (tmp_path / output).exists(), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    broken = []
    for target in links(page.read_text()):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            broken.append(target)
    assert broken == []


def test_the_index_names_every_page():
    named = {one.partition("#")[0] for one in links((DOCS / "README.md").read_text())}
    pages = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    assert pages - named == set()
    assert "Docs/README.md" in links((ROOT / "README.md").read_text())


def test_the_rules_can_fail():
    with pytest.raises(InputError):
        parse(["drr", "render", "ct.nii.gz", "--output", "a.png", "--angle", "3"])
    with pytest.raises(InputError):
        parse(["drrr"])
    script = "./meddl a b \\\n  c > d  # e\ntorchrun --nproc-per-node=2 -m meddl f 'g h'\nls meddls"
    assert commands(script) == [["a", "b", "c"], ["f", "g h"]]
    page = "# A b\n[x](y.md#z) [w](https://v)\n```sh run\n[q](r)\n```\n## C: d\n"
    assert links(page) == ["y.md#z"] and anchors(page) == {"a-b", "c-d"}
    assert [block.info for block in blocks(page, "sh")] == [("sh", "run")]
