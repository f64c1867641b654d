"""What is done with any picture of the window: saved, copied, shown alone; and what is pasted into it.

Each picture says by `offers.offer` that it is there. Here are the five actions, the menu of a picture and the one place
where the size and the folder of what is saved are kept.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QMimeData, QObject, QPoint, Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QAction, QDesktopServices, QGuiApplication, QImage, QKeyEvent
from PyQt6.QtWidgets import QMenu, QVBoxLayout, QWidget

from explorer.bridge import Bridge
from explorer.messages import Answer, Exported, SavePicture
from explorer.safe_text import file_name
from explorer.widgets import keys
from explorer.widgets.notice import Notice
from explorer.widgets.offers import Offer, Offered, as_mime, hub, offered_in
from explorer.widgets.picture import PictureView, dropped_files
from explorer.widgets.preferences import Preferences
from explorer.widgets.save_sheet import SaveSheet, Shape, picture_folder

MOST_PASTED = 4096  # pixels of a side: a model sees far fewer
NOTHING = "There is no picture here. Point at one and try again."
NO_PASTE = "There is no picture to paste. Copy one first, in this or another program."
_ACTIONS = (  # name, text, the name of its keys
    ("save", "&Save the picture", "save_picture"),
    ("save_as", "Save the picture &as…", "save_picture_as"),
    ("copy", "&Copy the picture", "copy_picture"),
    ("paste", "&Paste as my picture", "paste_picture"),
    ("alone", "Only the &picture", "only_picture"),
)


class Takeaway(QObject):
    """The actions, for the picture that is meant: under the pointer, else of what has the keyboard, else the largest.

    `pasted` carries a file's path, or pixels uint8 (h, w, 3) and the PNG that they came from.
    """

    pasted = pyqtSignal(object, bytes)

    def __init__(self, window: QWidget, bridge: Bridge, preferences: Preferences, notice: Notice) -> None:
        super().__init__(window)
        self._window, self._bridge, self._preferences, self._notice = window, bridge, preferences, notice
        self._alone: OnlyPicture | None = None
        does: dict[str, Callable[[Offered], object]] = {
            "save": self.save,
            "save_as": self.save_as,
            "copy": self.copy,
            "alone": self.show_alone,
        }
        self.actions: dict[str, QAction] = {}
        for name, text, pressed in _ACTIONS:
            action = self.actions[name] = QAction(text, window)
            action.setShortcuts(keys.sequences(pressed))
            done = self.paste if name == "paste" else partial(self._with_current, does[name])
            action.triggered.connect(lambda _, done=done: done())
        hub.menu_wanted.connect(self._show_menu)

    def _root(self) -> QWidget:
        return self._window if self._alone is None else self._alone

    def _with_current(self, act: Callable[[Offered], object]) -> None:
        found = offered_in(self._root())
        if found is None:
            self._notice.show_info(NOTHING, subject="picture")
        else:
            act(found)

    # ------------------------------------------------------------------ the menu of a picture

    def menu(self, offered: Offered, parent: QWidget) -> QMenu:
        """What can be done with this picture."""
        made = QMenu(parent)
        for name, act in (("save", self.save), ("save_as", self.save_as), ("copy", self.copy)):
            self._entry(made, name, partial(act, offered))
        self._entry(made, "paste", self.paste)
        made.addSeparator()
        if self._alone is None:
            self._entry(made, "alone", partial(self.show_alone, offered))
        else:
            made.addAction("&Back to the program", self._alone.close)
        return made

    def _entry(self, menu: QMenu, name: str, act: Callable[[], object]) -> None:
        known = self.actions[name]
        entry = QAction(known.text(), menu)
        entry.setShortcut(known.shortcut())
        entry.setShortcutVisibleInContextMenu(True)
        entry.triggered.connect(lambda _: act())
        menu.addAction(entry)

    def _show_menu(self, widget: QWidget, offered: Offered, where: QPoint) -> None:
        if widget.window() in (self._window, self._alone):
            menu = self.menu(offered, widget)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(where)

    # ------------------------------------------------------------------ away

    def save(self, offered: Offered) -> None:
        """Write it into the folder of the last time, under the next free name."""
        name = file_name(offered.name)
        self._write(offered, Path(picture_folder(self._preferences)) / f"{name}.png", Shape.kept(self._preferences))

    def save_as(self, offered: Offered) -> None:
        """Ask for name, folder and size, and write it."""
        sheet = SaveSheet(self._preferences, offered, self._window)
        sheet.chosen.connect(partial(self._write, offered))
        sheet.open()

    def _write(self, offered: Offered, path: Path, shape: Shape) -> None:
        question = SavePicture(str(path), offered.image, shape.side, shape.smooth, shape.written_dpi, offered.point)
        self._bridge.ask(question, self._on_saved, failed=lambda why: self._notice.show_error(why, "picture"))

    def _on_saved(self, answer: Answer) -> None:
        if isinstance(answer, Exported):
            folder = Path(answer.path).parent
            self._notice.show_info(f"Saved to {answer.path}", "Show in folder", lambda: show_folder(folder), "picture")

    def copy(self, offered: Offered) -> None:
        """Put it on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setMimeData(as_mime(offered.png()))

    def show_alone(self, offered: Offered) -> None:
        """Nothing but this picture on the screen; where it is one that changes, it goes on changing."""
        if self._alone is None:
            source = next((one.widget for one in self._window.findChildren(Offer) if _shows(one, offered)), None)
            self._alone = OnlyPicture(offered, source if isinstance(source, PictureView) else None, self._window)
            self._alone.addActions([self.actions[name] for name in ("save", "save_as", "copy", "alone")])
            self._alone.destroyed.connect(self._on_back)
            screen = self._window.screen()
            if screen is not None:
                self._alone.setGeometry(screen.geometry())
            self._alone.showFullScreen()
        else:
            self._alone.close()

    def _on_back(self) -> None:
        self._alone = None

    # ------------------------------------------------------------------ in

    def paste(self) -> None:
        """Take a picture from the clipboard: a file, or pixels."""
        clipboard = QGuiApplication.clipboard()
        data = None if clipboard is None else clipboard.mimeData()
        files = dropped_files(data)
        if files:
            self.pasted.emit(files[0], b"")
        elif data is not None and (pixels := _pixels(data)) is not None:
            self.pasted.emit(pixels, data.data("image/png").data() if data.hasFormat("image/png") else b"")
        else:
            self._notice.show_info(NO_PASTE, subject="picture")


class OnlyPicture(QWidget):
    """The whole screen for one picture; Escape or F11 comes back. `source` is a view that it follows."""

    def __init__(self, offered: Offered, source: PictureView | None, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(parent.windowTitle())
        self.setStyleSheet("OnlyPicture { background: #101010; }")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setCursor(Qt.CursorShape.BlankCursor)
        self.view = PictureView(self, smooth=offered.smooth)
        self.view.setAcceptDrops(False)
        self.view.origin = (lambda: (offered.name, offered.point)) if source is None else source.origin
        self.view.set_image(offered.image)
        self._source = source
        if source is not None:
            source.changed.connect(self._follow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if keys.pressed("leave_picture", event):
            self.close()
        else:
            super().keyPressEvent(event)

    def _follow(self) -> None:
        if self._source is not None and self._source.image is not None:
            self.view.set_image(self._source.image)


def show_folder(folder: Path) -> None:
    """Open `folder` in the system's own window for files."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _shows(one: Offer, offered: Offered) -> bool:
    found = one.find(None) if isinstance(one.widget, PictureView) and one.widget.isVisible() else None
    return found is not None and found.image is offered.image


def _pixels(data: QMimeData) -> np.ndarray | None:
    """The picture among what was copied, uint8 (h, w, 3); a large one made smaller."""
    image = data.imageData()
    if not isinstance(image, QImage) or image.isNull():
        return None
    if max(image.width(), image.height()) > MOST_PASTED:
        image = image.scaled(
            MOST_PASTED, MOST_PASTED, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    content = image.constBits()
    if content is None:
        return None
    rows = np.frombuffer(content.asstring(image.sizeInBytes()), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
