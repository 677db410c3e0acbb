"""``meddl weights``: each action prints what it did, or its record as one JSON line."""

from __future__ import annotations

import json

import pytest

from meddl.cli.main import main
from meddl.core import weights

torch = pytest.importorskip("torch")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDDL_WEIGHTS", str(tmp_path / "user"))

    def call(*arguments: object) -> str:
        assert main(["weights", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def source(tmp_path):
    card = weights.Card(name="", task="tests", architecture="linear", metrics={"own": {"x": 1.0}})
    return weights.save_weights(torch.nn.Linear(2, 2), tmp_path / "line.safetensors", card).path


def test_the_five_actions(run, source, tmp_path):
    assert "imported line" in run("import", source)
    assert "line" in run("list") and "user" in run("list") and "tests" in run("list")
    assert "architecture: linear" in run("show", "line")
    (tmp_path / "out").mkdir()
    run("export", "line", tmp_path / "out")
    assert (tmp_path / "out" / "line.safetensors").read_bytes() == source.read_bytes()
    assert run("delete", "line") == "deleted line\n"
    assert "line" not in [card.name for card in weights.list_weights()]


def test_json_is_one_line_that_parses(run, source):
    assert json.loads(run("import", source, "--json"))["name"] == "line"
    listed = json.loads(run("list", "--json"))
    entry = next(entry for entry in listed["weights"] if entry["name"] == "line")
    assert entry["size_bytes"] == source.stat().st_size and entry["bundled"] is False
    text = run("show", "line", "--json")
    assert text.count("\n") == 1 and json.loads(text)["metrics"] == {"own": {"x": 1.0}}
    assert json.loads(run("delete", "line", "--json")) == {"deleted": "line"}
