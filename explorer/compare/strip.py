"""A column of the table, enlarged: one picture under every model."""

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from explorer.compare.table import CAPTION, Drawing
from explorer.widgets import theme


class ColumnStrip(QWidget):
    """One picture under each model, side by side and larger, over the table. The mouse goes through it."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.items: list[tuple[str, QImage]] = []
        self._zoom = 1
        self.hide()

    def show_column(self, drawing: Drawing, column: int, room: QRectF, low: bool) -> None:
        """Enlarge a column within `room`, at its lower or upper edge; hidden where that would enlarge nothing."""
        several = {path for path in drawing.paths if drawing.paths.count(path) > 1}
        names = ["Original"] + [
            f"{row.kl_weight:.3g}" if row is not None and path in several else drawing.names[path]
            for path, row in zip(drawing.paths, drawing.rows, strict=True)
        ]
        self.items = [
            (name, image)
            for name, images in zip(names, drawing.images, strict=True)
            if column < len(images) and (image := images[column]) is not None
        ]
        if not self.items:
            self.hide()
            return
        widest = max(image.width() for _, image in self.items)
        tallest = max(image.height() for _, image in self.items)
        gap, ratio = theme.UNIT, drawing.ratio
        across = ((room.width() - gap) / len(self.items) - gap) * ratio / widest
        down = (0.5 * room.height() - 2 * gap - CAPTION) * ratio / tallest
        self._zoom = int(min(across, down))
        if self._zoom <= drawing.layout.zooms[0]:
            self.hide()
            return
        self._cell = widest * self._zoom / ratio
        width = int(len(self.items) * (self._cell + gap) + gap)
        height = int(tallest * self._zoom / ratio + 2 * gap + CAPTION)
        top = room.bottom() - height if low else room.top()
        self.setGeometry(int(room.left() + (room.width() - width) / 2), int(top), width, height)
        self.show()
        self.raise_()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter, colours, ratio = QPainter(self), theme.palette(), self.devicePixelRatioF()
        painter.setPen(QColor(colours.rule))
        painter.setBrush(QColor(colours.surface))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.setPen(QColor(colours.ink))
        metrics = QFontMetricsF(self.font())
        for number, (name, image) in enumerate(self.items):
            left = theme.UNIT + number * (self._cell + theme.UNIT)
            zoom = max(int(self._cell * ratio + 0.5) // image.width(), 1) / ratio
            painter.drawImage(QRectF(left, theme.UNIT, image.width() * zoom, image.height() * zoom), image)
            words = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, self._cell)
            below = QRectF(left, self.height() - CAPTION - theme.UNIT / 2, self._cell, CAPTION)
            painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), words)
        painter.end()
