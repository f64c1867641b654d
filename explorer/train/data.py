"""What to train on: the sample paintings, a folder of pictures, or a file of arrays; also by dropping one."""

from pathlib import Path
from typing import Any

from PyQt6.QtCore import QMimeData, QStandardPaths, Qt
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QFontMetrics, QResizeEvent
from PyQt6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from explorer.messages import Seen, SettingInfo
from explorer.safe_text import line, plain
from explorer.widgets import theme
from explorer.widgets.fields import Field, Unfit
from explorer.widgets.picture_row import PictureRow, seen_in_words
from explorer.widgets.preferences import Preferences

SAMPLES = "paintings"
_SIDE = 32  # pixels of the few pictures that are shown
SUFFIXES = (".h5", ".hdf5", ".npy", ".npz")


def dropped_data(data: QMimeData | None) -> str:
    """The first folder or array file among what is dragged, "" where there is none."""
    for url in data.urls() if data is not None and data.hasUrls() else ():
        path = Path(url.toLocalFile())
        if url.isLocalFile() and (path.is_dir() or path.suffix.lower() in SUFFIXES):
            return str(path)
    return ""


class DataField(Field):
    """Names what is chosen and offers the three ways to choose."""

    def __init__(self, info: SettingInfo, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(info, parent)
        self._preferences = preferences
        self._chosen = str(info.default)
        self._name = QLabel(self)
        self._name.setTextFormat(Qt.TextFormat.PlainText)
        self._name.setMinimumWidth(8 * theme.UNIT)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.UNIT // 2)
        for text, act, tip in (
            ("Samples", lambda: self.set_value(SAMPLES), "The sample paintings that come with the program"),
            ("&Folder…", self._ask_folder, "A folder of your own pictures, subfolders included"),
            ("F&ile…", self._ask_file, "An HDF5 file with `images`, or a .npy or .npz file of pictures"),
        ):
            button = QPushButton(text, self)
            button.setToolTip(tip)
            button.clicked.connect(act)
            buttons.addWidget(button, 1)
        column = QVBoxLayout()
        column.setSpacing(theme.UNIT // 2)
        column.addWidget(self._name)
        column.addLayout(buttons)
        self.looked_at = ""  # what the row of pictures is of
        self.seen = PictureRow(_SIDE, self)
        self.seen.hide()
        column.addWidget(self.seen)
        self.row.addLayout(column, 1)
        self.setAcceptDrops(True)
        self._show()

    @property
    def chosen(self) -> str:
        """What is chosen, whether or not it is still there."""
        return self._chosen

    def show_seen(self, seen: Seen | None) -> None:
        """How many pictures there are, and a few of them; None: nothing is known."""
        self.seen.setVisible(seen is not None)
        if seen is not None:
            self.seen.show_pictures(seen_in_words(seen), seen.images)

    def say(self, sentence: str) -> None:
        """Why there is nothing to see."""
        self.seen.show()
        self.seen.show_pictures(sentence, None)

    @property
    def text(self) -> str:
        """What is chosen, as it is shown where there is room."""
        return "Sample paintings" if self._chosen == SAMPLES else self._chosen

    def value(self) -> str:
        if self._chosen != SAMPLES and not Path(self._chosen).exists():
            raise Unfit(f"{self._chosen} is not there any more. Choose another folder or file.")
        return self._chosen

    def set_value(self, value: Any) -> None:
        self._chosen = str(self.info.default if value is None else value)
        self._show()
        self.edited.emit()

    def _ask_folder(self) -> None:
        self._take(QFileDialog.getExistingDirectory(self, "Train on the pictures in a folder", self._start()))

    def _ask_file(self) -> None:
        kinds = "Arrays of pictures (" + " ".join("*" + suffix for suffix in SUFFIXES) + ")"
        self._take(QFileDialog.getOpenFileName(self, "Train on the pictures in a file", self._start(), kinds)[0])

    def _start(self) -> str:
        pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
        return str(self._preferences.get("train/data_folder", pictures))

    def _take(self, path: str) -> None:
        if path:
            self._preferences.set("train/data_folder", str(Path(path).parent))
            self._preferences.agree(path)
            self.set_value(path)

    def _show(self) -> None:
        room = max(self._name.width(), 8 * theme.UNIT)
        metrics = QFontMetrics(self._name.font())
        self._name.setText(metrics.elidedText(line(self.text), Qt.TextElideMode.ElideMiddle, room))
        self._name.setToolTip(plain(self.text))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._show()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and dropped_data(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        path = "" if event is None else dropped_data(event.mimeData())
        if path and event is not None:
            event.acceptProposedAction()
            self._take(path)
