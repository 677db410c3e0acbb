"""Checks and creation that every conversion shares."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from meddl.core.errors import InputError


def describe(node: Any) -> str:
    """A node as a person knows it, for messages: ``"volume 'CT'"``."""
    kind = node.GetNodeTagName() or node.GetClassName().removeprefix("vtkMRML")
    return f"{kind} {node.GetName()!r}"


def require_node(node: Any, class_name: str, what: str) -> Any:
    """Return ``node`` if it is a ``class_name``.

    Args:
        node: an MRML node or None.
        class_name: for example ``"vtkMRMLVolumeNode"``; subclasses are accepted.
        what: what a person calls it, for example ``"volume"``.

    Raises:
        InputError: no node, or one of another class.
    """
    if node is None:
        raise InputError(_("no {what} is selected; load or select one").format(what=what))
    if not node.IsA(class_name):
        raise InputError(
            _("{node} was given, a {what} was expected").format(node=describe(node), what=what)
        )
    return node


def new_node(class_name: str, name: str) -> Any:
    """Add a node to the scene, with default display nodes where its class has them."""
    node = slicer.mrmlScene.AddNewNodeByClass(
        class_name, slicer.mrmlScene.GenerateUniqueName(name or class_name.removeprefix("vtkMRML"))
    )
    if node.IsA("vtkMRMLDisplayableNode"):
        node.CreateDefaultDisplayNodes()
    return node


def part(owner: Any, role: str) -> Any:
    """The node that plays ``role`` for ``owner``, kept with the scene; None without one."""
    return owner.GetNodeReference(role)


def set_part(owner: Any, role: str, node: Any) -> None:
    """Let ``node`` play ``role`` for ``owner``; None ends it."""
    owner.SetNodeReferenceID(role, node.GetID() if node is not None else None)
