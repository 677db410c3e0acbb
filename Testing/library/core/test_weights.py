"""Weights: what is written is what is read, and nothing doubtful is read at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct

import pytest

from meddl.core import weights
from meddl.core.errors import FileError, InputError

torch = pytest.importorskip("torch")

CARD = weights.Card(
    name="",
    task="separate nothing from nothing",
    architecture="tiny",
    arguments={"channels": 3},
    metrics={"held-out": {"dice": 0.5}},
)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    bundled, user = tmp_path / "bundled", tmp_path / "user"
    bundled.mkdir()
    monkeypatch.setattr(weights, "bundled_folder", lambda: bundled)
    monkeypatch.setenv("MEDDL_WEIGHTS", str(user))
    return bundled, user


def network(features: int = 3) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(2, features), torch.nn.BatchNorm1d(features))


def snapshot(folder) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_round_trip_keeps_every_tensor_and_the_card(tmp_path):
    module, other = network(), network()
    saved = weights.save_weights(module, tmp_path / "tiny-v1.0.safetensors", CARD)
    assert saved.sha256 == hashlib.sha256(saved.path.read_bytes()).hexdigest()
    card = weights.load_weights(other, saved.path)
    assert card == saved and card.name == "tiny-v1.0" and card.arguments == {"channels": 3}
    for (name, a), b in zip(module.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_metrics_that_are_not_finite_are_refused(tmp_path):
    card = dataclasses.replace(CARD, metrics={"held-out": {"hd95": float("inf")}})
    with pytest.raises(InputError, match=r"held-out.*finite"):
        weights.save_weights(network(), tmp_path / "w.safetensors", card)
    assert not list(tmp_path.glob("w.*"))


def test_import_list_export_delete(tmp_path, folders):
    bundled, user = folders
    source = weights.save_weights(network(), tmp_path / "mine.safetensors", CARD).path
    weights.save_weights(network(), bundled / "ours.safetensors", CARD)
    imported = weights.import_weights(source)
    assert imported.path == user / "mine.safetensors" and not imported.bundled
    (user / ".part-0.safetensors").write_bytes(b"left by a kill")
    cards = weights.list_weights()
    assert [(c.name, c.bundled) for c in cards] == [("ours", True), ("mine", False)]
    assert cards[1].size_bytes == source.stat().st_size
    (tmp_path / "out").mkdir()
    exported = weights.export_weights("mine", tmp_path / "out")
    assert exported.read_bytes() == source.read_bytes()
    with pytest.raises(FileError, match="exists already"):
        weights.export_weights("mine", tmp_path / "out")
    weights.delete_weights("mine")
    assert [p.name for p in user.iterdir()] == [".part-0.safetensors"]
    with pytest.raises(InputError, match="bundled with meddl"):
        weights.delete_weights("ours")


def test_bundled_weights_come_first(tmp_path, folders):
    bundled, user = folders
    user.mkdir()
    weights.save_weights(network(), user / "same.safetensors", CARD)
    assert weights.find_weights("same") == user / "same.safetensors"
    weights.save_weights(network(), bundled / "same.safetensors", CARD)
    assert weights.find_weights("same") == bundled / "same.safetensors"
    assert [card.bundled for card in weights.list_weights()] == [True]
    source = weights.save_weights(network(), tmp_path / "same.safetensors", CARD).path
    with pytest.raises(FileError, match="taken by bundled"):
        weights.import_weights(source)


def test_a_changed_byte_is_found(tmp_path):
    path = weights.save_weights(network(), tmp_path / "w.safetensors", CARD).path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileError, match="SHA-256"):
        weights.load_weights(network(), path)


def test_the_first_differences_from_the_network_are_named(tmp_path):
    path = weights.save_weights(network(3), tmp_path / "w.safetensors", CARD).path
    with pytest.raises(InputError, match=r"0\.weight is \(3, 2\) in the file, \(5, 2\)"):
        weights.load_weights(network(5), path)
    with pytest.raises(InputError, match=r"1\.bias is unknown to the network.* and 2 more"):
        weights.load_weights(torch.nn.Sequential(torch.nn.Linear(2, 3)), path)
    with pytest.raises(InputError, match=r"2\.weight is missing in the file"):
        weights.load_weights(network(3).append(torch.nn.Linear(1, 1)), path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    module = network()
    torch.nn.init.constant_(module[0].bias, float("nan"))
    path = weights.save_weights(module, tmp_path / "w.safetensors", CARD).path
    target = network()
    before = target[0].weight.clone()
    with pytest.raises(FileError, match=r"0\.bias holds values that are not finite"):
        weights.load_weights(target, path)
    assert torch.equal(before, target[0].weight)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt"])
def test_pickles_are_refused_with_the_remedy(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    torch.save(network().state_dict(), path)
    for action in (weights.find_weights, weights.import_weights):
        with pytest.raises(FileError, match=r"safetensors\.torch\.save_file"):
            action(path)


def with_card(path, data: bytes):
    """A file with a card that vouches for exactly these bytes."""
    path.write_bytes(data)
    card = dataclasses.replace(CARD, name=path.stem, sha256=hashlib.sha256(data).hexdigest())
    path.with_suffix(".json").write_text(json.dumps(card.as_dict()))
    return path


def header(table) -> bytes:
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text


HOSTILE = {
    "length beyond the file": struct.pack("<Q", 10**12) + b"{}",
    "truncated length": b"\x01\x02",
    "no JSON": struct.pack("<Q", 4) + b"nope",
    "offsets beyond the data": header(
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    )
    + b"\0" * 8,
    "overlapping tensors": header(
        {n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}
    )
    + b"\0" * 4,
    "shape against offsets": header(
        {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}
    )
    + b"\0" * 4,
    "bytes after the tensors": header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    + b"\0" * 64,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_and_leave_nothing(tmp_path, folders, kind):
    path = with_card(tmp_path / "hostile.safetensors", HOSTILE[kind])
    with pytest.raises(FileError, match="no valid safetensors file"):
        weights.import_weights(path)
    assert not folders[1].exists()


BAD_CARDS = {
    "name": ("../../evil", "no name for weights"),
    "arguments": ([], "arguments is list, dict was expected"),
    "metrics": ({"held-out": 0.5}, "no table metric: value"),
    "seed": (True, "seed is bool, int was expected"),
    "format": (99, "card format 99"),
    "surplus": (1, "unknown field 'surplus'"),
    "task": (None, "task is NoneType, str was expected"),
}


@pytest.mark.parametrize("key", BAD_CARDS)
def test_bad_cards_are_refused(tmp_path, folders, key):
    path = weights.save_weights(network(), tmp_path / "w.safetensors", CARD).path
    value, message = BAD_CARDS[key]
    record = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**record, key: value}))
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match=message):
        weights.import_weights(path)
    assert snapshot(tmp_path) == before


def test_missing_things_are_named(tmp_path, folders):
    path = weights.save_weights(network(), tmp_path / "w.safetensors", CARD).path
    path.with_suffix(".json").unlink()
    with pytest.raises(FileError, match="has no card"):
        weights.import_weights(path)
    with pytest.raises(FileError, match="there are no weights 'nothing'"):
        weights.find_weights("nothing")
    with pytest.raises(FileError, match="not found"):
        weights.find_weights(tmp_path / "absent.safetensors")
    (tmp_path / "empty.safetensors").touch()
    with pytest.raises(FileError, match="is empty"):
        weights.import_weights(tmp_path / "empty.safetensors")
    with pytest.raises(InputError, match="no name"):
        weights.delete_weights("../w")


def test_a_renamed_file_is_not_the_cards(tmp_path):
    path = weights.save_weights(network(), tmp_path / "w.safetensors", CARD).path
    path.rename(tmp_path / "v.safetensors")
    path.with_suffix(".json").rename(tmp_path / "v.json")
    with pytest.raises(FileError, match="card of 'w'"):
        weights.import_weights(tmp_path / "v.safetensors")


def test_a_broken_entry_is_left_out_of_the_list_and_can_be_deleted(folders, caplog):
    user = folders[1]
    user.mkdir()
    weights.save_weights(network(), user / "good.safetensors", CARD)
    (user / "bad.safetensors").write_bytes(b"x")
    (user / "bad.json").write_text("{")
    assert [card.name for card in weights.list_weights()] == ["good"]
    assert "bad.json" in caplog.text
    weights.delete_weights("bad")
    assert sorted(p.name for p in user.iterdir()) == ["good.json", "good.safetensors"]


def test_a_full_disk_leaves_the_previous_weights(tmp_path):
    resource = pytest.importorskip("resource")
    path = weights.save_weights(network(), tmp_path / "w.safetensors", CARD).path
    before = snapshot(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(FileError, match="cannot be written"):
            weights.save_weights(network(), path, CARD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert snapshot(tmp_path) == before
