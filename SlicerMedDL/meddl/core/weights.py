"""Trained weights: one ``NAME.safetensors`` and one card ``NAME.json`` (optionally ``NAME.md``).

The card says what the weights are for, how to rebuild the network, what it was trained on and how
well it does, and holds the SHA-256 of the weights, which is checked whenever they are read. Pickled
weights (``.pt``, ``.pth``, ``.ckpt``) are refused, because reading them can run code.

Names are looked up in the bundled folder first, then in the user's. Building the network from the
card's architecture and arguments is the business of the system that defines the network.
"""

from __future__ import annotations

import logging
import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file, read_json, sha256, visible, write_json
from meddl.core.optional import require

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

logger = logging.getLogger(__name__)

CARD_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".tar")


@dataclass(frozen=True)
class Card:
    """What is known about one set of weights.

    Attributes:
        name: file name without suffix: letters, digits, ``.``, ``_``, ``-``.
        task: what the network does, one sentence.
        architecture: the name under which a system knows the network.
        arguments: keyword arguments that rebuild it.
        input_range: the values that the network expects, for example ``"0..1"``.
        units: of input and output, for example ``"HU in, probability out"``.
        training_data: data sets with their sources.
        licence: of the weights.
        seed: of the training run.
        command: the command line that trained it.
        metrics: held-out data set -> metric -> value.
        sha256: of the ``.safetensors`` file, hexadecimal.
        format: version of this record.
        path: the ``.safetensors`` file that the card belongs to; not part of the record.
    """

    name: str
    task: str
    architecture: str
    arguments: dict[str, Any] = field(default_factory=dict)
    input_range: str = ""
    units: str = ""
    training_data: str = ""
    licence: str = ""
    seed: int = 0
    command: str = ""
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    sha256: str = ""
    format: int = CARD_FORMAT
    path: Path | None = field(default=None, compare=False)

    @property
    def bundled(self) -> bool:
        """Whether the weights come with the library (and cannot be deleted)."""
        return self.path is not None and self.path.parent == bundled_folder()

    @property
    def size_bytes(self) -> int:
        """Size of the weights file in bytes; 0 for a card without a file."""
        return self.path.stat().st_size if self.path is not None else 0

    def as_dict(self) -> dict[str, Any]:
        """The record as plain JSON types, without ``path``."""
        record = asdict(self)
        del record["path"]
        return record


def bundled_folder() -> Path:
    """The folder of the weights that come with the library."""
    return Path(__file__).resolve().parents[1] / "weights"


def user_folder() -> Path:
    """The folder of imported and trained weights; it need not exist yet.

    ``$MEDDL_WEIGHTS`` if set; in a checkout its ``.cache/weights``; else the platform's data
    folder.
    """
    if os.environ.get("MEDDL_WEIGHTS"):
        return Path(os.environ["MEDDL_WEIGHTS"]).expanduser().absolute()
    repository = Path(__file__).resolve().parents[3]
    if (repository / "pyproject.toml").is_file():
        return repository / ".cache" / "weights"
    platformdirs = require("platformdirs", "finding the folder of your weights")
    return platformdirs.user_data_path("meddl", appauthor=False) / "weights"


def check_name(name: str) -> str:
    """``name`` if it can name weights, which also keeps it inside its folder.

    Raises:
        InputError: empty, over 100 characters, or with other characters than letters, digits,
            ``.``, ``_`` and ``-``.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for weights: use up to 100 letters, digits, '.', '_' or '-', "
            "beginning and ending with a letter or digit"
        )
    return name


def _sibling(path: Path, suffix: str) -> Path:
    """``NAME.safetensors`` -> ``NAME.json``; names may contain dots."""
    return path.with_name(path.name.removesuffix(".safetensors") + suffix)


def read_card(path: str | Path) -> Card:
    """Read the card of a weights file; ``path`` is the ``.safetensors`` or the ``.json`` file.

    Raises:
        FileError: the card is missing, malformed, lacks a field, has an unknown one or one of the
            wrong type, names other weights, or was written by a newer version.
    """
    path = Path(path)
    weights = path.with_suffix(".safetensors") if path.suffix == ".json" else path
    source = _sibling(weights, ".json")
    if weights.exists() and not source.exists():
        raise FileError(f"{weights} has no card; put its {source.name} beside it")
    values = read_json(source, "weights card")
    if not isinstance(values, dict):
        raise FileError(f"{source} holds {type(values).__name__}, a table was expected")
    version = values.get("format")
    if version != CARD_FORMAT:
        raise FileError(
            f"{source} has card format {version!r}, this version reads {CARD_FORMAT}; update meddl"
        )
    kinds = {"arguments": dict, "metrics": dict, "seed": int, "format": int}
    known = [item.name for item in fields(Card) if item.name != "path"]
    for name in [*known, *values]:
        if name not in values:
            raise FileError(f"{source} lacks the field {name!r}")
        if name not in known:
            raise FileError(f"{source} has the unknown field {name!r}")
        kind = kinds.get(name, str)
        if not isinstance(values[name], kind) or isinstance(values[name], bool):
            got = type(values[name]).__name__
            raise FileError(f"{source}: {name} is {got}, {kind.__name__} was expected")
    if check_name(values["name"]) != source.name.removesuffix(".json"):
        raise FileError(f"{source} is the card of {values['name']!r}; name file and card alike")
    for data, scores in values["metrics"].items():
        if not isinstance(scores, dict):
            raise FileError(f"{source}: the metrics on {data!r} are no table metric: value")
    return Card(**values, path=weights)


def list_weights() -> list[Card]:
    """The cards of all weights, bundled ones first, each group by name.

    A user's card that cannot be read is left out and logged as a warning. A user's file with the
    name of a bundled one is hidden by it, as in :func:`find_weights`.
    """
    cards: dict[str, Card] = {}
    for folder in (bundled_folder(), user_folder()):
        for path in visible(folder, "*.safetensors"):
            try:
                card = read_card(path)
            except InputError as error:
                logger.warning("weights left out of the list: %s", error)
                continue
            cards.setdefault(card.name, card)
    return list(cards.values())


def find_weights(name_or_path: str | Path) -> Path:
    """The ``.safetensors`` file of a name (bundled, then the user's folder) or of a path.

    Raises:
        FileError: nothing of that name, or a pickle.
    """
    text = str(name_or_path)
    path = Path(name_or_path)
    if path.suffix.lower() in _PICKLES:
        raise FileError(
            f"{text} is a pickle, which can run code when read; convert it where it was made with "
            "safetensors.torch.save_file(model.state_dict(), 'NAME.safetensors') and add a card"
        )
    if _NAME.fullmatch(text):
        for folder in (bundled_folder(), user_folder()):
            if (folder / f"{text}.safetensors").is_file():
                return folder / f"{text}.safetensors"
    if path.suffix == ".safetensors":
        return existing_file(path, "weights file")
    there = ", ".join(card.name for card in list_weights()) or "none"
    raise FileError(
        f"there are no weights {text!r}; there are: {there}; "
        "import a file with: meddl weights import FILE.safetensors"
    )


def _header(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor; safetensors checks lengths, offsets and types on opening."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = file.keys()
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (safetensors.SafetensorError, OSError) as error:
        raise FileError(f"{path} is no valid safetensors file: {error}") from error


def verify_weights(path: str | Path) -> Card:
    """Check a weights file against its card and return the card.

    Raises:
        FileError: missing file or card, SHA-256 differs, or no valid safetensors file.
    """
    path = existing_file(path, "weights file")
    card = read_card(path)
    found = sha256(path)
    if found != card.sha256:
        raise FileError(
            f"{path} has SHA-256 {found[:12]}…, its card says {card.sha256[:12] or 'nothing'}…: "
            "the file is damaged or not the card's; get both again"
        )
    _header(path)
    return card


def _differences(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> list[str]:
    lines = []
    for name in [*expected, *(n for n in found if n not in expected)]:
        if name not in found:
            lines.append(f"{name} is missing in the file")
        elif name not in expected:
            lines.append(f"{name} is unknown to the network")
        elif expected[name] != found[name]:
            lines.append(f"{name} is {found[name]} in the file, {expected[name]} in the network")
    return lines


def load_weights(module: Module, name_or_path: str | Path, device: str = "cpu") -> Card:
    """Load verified weights into ``module``, move it to ``device`` and return the card.

    Args:
        module: the network, built from the card's architecture and arguments.
        name_or_path: see :func:`find_weights`.
        device: a torch device name.

    Raises:
        FileError: see :func:`find_weights` and :func:`verify_weights`; also values that are not
            finite.
        InputError: names or shapes differ from the network's; the first three are named.
    """
    import torch
    from safetensors.torch import load_file

    path = find_weights(name_or_path)
    card = verify_weights(path)
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    differences = _differences(expected, _header(path))
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise InputError(
            f"{path.name} ({card.architecture}) does not fit this {type(module).__name__}: "
            f"{'; '.join(differences[:3])}{more}"
        )
    state = load_file(path)
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise FileError(f"{path}: {name} holds values that are not finite; train it again")
    module.load_state_dict(state)
    module.to(device)
    return card


def with_half_kernels(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's state with 16 bits per number of its convolutions, about half the size.

    :func:`load_weights` fills a network of 32 bits from it, so that computing does not change.
    """
    return {name: t.half() if t.ndim >= 4 else t for name, t in state.items()}


def tensor_bytes(state: Mapping[str, Tensor]) -> bytes:
    """A network's state as the content of a ``.safetensors`` file."""
    from safetensors.torch import save

    # Copies, because safetensors refuses tensors that share memory or are views.
    return save(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    )


def save_weights(
    module_or_state: Module | Mapping[str, Tensor], path: str | Path, card: Card
) -> Card:
    """Write ``NAME.safetensors`` and ``NAME.json``; return the card with name, path and SHA-256.

    Args:
        module_or_state: a network or its state (name -> tensor of any device).
        path: ends in ``.safetensors``; its stem becomes the card's name.
        card: everything else that is known.

    Raises:
        InputError: another suffix, no admissible name, or metrics that are not finite.
        FileError: the folder cannot be written, or the disk is full.
    """
    import hashlib

    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: a weights file ends in .safetensors")
    name = check_name(path.name.removesuffix(".safetensors"))
    for held_out, scores in card.metrics.items():
        if not all(math.isfinite(value) for value in scores.values()):
            raise InputError(
                f"the metrics on {held_out!r} are {scores}, finite numbers were expected"
            )
    state = (
        module_or_state if isinstance(module_or_state, Mapping) else module_or_state.state_dict()
    )
    data = tensor_bytes(state)
    card = replace(card, name=name, sha256=hashlib.sha256(data).hexdigest(), path=path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        write_json(_sibling(path, ".json"), card.as_dict())
    return card


def _copy_entry(source: Path, folder: Path) -> Path:
    """Copy weights, card and description into ``folder``, where none of them may exist."""
    # The weights last: without them there is no entry.
    parts = [_sibling(source, suffix) for suffix in (".md", ".json", ".safetensors")]
    parts = [part for part in parts if part.exists()]
    for part in parts:
        if (folder / part.name).exists():
            raise FileError(f"{folder / part.name} exists already; delete it first")
    for part in parts:
        with atomic_path(folder / part.name) as temporary:
            shutil.copyfile(part, temporary)
    return folder / source.name


def import_weights(path: str | Path) -> Card:
    """Copy a user's ``.safetensors`` file and the card beside it into the user's folder.

    Raises:
        FileError: see :func:`verify_weights`; or the name is taken, or the folder cannot be
            written.
    """
    source = Path(path)
    if source.suffix != ".safetensors":
        find_weights(source)  # refuses pickles with their own message
        raise FileError(f"{source}: give the .safetensors file, its card is found beside it")
    card = verify_weights(source)
    if (bundled_folder() / f"{card.name}.safetensors").exists():
        raise FileError(f"the name {card.name!r} is taken by bundled weights; rename file and card")
    folder = user_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder {folder} cannot be made: {error.strerror}") from error
    return replace(card, path=_copy_entry(source, folder))


def export_weights(name: str, folder: str | Path) -> Path:
    """Copy weights and card into an existing ``folder``; return the ``.safetensors`` file there.

    Raises:
        FileError: no such weights or folder, damaged weights, or the files exist there already.
    """
    source = find_weights(name)
    verify_weights(source)
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder; make it first")
    return _copy_entry(source, folder)


def delete_weights(name: str) -> None:
    """Delete weights, card and description from the user's folder; broken ones too.

    Raises:
        InputError: bundled weights, which belong to the installation.
        FileError: nothing of that name in the user's folder, or it cannot be deleted.
    """
    path = user_folder() / f"{check_name(name)}.safetensors"
    if not path.is_file():
        if (bundled_folder() / path.name).is_file():
            raise InputError(f"{name} is bundled with meddl and cannot be deleted")
        raise FileError(f"there are no weights {name!r} in {user_folder()}")
    try:
        for suffix in (".safetensors", ".json", ".md"):
            _sibling(path, suffix).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path} cannot be deleted: {error.strerror}") from error
