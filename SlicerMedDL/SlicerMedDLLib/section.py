"""What the sections of a panel share."""

from __future__ import annotations

from typing import Any

from meddl.core.errors import MedDLError
from SlicerMedDLLib.translation import said


class Section:
    """A part of the panel with widgets and a subject of its own.

    Attributes:
        button: name of the collapsible button around it.
        widget: the module's widget, which owns parameter node, runner and status line.
        ui: the named widgets of the panel.
        logic: the module's logic.
    """

    button: str

    def __init__(self, widget: Any) -> None:
        self.widget, self.ui, self.logic = widget, widget.ui, widget.logic
        self._tips: dict[str, str] = {}  # of buttons, as the panel's file has them
        getattr(self.ui, self.button).connect("contentsCollapsed(bool)", self.onCollapsed)
        self.connect()

    def onCollapsed(self, collapsed: bool) -> None:
        """Opening a section shows all of its widgets, also those that are hidden."""
        if not collapsed and self.node is not None:
            self.follow()

    @property
    def node(self) -> Any:
        """The wrapped parameter node; None while the scene closes."""
        return self.widget.parameterNode

    def connect(self) -> None:
        """Connect what the parameter node does not."""

    def bind(self) -> None:
        """The panel is about to show another state: forget what was seen of the one before."""

    def follow(self) -> None:
        """Follow a change of the parameters."""

    def leave(self) -> None:
        """The panel is closed, or its scene."""

    def disconnect(self) -> None:
        """The panel is gone for good: let go of what outlives it."""

    def allow(self, button: str, obstacle: str) -> None:
        """Enable a button by its name, or say in its tooltip why it is not."""
        widget = getattr(self.ui, button)
        tip = self._tips.setdefault(button, str(widget.toolTip))
        widget.enabled, widget.toolTip = not obstacle, obstacle or tip

    def attempt(self, action: Any, *arguments: Any) -> Any:
        """Call what a button starts; an error is shown, and None returned."""
        try:
            return action(*arguments)
        except MedDLError as error:
            self.widget.showError(said(error))
            self.widget.showStatus(said(error))
            return None
