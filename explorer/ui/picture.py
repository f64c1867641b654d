"""A widget that shows one picture: as large as fits, never stretched, and smoothed only where asked."""

from pathlib import Path

import numpy as np
from PyQt6.QtCore import QMimeData, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from explorer.ui import theme

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")


def to_qimage(array: np.ndarray) -> QImage:
    """The uint8 picture (height, width), (height, width, 1) or (height, width, 3) as a QImage of its own memory."""
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3)):
        raise ValueError(
            "to_qimage: a picture must be uint8 of shape (height, width) or (height, width, 1 or 3). "
            f"Received: {array.dtype} {array.shape}."
        )
    grey = array.ndim == 2 or array.shape[2] == 1
    height, width = array.shape[:2]
    kind = QImage.Format.Format_Grayscale8 if grey else QImage.Format.Format_RGB888
    # QImage only borrows the bytes; copy() gives it its own
    return QImage(array.tobytes(), width, height, width * (1 if grey else 3), kind).copy()


def dropped_files(data: QMimeData | None, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """The local files among what is dragged that end in one of `suffixes`."""
    if data is None or not data.hasUrls():
        return []
    paths = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if Path(path).suffix.lower() in suffixes]


class PictureView(QWidget):
    """Shows one picture, centred. In pixels mode it is enlarged by whole numbers of screen pixels only.

    Dropping a picture file on it emits `file_dropped`; other files are left to the widgets around it.
    """

    clicked = pyqtSignal()
    file_dropped = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None, *, smooth: bool = False, placeholder: str = "") -> None:
        super().__init__(parent)
        self._image: np.ndarray | None = None
        self._drawn = QImage()
        self._smooth = smooth
        self._placeholder = placeholder
        self._awaits_drop = False
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(32, 32)

    @property
    def image(self) -> np.ndarray | None:
        """The picture shown, uint8 (height, width, channels); None while there is none."""
        return self._image

    def set_image(self, array: np.ndarray | None) -> None:
        """Show this picture, uint8 (height, width, 1 or 3); None shows the placeholder."""
        self._drawn = QImage() if array is None else to_qimage(array)
        self._image = array
        self.update()

    def set_placeholder(self, text: str) -> None:
        """What to say while there is no picture: what to do next."""
        self._placeholder = text
        self.update()

    @property
    def smooth(self) -> bool:
        """Whether the picture is enlarged softly."""
        return self._smooth

    def set_smooth(self, smooth: bool) -> None:
        """Enlarge softly and as large as fits, or in whole pixels."""
        self._smooth = smooth
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(256, 256)

    def picture_rect(self) -> QRectF:
        """Where the picture is drawn, in the widget's own (logical) pixels; empty without a picture."""
        if self._drawn.isNull():
            return QRectF()
        ratio = self.devicePixelRatioF()
        wide, high = self.width() * ratio, self.height() * ratio
        scale = min(wide / self._drawn.width(), high / self._drawn.height())
        if not self._smooth and scale >= 1:
            scale = int(scale)  # a fraction would make some pixels larger than others
        width, height = self._drawn.width() * scale, self._drawn.height() * scale
        left, top = int((wide - width) / 2), int((high - height) / 2)  # on whole screen pixels
        return QRectF(left / ratio, top / ratio, width / ratio, height / ratio)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        colours = theme.palette()
        where = self.picture_rect()
        if self._drawn.isNull():
            painter.setPen(QColor(colours.quiet))
            room = QRectF(self.rect()).adjusted(theme.UNIT, theme.UNIT, -theme.UNIT, -theme.UNIT)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._placeholder)
        else:
            shrunk = where.width() * self.devicePixelRatioF() < self._drawn.width()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth or shrunk)
            painter.drawImage(where, self._drawn)
        if self._awaits_drop:
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        inside = event is not None and QRectF(self.rect()).contains(QPointF(event.position()))
        if inside and event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()
        super().mouseReleaseEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            event.accept()  # without this the release goes to the widget behind

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is None:
            return
        self._await_drop(bool(dropped_files(event.mimeData())))
        event.setAccepted(self._awaits_drop)
        if self._awaits_drop:
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        self._await_drop(False)

    def dropEvent(self, event: QDropEvent | None) -> None:
        self._await_drop(False)
        files = [] if event is None else dropped_files(event.mimeData())
        if files and event is not None:
            event.acceptProposedAction()
            self.file_dropped.emit(files[0])

    def _await_drop(self, awaits: bool) -> None:
        self._awaits_drop = awaits
        self.update()
