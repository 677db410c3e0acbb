"""Section *Many files*: videos into a folder, in processes of their own."""

from __future__ import annotations

from dataclasses import replace

from slicer.i18n import tr as _

from DesmokeModuleLib import batch
from SlicerMedDLLib.section import Section


class BatchSection(Section):
    """Chooses files and a folder; starts and stops."""

    button = "batchButton"

    def connect(self) -> None:
        """Paths are this machine's, not the scene's."""
        import ctk

        self.batch = batch.Batch(self.widget, self.onChange)
        self.files: list[str] = []
        self.ui.outputEdit.filters = ctk.ctkPathLineEdit.Dirs
        self.ui.outputEdit.connect("currentPathChanged(QString)", self.onChange)
        self.ui.chooseButton.connect("clicked(bool)", self.onChoose)
        self.ui.batchStartButton.connect("clicked(bool)", self.onStart)

    def leave(self) -> None:
        """The scene closes or the module is unloaded."""
        self.batch.stop()

    def onChange(self, path: str = "") -> None:
        """Another file, folder, or state of the work."""
        if self.node is not None:
            self.follow()

    def follow(self) -> None:
        """Buttons for what can be done."""
        ui, busy = self.ui, self.batch.busy
        ready = bool(self.files) and bool(ui.outputEdit.currentPath.strip())
        ui.filesLabel.text = _("{count} videos").format(count=len(self.files))
        ui.chooseButton.enabled = not busy
        self.allow("batchStartButton", "" if busy or ready else _("Choose videos and a folder"))
        ui.batchStartButton.text = _("Stop") if busy else _("Desmoke the files")

    def onChoose(self, checked: bool = False) -> None:
        """Choose files in a dialog."""
        import qt

        kinds = _("Videos") + " (*.avi *.mp4 *.mov *.mkv *.webm *.wmv *.mpg *.mpeg)"
        chosen = qt.QFileDialog.getOpenFileNames(None, _("Videos"), "", kinds)
        if chosen:
            self.files = list(chosen)
            self.follow()

    def onStart(self, checked: bool = False) -> None:
        """Start, or stop what runs."""
        if self.batch.busy:
            self.batch.stop()
            self.ui.batchStartButton.enabled = False
        else:
            self.attempt(self.start)

    def start(self) -> None:
        """Clear the chosen files by the chosen method and strength.

        Raises:
            MedDLError: a missing file or folder, or others are being cleared.
        """
        settings = replace(self.widget.settings(), strength=float(self.node.strength))
        self.batch.start(self.files, self.ui.outputEdit.currentPath.strip(), settings)
