"""A widget that shows one picture: as large as fits, never stretched, and smoothed only where asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QMimeData, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PyQt6.QtWidgets import QApplication, QSizePolicy, QWidget

from explorer.messages import PicturePoint
from explorer.widgets import keys, theme
from explorer.widgets.offers import Offered, drag_out, offer

# as kvae.images.kinds has them, which the window may not import; what a file really is, the engine tells by its content
READ = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".heic", ".heif", ".hif"),
)
Origin = tuple[str, PicturePoint | None]
NAMED = (".avif", ".jxl", ".jp2", ".psd", ".svg", ".tga")  # not read, but the engine says what to do about them
FILTER = f"Pictures ({' '.join('*' + suffix for suffix in READ)});;All files (*)"  # of a file dialog


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


def may_be_picture(path: str) -> bool:
    """Whether the engine is worth asking: by the ending, or because a file has none."""
    suffix = Path(path).suffix.lower()
    return suffix in READ + NAMED or (not suffix and Path(path).is_file())


def dropped_files(data: QMimeData | None, wanted: Callable[[str], bool] = may_be_picture) -> list[str]:
    """The local files among what is dragged that are `wanted`."""
    if data is None or not data.hasUrls():
        return []
    paths = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if wanted(path)]


class PictureView(QWidget):
    """Shows one picture, centred. In pixels mode it is enlarged by whole numbers of screen pixels only.

    Its picture can be taken away (`offers`), also by dragging it out.
    Dropping a picture file on it emits `file_dropped`; other files are left to the widgets around it. A second picture
    (`set_beside`) is laid over the right part, up to a line that the mouse or the arrow keys move.
    """

    clicked = pyqtSignal()
    pressed = pyqtSignal()
    released = pyqtSignal()
    changed = pyqtSignal()  # another picture
    file_dropped = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None, *, smooth: bool = False, placeholder: str = "") -> None:
        super().__init__(parent)
        self._image: np.ndarray | None = None
        self._drawn = QImage()
        self._smooth = smooth
        self._placeholder = placeholder
        self._awaits_drop = False
        self._beside = QImage()
        self._names = ("", "")
        self._line = 0.5  # where the second picture begins, as a share of the width
        self._press: QPointF | None = None
        self.origin: Callable[[], Origin] = lambda: ("", None)  # what the picture is called, and where it was painted
        offer(self, self._offered, None)
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
        self.changed.emit()

    def _offered(self, where: QPointF | None) -> Offered | None:
        if self._image is None or (where is not None and not self.picture_rect().contains(where)):
            return None
        return Offered(self._image, *self.origin(), self._smooth)

    def set_beside(self, array: np.ndarray | None, names: tuple[str, str] = ("", "")) -> None:
        """Lay this picture over the right part; `names` stand at the left and the right. None takes it away."""
        self._beside, self._names = QImage() if array is None else to_qimage(array), names
        divided = not self._beside.isNull()
        self.setCursor(Qt.CursorShape.SplitHCursor if divided else Qt.CursorShape.ArrowCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if divided else Qt.FocusPolicy.NoFocus)
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
            if not self._beside.isNull():
                self._paint_beside(painter, where)
        if self._awaits_drop:
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_beside(self, painter: QPainter, where: QRectF) -> None:
        colours = theme.palette()
        middle = where.left() + self._line * where.width()
        painter.save()
        painter.setClipRect(QRectF(middle, where.top(), where.right() - middle, where.height()))
        painter.drawImage(where, self._beside)
        painter.restore()
        for colour, width in (("#ffffff", 3.0), ("#1b1b1b", 1.0)):  # to be seen on any picture
            painter.setPen(QPen(QColor(colour), width))
            painter.drawLine(QPointF(middle, where.top()), QPointF(middle, where.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(colours.accent if self.hasFocus() else "#ffffff"))
        painter.setPen(QPen(QColor("#1b1b1b"), 1))
        painter.drawEllipse(QPointF(middle, where.center().y()), theme.UNIT, theme.UNIT)
        side = 3 * theme.UNIT
        for name, left in zip(self._names, (where.left(), where.right() - side), strict=True):
            box = QRectF(left, where.top(), side, side)
            painter.fillRect(box, QColor(colours.background))
            painter.setPen(QColor(colours.ink))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)

    def _move_line(self, x: float) -> None:
        where = self.picture_rect()
        self._line = min(max((x - where.left()) / max(where.width(), 1.0), 0.0), 1.0)
        self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        steps = {"line_left": -0.02, "line_right": 0.02}
        step = next((by for name, by in steps.items() if keys.pressed(name, event)), None)
        if step is not None and not self._beside.isNull():
            self._line = min(max(self._line + step, 0.0), 1.0)
            self.update()
        else:
            super().keyPressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        if not self._beside.isNull():
            self._move_line(event.position().x())
        elif self._press is not None:
            far = (event.position() - self._press).manhattanLength() >= QApplication.startDragDistance()
            if far and (offered := self._offered(self._press)) is not None:
                self._press = None  # it is carried away, and was not clicked
                drag_out(self, offered)
                self.released.emit()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton and self._press is not None:
            self._press = None
            self.released.emit()
            if QRectF(self.rect()).contains(event.position()):
                self.clicked.emit()
        super().mouseReleaseEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        event.accept()  # without this the release goes to the widget behind
        if event.button() == Qt.MouseButton.LeftButton:
            self._press = event.position()
            self.pressed.emit()
        if not self._beside.isNull() and event.button() == Qt.MouseButton.LeftButton:
            self._move_line(event.position().x())

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is None:
            return
        itself = event.source() is self  # dragged a little and let go
        self._await_drop(not itself and bool(dropped_files(event.mimeData())))
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
