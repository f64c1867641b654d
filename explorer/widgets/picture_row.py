"""A few small pictures in a row under a line of words: what is in a folder."""

import numpy as np
from PyQt6.QtCore import QRect, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPixmap
from PyQt6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from explorer.messages import Seen
from explorer.safe_text import line
from explorer.widgets import theme
from explorer.widgets.picture import to_qimage


def seen_in_words(seen: Seen) -> str:
    """How many pictures there are: "1,234 pictures · 3 files that are none"."""
    words = f"{seen.count:,} picture{'s' * (seen.count != 1)}"
    if not seen.others:
        return words
    return f"{words} · {seen.others:,} " + ("file that is none" if seen.others == 1 else "files that are none")


class PictureRow(QWidget):
    """Words, and as many of the pictures as fit side by side, each `side` pixels wide."""

    def __init__(self, side: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = QLabel(self)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setProperty("role", "quiet")
        self.words.setWordWrap(True)
        self._row = _Row(side, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT // 2)
        layout.addWidget(self.words)
        layout.addWidget(self._row)

    @property
    def count(self) -> int:
        """How many pictures there are to show."""
        return len(self._row.images)

    def show_pictures(self, words: str, images: np.ndarray | None) -> None:
        """`images` uint8 (n, h, w, c); None: only words."""
        self.words.setText(line(words))
        self._row.images = [] if images is None else list(images)
        self._row.setVisible(bool(self._row.images))
        self._row.update()


class _Row(QWidget):
    def __init__(self, side: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._side = side
        self.images: list[np.ndarray] = []
        self.setFixedHeight(side)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(8 * (self._side + theme.UNIT // 2), self._side)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter, ratio = QPainter(self), self.devicePixelRatioF()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        step = self._side + theme.UNIT // 2
        for place, image in enumerate(self.images[: max(1, (self.width() + theme.UNIT // 2) // step)]):
            size = QSize(round(self._side * ratio), round(self._side * ratio))
            soft = Qt.TransformationMode.SmoothTransformation
            scaled = to_qimage(image).scaled(size, Qt.AspectRatioMode.KeepAspectRatio, soft)
            painter.drawPixmap(QRect(place * step, 0, self._side, self._side), QPixmap.fromImage(scaled))
        painter.end()
