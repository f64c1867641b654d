"""Where one begins: open a model, train on the sample paintings, or on a folder of one's own pictures."""

from pathlib import Path

import numpy as np
from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPainter, QPaintEvent, QShowEvent
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from explorer.bridge import Bridge
from explorer.safe_text import caption, line, plain
from explorer.widgets import theme
from explorer.widgets.deferred import later
from explorer.widgets.pictured_menu import stamp
from explorer.widgets.portraits import PortraitBook
from explorer.widgets.preferences import Preferences

SENTENCE = "Teach a small network your pictures, then walk through the space between them by hand."
_MOST_MODELS = 6
_NOTCHES = 1000  # of the bar
_WIDTH = 104 * theme.UNIT
_PORTRAIT = 36  # pixels


class WelcomePage(QWidget):
    """Says what the program is and offers the ways in; while a first run prepares, says how far it is."""

    browse_wanted = pyqtSignal()  # choose a model file
    folder_wanted = pyqtSignal()  # choose a folder of pictures
    open_wanted = pyqtSignal(str)  # this model
    train_wanted = pyqtSignal(str)  # on "paintings"
    watch_wanted = pyqtSignal()  # the run that prepares

    def __init__(
        self, bridge: Bridge, preferences: Preferences, portraits: PortraitBook, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge, self._preferences, self._portraits = bridge, preferences, portraits
        bridge.hello.connect(lambda _: self._show_portraits())  # before that nobody is there to ask
        self._buttons: dict[str, _Known] = {}
        # whoever sees this page is likely to train next, but first the window is to be painted
        self._soon = later(self, 500, self._warm_trainer)
        column = QWidget(self)
        column.setMaximumWidth(_WIDTH)
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT)
        title = QLabel("kvae explorer", column)
        title.setProperty("role", "title")
        sentence = QLabel(SENTENCE, column)
        sentence.setProperty("role", "quiet")
        sentence.setWordWrap(True)
        layout.addWidget(Morph(column))
        layout.addSpacing(2 * theme.UNIT)
        layout.addWidget(title)
        layout.addWidget(sentence)
        layout.addSpacing(2 * theme.UNIT)
        self._parts = QStackedLayout()
        self._parts.addWidget(self._make_ways())
        self._parts.addWidget(self._make_progress())
        layout.addLayout(self._parts)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(4 * theme.UNIT, 3 * theme.UNIT, 4 * theme.UNIT, 3 * theme.UNIT)
        outer.addStretch(1)
        outer.addWidget(column, 100, Qt.AlignmentFlag.AlignVCenter)
        outer.addStretch(1)
        self.refresh()

    def _make_ways(self) -> QWidget:
        ways = QWidget(self)
        self._sample = _Choice(
            "ph.paint-brush", "Train on the sample paintings", "See it work in half a minute. Nothing to prepare.", ways
        )
        self._folder = _Choice(
            "ph.folder-open", "Use your own pictures…", "Choose a folder of pictures, or drop one anywhere here.", ways
        )
        self._open = _Choice(
            "ph.file", "Open a model…", "Go on with a .keras file that was trained before. (Ctrl+O)", ways
        )
        self._sample.clicked.connect(lambda: self.train_wanted.emit("paintings"))
        self._folder.clicked.connect(self.folder_wanted)
        self._open.clicked.connect(self.browse_wanted)
        row = QHBoxLayout()
        row.setSpacing(2 * theme.UNIT)
        for choice in (self._sample, self._folder, self._open):
            row.addWidget(choice, 1)
        layout = QVBoxLayout(ways)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT)
        layout.addLayout(row)
        layout.addSpacing(2 * theme.UNIT)
        self._known_title = QLabel("Go on with", ways)
        self._known_title.setProperty("role", "quiet")
        layout.addWidget(self._known_title)
        self._known = QGridLayout()
        self._known.setSpacing(theme.UNIT // 2)
        self._known.setHorizontalSpacing(2 * theme.UNIT)
        for place in range(2):
            self._known.setColumnStretch(place, 1)
        layout.addLayout(self._known)
        layout.addStretch(1)
        return ways

    def _make_progress(self) -> QWidget:
        part = QWidget(self)
        self._doing = QLabel(part)
        self._doing.setProperty("role", "heading")
        self._doing.setWordWrap(True)
        self._doing.setTextFormat(Qt.TextFormat.PlainText)
        self._bar = QProgressBar(part)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Preparation")
        self._left = QLabel(part)
        self._left.setProperty("role", "quiet")
        after = QLabel(
            "The first pictures appear in a moment. Move through them at once: they get better while it trains.",
            part,
        )
        after.setProperty("role", "quiet")
        after.setWordWrap(True)
        watch = QPushButton("Watch the training", part)
        watch.clicked.connect(self.watch_wanted)
        layout = QVBoxLayout(part)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * theme.UNIT)
        for widget in (self._doing, self._bar, self._left, after):
            layout.addWidget(widget)
        layout.addWidget(watch, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)
        return part

    # ------------------------------------------------------------------ what the window says

    def show_progress(self, sentence: str, share: float = 0.0, left: str = "") -> None:
        """A run prepares: `share` of it is done; at 0 the bar only says that something happens."""
        self._doing.setText(line(sentence[:1].upper() + sentence[1:] + " …"))
        self._left.setText(left)
        self._bar.setRange(0, _NOTCHES if share > 0 else 0)
        self._bar.setValue(round(_NOTCHES * share))
        self._parts.setCurrentIndex(1)

    def clear_progress(self) -> None:
        """Nothing prepares: offer the ways in again."""
        self._parts.setCurrentIndex(0)

    @property
    def progress(self) -> str:
        """What is said of the preparation, "" while the ways in are shown."""
        return self._doing.text() if self._parts.currentIndex() == 1 else ""

    def known(self) -> list[str]:
        """The models on offer: those opened last, then those in the models folder, newest first."""
        found = [path for path in self._preferences.models_folder.glob("*.keras") if path.is_file()]
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        paths = [*self._preferences.recent, *(str(path.absolute()) for path in found)]
        return list(dict.fromkeys(paths))[:_MOST_MODELS]

    def refresh(self) -> None:
        """Look again which models there are."""
        while (item := self._known.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self._buttons = {}
        paths = self.known()
        self._known_title.setVisible(bool(paths))
        for place, path in enumerate(paths):
            button = _Known(path, self)
            button.clicked.connect(lambda _, path=path: self.open_wanted.emit(path))
            self._buttons[path] = button
            self._known.addWidget(button, place // 2, place % 2)

    def _show_portraits(self) -> None:
        if self._bridge.settings and self.isVisible():
            self._portraits.show(self._buttons, self._show_portrait)

    def _show_portrait(self, path: str, image: np.ndarray) -> None:
        if path in self._buttons:
            self._buttons[path].show_portrait(image)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.refresh()
        self._show_portraits()
        self._soon.start()
        self._sample.setFocus()

    def _warm_trainer(self) -> None:
        if self.isVisible():
            self._bridge.warm_trainer()


class _Choice(QPushButton):
    """One way in: a large button with an icon, a name and a sentence."""

    def __init__(self, icon: str, name: str, sentence: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._icon_name = icon
        self.setAccessibleName(name)
        self.setAccessibleDescription(sentence)
        self.setObjectName("choice")
        self.setMinimumHeight(16 * theme.UNIT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._picture, title, words = QLabel(self), QLabel(name, self), QLabel(sentence, self)
        title.setStyleSheet("font-weight: 600;")
        words.setProperty("role", "quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, 2 * theme.UNIT, 2 * theme.UNIT, 2 * theme.UNIT)
        layout.setSpacing(theme.UNIT)
        for label in (self._picture, title, words):
            label.setWordWrap(label is not self._picture)
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)  # the button is what is clicked
            layout.addWidget(label)
        layout.addStretch(1)
        theme.notifier.changed.connect(self._colour)
        self._colour()

    def sizeHint(self) -> QSize:
        layout = self.layout()
        return super().sizeHint() if layout is None else layout.sizeHint()

    def _colour(self) -> None:
        side = 4 * theme.UNIT
        self._picture.setPixmap(theme.icon(self._icon_name, theme.palette().accent).pixmap(side, side))


class _Known(QPushButton):
    """One model that can be opened: its name, and the folder it is in."""

    def __init__(self, path: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("flat", True)
        self.setToolTip(plain(path))
        folder = str(Path(path).parent).replace(str(Path.home()), "~", 1)
        metrics = self.fontMetrics()
        name = caption(Path(path).name, 60)
        room = max(_WIDTH // 2 - 8 * theme.UNIT - metrics.horizontalAdvance(name), 8 * theme.UNIT)
        where = caption(metrics.elidedText(line(folder), Qt.TextElideMode.ElideMiddle, room))
        self.setText(f"{name}   {where}")
        self.setStyleSheet("text-align: left;")
        self.setIconSize(QSize(_PORTRAIT, _PORTRAIT))
        self._portrait: QIcon | None = None
        theme.notifier.changed.connect(self._colour)
        self._colour()

    def show_portrait(self, image: np.ndarray) -> None:
        """Show a picture of the model."""
        self._portrait = stamp(image, _PORTRAIT, self.devicePixelRatioF())
        self._colour()

    def _colour(self) -> None:
        self.setIcon(self._portrait or theme.icon("ph.image-square", theme.palette().quiet))


class Morph(QWidget):
    """What the program is about, without words: shapes and colours that turn into each other."""

    _ENDS = (("#0072B2", "#56B4E9"), ("#E69F00", "#CC5A71"))  # left: top, bottom; right: top, bottom
    _COLUMNS, _ROWS = 24, 4

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(_WIDTH, round(_WIDTH / self._COLUMNS * self._ROWS))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        cell = min(self.width() / self._COLUMNS, self.height() / self._ROWS)
        for row in range(self._ROWS):
            down = row / (self._ROWS - 1)
            left, right = (theme.mixed(*ends, down) for ends in self._ENDS)
            for column in range(self._COLUMNS):
                along = column / (self._COLUMNS - 1)
                side = cell * (0.34 + 0.42 * (1 - abs(2 * along - 1)) + 0.08 * down)
                middle_x, middle_y = (column + 0.5) * cell, (row + 0.5) * cell
                painter.setBrush(QColor(theme.mixed(left, right, along)))
                where = QRectF(middle_x - side / 2, middle_y - side / 2, side, side)
                roundness = side / 2 * (1 - along)  # from a circle to a square
                painter.drawRoundedRect(where, roundness, roundness)
        painter.end()
