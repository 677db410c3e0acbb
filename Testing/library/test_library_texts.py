"""The catalogue of what the library says, for those who translate the modules."""

from __future__ import annotations

import ast
from string import Formatter

import pytest

from library_texts import CATALOGUE, catalogue, library_texts


def test_the_catalogue_is_of_this_library():
    told = "run: python Testing/library_texts.py"
    assert CATALOGUE.read_text(encoding="utf-8") == catalogue(), told


def test_fields_have_names_and_no_more():
    for node in ast.walk(ast.parse(catalogue())):
        if isinstance(node, ast.Constant) and "{" in str(node.value):
            fields = [part[1:] for part in Formatter().parse(node.value) if part[1] is not None]
            names = [name for name, _spec, _conversion in fields]
            assert all(name.isidentifier() for name in names) and len(set(names)) == len(names)
            assert all(spec == "" and conversion is None for _name, spec, conversion in fields)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('raise InputError(f"{path} has {n:d} frames")', ["{path} has {n} frames"]),
        ('raise InputError(f"{a.size} and {b.size} differ")', ["{size} and {size2} differ"]),
        ('raise InputError("50 {" f"{len(x)}")', ["50 {{{count}"]),
        (
            'raise InputError("no frames" if n else f"none of {kind}")',
            ["no frames", "none of {kind}"],
        ),
        (
            'raise InputError("a picture" + (f" of {n}" if n else ""))',
            ["a picture", "a picture of {n}"],
        ),
        ('text = "no frames"\nraise InputError(text)', ["no frames"]),
        ("raise InputError(f\"{x} is {'even' if n else 'odd'}\")", ["{x} is even", "{x} is odd"]),
        ('raise InputError(f"{path}: {error}")', []),
        ('def f(error="no frames"): raise InputError(f"{path}: {error}")', ["no frames"]),
        ("raise InputError(KINDS[kind])\nKINDS = {1: 'no frames'}", ["no frames"]),
        (
            'raise InputError("one of: " + ", ".join(f"size {n}" for n in x))',
            ["one of: {list}", "size {n}"],
        ),
        ('def f(progress: Progress): progress(0.5, "reading")', ["reading"]),
        ('def f(x): x(0.5, "reading")', []),
        (
            'def f(progress: Progress):\n part = subprogress(progress, 0, 1)\n part(0, "reading")',
            ["reading"],
        ),
        (
            'logger.warning("%s holds %d of %.1f %%", name, *found)',
            ["{name} holds {value} of {value2} %"],
        ),
        ('print(f"{n} frames")', ["{n} frames"]),
        (
            'def need(x, what="a picture"): raise InputError(f"{what} has no {x}")\n'
            'need(3, what="a video")\nneed(4, "a volume")',
            ["a picture", "a video", "a volume", "{what} has no {x}"],
        ),
        (
            'class A:\n def need(self, what): raise InputError(f"{what} is empty")\n'
            'a.need("a video")',
            ["a video", "{what} is empty"],
        ),
        (
            'def say(n): return f"{n} frames"\nraise InputError(f"{path}: {say(3)}")',
            ["{n} frames"],
        ),
        (
            'def f():\n def g(): raise InputError(f"{what} is empty")\n what = "the folder"',
            ["the folder", "{what} is empty"],
        ),
        (
            'raise InputError("x.png")\nraise InputError("--mask")\nraise InputError("a_name")',
            [],
        ),
    ],
)
def test_texts_are_found_wherever_they_come_from(source, texts):
    assert library_texts([source]) == texts
