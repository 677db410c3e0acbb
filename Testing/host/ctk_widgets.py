"""Stand-ins of ctk's containers, buttons, path and text widgets, built of real Qt parts."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets

from .classes import standin
from .ctk_values import row
from .properties import computed, delegated, stored

_UNLIMITED = 16777215  # QWIDGETSIZE_MAX


class Folding:
    """Hide and show the children of a container; children that the module hid stay hidden."""

    _folded: list[QtWidgets.QWidget] | None = None

    def _children_shown(self) -> list[QtWidgets.QWidget]:
        direct = (child for child in self.children() if isinstance(child, QtWidgets.QWidget))
        return [child for child in direct if not child.isHidden()]

    def _fold(self, folded: bool) -> None:
        if folded:
            self._folded = (self._folded or []) + self._children_shown()
            for child in self._folded:
                child.hide()
        else:
            hidden, self._folded = self._folded or [], None
            for child in hidden:
                child.show()

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if self._folded is not None and event.added() and isinstance(child, QtWidgets.QWidget):
            self._folded.append(child)
            child.hide()


@standin("ctk")
class ctkCollapsibleButton(Folding, QtWidgets.QAbstractButton):
    """A header with an arrow; a click folds what is below it. collapsed == not checked."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *arguments):
        parent = next((item for item in arguments if not isinstance(item, str)), None)
        super().__init__(parent)
        self.setText(next((item for item in arguments if isinstance(item, str)), ""))
        self.setCheckable(True)
        self.setChecked(True)
        self._header = self.fontMetrics().height() + 10
        self.setContentsMargins(0, self._header, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.setMinimumHeight(self._header)
        self.connect("toggled(bool)", self._on_toggled)

    def _on_toggled(self, opened: bool) -> None:
        self._fold(not opened)
        self.setMaximumHeight(_UNLIMITED if opened else self._header)
        self.contentsCollapsed.emit(not opened)

    collapsed = computed(
        bool, lambda self: not self.checked, lambda self, value: self.setChecked(not value)
    )
    collapsedHeight = stored("collapsedHeight", int, 10)
    flat = stored("flat", bool, False)
    contentsFrameShape = stored("contentsFrameShape", int, QtWidgets.QFrame.StyledPanel)
    contentsLineWidth = stored("contentsLineWidth", int, 1)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() <= self._header

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        style = self.style()
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, self._header)
        style.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option, painter, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(8, (self._header - 10) // 2, 10, 10)
        shape = QtWidgets.QStyle.PE_IndicatorArrowDown
        if self.collapsed:
            shape = QtWidgets.QStyle.PE_IndicatorArrowRight
        style.drawPrimitive(shape, arrow, painter, self)
        text = QtCore.QRect(26, 0, self.width - 30, self._header)
        painter.drawText(text, int(QtCore.Qt.AlignVCenter | QtCore.Qt.AlignLeft), self.text)
        if not self.collapsed:
            frame = QtCore.QRect(0, self._header, self.width - 1, self.height - self._header - 1)
            painter.setPen(self.palette.color(QtGui.QPalette.Mid))
            painter.drawRect(frame)


@standin("ctk")
class ctkCollapsibleGroupBox(Folding, QtWidgets.QGroupBox):
    """A group box whose title folds its contents."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.setCheckable(True)
        self.connect("toggled(bool)", self._on_toggled)

    def _on_toggled(self, opened: bool) -> None:
        self._fold(not opened)
        self.setMaximumHeight(_UNLIMITED if opened else self.fontMetrics().height() + 8)

    collapsed = computed(
        bool, lambda self: not self.checked, lambda self, value: self.setChecked(not value)
    )
    collapsedHeight = stored("collapsedHeight", int, 14)


@standin("ctk")
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box."""


@standin("ctk")
class ctkPushButton(QtWidgets.QPushButton):
    """A push button."""

    elideMode = stored("elideMode", int, QtCore.Qt.ElideNone)


@standin("ctk")
class ctkCheckablePushButton(QtWidgets.QPushButton):
    """A push button with a check box; the check box makes the button a toggle button."""

    checkBoxToggled = QtCore.Signal(bool)

    checkBoxControlsButton = stored("checkBoxControlsButton", bool, True)
    checkBoxControlsButtonToggleState = stored("checkBoxControlsButtonToggleState", bool, True)
    checkBoxUserCheckable = stored("checkBoxUserCheckable", bool, True)
    elideMode = stored("elideMode", int, QtCore.Qt.ElideNone)


@standin("ctk")
class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu."""


@standin("ctk")
class ctkExpandButton(QtWidgets.QToolButton):
    """A checkable arrow."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.setCheckable(True)
        self.setArrowType(QtCore.Qt.RightArrow)
        self.connect("toggled(bool)", self._on_toggled)

    def _on_toggled(self, checked: bool) -> None:
        self.setArrowType(QtCore.Qt.LeftArrow if checked else QtCore.Qt.RightArrow)


@standin("ctk")
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for no selection."""

    defaultText = stored("defaultText", str, "", "_on_default")
    forceDefault = stored("forceDefault", bool, False)
    elideMode = stored("elideMode", int, QtCore.Qt.ElideNone)

    def _on_default(self) -> None:
        self.setPlaceholderText(self.defaultText)

    def setCurrentUserDataAsString(self, data: str) -> None:
        found = [index for index in range(self.count) if str(self.itemData(index)) == data]
        if found:
            self.currentIndex = found[0]

    currentUserDataAsString = computed(
        str, lambda self: str(self.currentData or ""), setCurrentUserDataAsString
    )


@standin("ctk")
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line edit for searching."""

    showSearchIcon = stored("showSearchIcon", bool, False)


@standin("ctk")
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as high as its text."""

    collapsed = stored("collapsed", bool, True)

    def setCollapsibleText(self, text: str) -> None:
        self.setText(text)


@standin("ctk")
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that may remember not to show again."""

    dontShowAgainVisible = stored("dontShowAgainVisible", bool, False)
    dontShowAgain = stored("dontShowAgain", bool, False)
    dontShowAgainSettingsKey = stored("dontShowAgainSettingsKey", str, "")

    def setDontShowAgain(self, value: bool) -> None:
        self.dontShowAgain = value


@standin("ctk")
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows and picks a colour."""

    colorChanged = QtCore.Signal(QtGui.QColor)
    colorNameChanged = QtCore.Signal(str)

    def __init__(self, *arguments):
        super().__init__(*(item for item in arguments if not isinstance(item, QtGui.QColor)))
        self._color = QtGui.QColor(0, 0, 0)
        self._draw()
        self.connect("clicked()", self.changeColor)

    def _draw(self) -> None:
        pixmap = QtGui.QPixmap(16, 16)
        pixmap.fill(self._color)
        self.setIcon(QtGui.QIcon(pixmap))
        if self.displayColorName:
            self.setText(self._color.name())

    def setColor(self, color: QtGui.QColor) -> None:
        if color != self._color:
            self._color = QtGui.QColor(color)
            self._draw()
            self.colorChanged.emit(self._color)
            self.colorNameChanged.emit(self._color.name())

    def changeColor(self) -> None:
        """Ask for a colour; the host answers with the queued one."""
        from . import record

        record.add_message("dialog", "Select color", self._color.name())
        self.setColor(record.next_answer(self._color))

    color = computed(QtGui.QColor, lambda self: self._color, setColor)
    colorName = computed(
        str,
        lambda self: self._color.name(),
        lambda self, name: self.setColor(QtGui.QColor(name)),
    )
    displayColorName = stored("displayColorName", bool, True, "_draw")


@standin("ctk")
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path with history and browse button."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    Filters = QtCore.QDir.Filter
    Files, Dirs, Drives = QtCore.QDir.Files, QtCore.QDir.Dirs, QtCore.QDir.Drives
    Executable, Readable, Writable = (
        QtCore.QDir.Executable,
        QtCore.QDir.Readable,
        QtCore.QDir.Writable,
    )
    NoDot, NoDotDot = QtCore.QDir.NoDot, QtCore.QDir.NoDotDot

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._combo = QtWidgets.QComboBox()
        self._combo.setEditable(True)
        self._button = QtWidgets.QToolButton()
        self._button.setText("...")
        row(self, self._combo, self._button).setStretch(0, 1)
        self._combo.connect("editTextChanged(QString)", self.currentPathChanged.emit)
        self._button.connect("clicked()", self.browse)

    def _set_path(self, path: str) -> None:
        self._combo.setEditText(path)

    def setCurrentPath(self, path: str) -> None:
        self._combo.setEditText(path)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo

    def browse(self) -> None:
        """Open the file dialog that fits the filters; a cancelled dialog changes nothing."""
        directory = self.filters & QtCore.QDir.Dirs and not self.filters & QtCore.QDir.Files
        dialog = QtWidgets.QFileDialog
        ask = dialog.getExistingDirectory if directory else dialog.getOpenFileName
        path = ask(self, self.label, self.currentPath)
        if path:
            self.setCurrentPath(path)

    def _key(self) -> str:
        return f"PathLineEdit/{self.settingKey}"

    def addCurrentPathToHistory(self) -> None:
        """Keep the path for later sessions, newest first."""
        if not self.settingKey or not Path(self.currentPath).exists():
            return
        history = [self.currentPath, *self._history()]
        QtCore.QSettings().setValue(self._key(), json.dumps(list(dict.fromkeys(history))[:10]))

    def _history(self) -> list[str]:
        return json.loads(QtCore.QSettings().value(self._key()) or "[]")

    def retrieveHistory(self) -> None:
        """Fill the list with the kept paths and show the newest."""
        self._combo.clear()
        self._combo.addItems(self._history())

    currentPath = computed(str, lambda self: self._combo.currentText, _set_path)
    filters = stored("filters", int, int(QtCore.QDir.Files))
    options = stored("options", int, 0)
    nameFilters = stored("nameFilters", "QStringList", [])
    label = stored("label", str, "")
    settingKey = stored("settingKey", str, "", "retrieveHistory")
    showBrowseButton = computed(
        bool, lambda self: not self._button.isHidden(), lambda self, v: self._button.setVisible(v)
    )
    showHistoryButton = stored("showHistoryButton", bool, True)


@standin("ctk")
class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows and picks a folder."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    def __init__(self, *arguments):
        parent = next((item for item in arguments if not isinstance(item, str)), None)
        super().__init__(parent)
        directory = next((item for item in arguments if isinstance(item, str)), ".")
        self._directory = str(Path(directory).resolve())
        self._button = QtWidgets.QPushButton(self._directory)
        self._button.setIcon(self.style().standardIcon(QtWidgets.QStyle.SP_DirIcon))
        row(self, self._button)
        self._button.connect("clicked()", self.browse)

    def _set_directory(self, directory: str) -> None:
        path = str(Path(directory).resolve())
        if path != self._directory:
            self._directory = path
            self._button.text = path
            self.directoryChanged.emit(path)

    def browse(self) -> None:
        path = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption, self.directory)
        if path:
            self.directory = path
            self.directorySelected.emit(self.directory)

    directory = computed(str, lambda self: self._directory, _set_directory)
    text = delegated("text", str, "_button")
    caption = stored("caption", str, "")
    options = stored("options", int, 0)
