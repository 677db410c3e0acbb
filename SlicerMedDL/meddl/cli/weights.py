"""``meddl weights``: list, show, import, export and delete trained weights."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from meddl.cli.console import print_json


def configure(subparsers: Any) -> None:
    """Add the ``weights`` command and its five actions."""
    parser = subparsers.add_parser(
        "weights",
        help="list, show, import, export or delete trained weights",
        description="Trained weights are a .safetensors file and a card (.json) that says what they"
        " do, how they were trained and how well they do. Bundled weights come with meddl; imported"
        " ones lie in the folder that 'list' names ($MEDDL_WEIGHTS overrides it).",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, function: Callable[[argparse.Namespace], int], text: str) -> Any:
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(run=function)
        return action

    any_name = "name of the weights, or the path of a .safetensors file"
    add("list", _list, "list bundled and imported weights")
    show = add("show", _show, "show the card and check the file against it")
    show.add_argument("name", metavar="NAME", help=any_name)
    import_ = add("import", _import, "copy a file and its card into the user's folder")
    import_.add_argument(
        "file", metavar="FILE", help="a .safetensors file, its .json card beside it"
    )
    export = add("export", _export, "copy weights and card into a folder")
    export.add_argument("name", metavar="NAME", help=any_name)
    export.add_argument("folder", metavar="FOLDER", help="an existing folder")
    delete = add("delete", _delete, "delete imported weights (bundled ones stay)")
    delete.add_argument("name", metavar="NAME", help="name of imported weights")


def _print(args: argparse.Namespace, record: object, lines: list[str]) -> int:
    if args.json:
        print_json(record)
    else:
        print("\n".join(lines))
    return 0


def _list(args: argparse.Namespace) -> int:
    from meddl.core.devices import megabytes
    from meddl.core.weights import list_weights, user_folder

    cards = list_weights()
    lines = []
    for card in cards:
        origin = "bundled" if card.bundled else "user"
        lines.append(f"{card.name}  {megabytes(card.size_bytes)}  {origin}  {card.task}")
    lines = lines or ["no weights yet; import some with: meddl weights import FILE.safetensors"]
    weights = [
        {**card.as_dict(), "bundled": card.bundled, "size_bytes": card.size_bytes} for card in cards
    ]
    folder = str(user_folder())
    return _print(args, {"folder": folder, "weights": weights}, [*lines, f"folder: {folder}"])


def _show(args: argparse.Namespace) -> int:
    from meddl.core.weights import find_weights, verify_weights

    card = verify_weights(find_weights(args.name))
    record = {**card.as_dict(), "path": str(card.path), "size_bytes": card.size_bytes}
    lines = [
        f"{key}: {json.dumps(value) if isinstance(value, dict) else value}"
        for key, value in record.items()
    ]
    return _print(args, record, [*lines, "checked: the file is the card's"])


def _import(args: argparse.Namespace) -> int:
    from meddl.core.weights import import_weights

    card = import_weights(args.file)
    return _print(args, card.as_dict(), [f"imported {card.name} as {card.path}"])


def _export(args: argparse.Namespace) -> int:
    from meddl.core.weights import export_weights

    path = str(export_weights(args.name, args.folder))
    return _print(args, {"path": path}, [f"exported {args.name} as {path}"])


def _delete(args: argparse.Namespace) -> int:
    from meddl.core.weights import delete_weights

    delete_weights(args.name)
    return _print(args, {"deleted": args.name}, [f"deleted {args.name}"])
