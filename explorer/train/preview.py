"""The fixed preview of a run: held-out pictures over what the model makes of them."""

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from explorer.messages import Preview
from explorer.widgets import theme
from explorer.widgets.offers import Offered, offer
from explorer.widgets.picture import to_qimage

_GAP = 6.0  # screen pixels between two pairs
_LEAST = 88.0  # pixels of a picture's width: smaller ones show nothing to go by
_NEARLY = 0.9  # of the room: what an enlargement by a whole number has to fill
_EMPTY = "After the first epoch: pictures that training never sees, over what the model makes of them."


class PreviewGrid(QWidget):
    """Pairs, original over reconstruction, as many as fill the room best without being too small; enlarged by whole
    numbers where that costs next to nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pairs: list[tuple[QImage, QImage]] = []
        self._preview: Preview | None = None
        offer(self, self._offered)
        self.caption = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(10 * theme.UNIT, 16 * theme.UNIT)

    def sizeHint(self) -> QSize:
        return QSize(280, 220)

    def show_preview(self, preview: Preview | None) -> None:
        """Show this preview, or say what will be here."""
        self._pairs, self._preview = [], preview
        if preview is not None:
            both = zip(preview.originals, preview.reconstructions, strict=False)
            self._pairs = [(to_qimage(np.asarray(above)), to_qimage(np.asarray(below))) for above, below in both]
            self.caption = f"Held-out pictures over their reconstructions, run {preview.run}, step {preview.step:,}"
        self.setToolTip(self.caption if self._pairs else "")
        self.update()

    def layout_of(self, width: float, height: float) -> tuple[int, int, float]:
        """How many pairs, in how many columns, and their enlargement, for a room of screen pixels."""
        least = _LEAST * self.devicePixelRatioF() / self._pairs[0][0].width()
        fewest = min(2, len(self._pairs))
        scales = {n: self._columns_of(n, width, height)[1] for n in range(fewest, len(self._pairs) + 1)}
        count = max((n for n in scales if scales[n] >= least), key=lambda n: n * scales[n] ** 2, default=fewest)
        columns, scale = self._columns_of(count, width, height)
        return count, columns, float(int(scale)) if int(scale) >= max(_NEARLY * scale, 1.0) else scale

    def _columns_of(self, count: int, width: float, height: float) -> tuple[int, float]:
        picture, best = self._pairs[0][0], (1, 0.0)
        for columns in range(1, count + 1):
            rows = -(-count // columns)
            across = ((width + _GAP) / columns - _GAP) / picture.width()
            down = ((height + _GAP) / rows - _GAP) / 2 / picture.height()
            if min(across, down) > best[1]:
                best = (columns, min(across, down))
        return best

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        if not self._pairs:
            painter.setPen(QColor(theme.palette().quiet))
            room = QRectF(self.rect()).adjusted(theme.UNIT, theme.UNIT, -theme.UNIT, -theme.UNIT)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, _EMPTY)
            return
        ratio = self.devicePixelRatioF()
        count, columns, scale = self.layout_of(self.width() * ratio, self.height() * ratio)
        high = self._pairs[0][0].height() * scale
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not scale.is_integer())
        for place, pair in enumerate(self._pairs[:count]):
            for row, image in enumerate(pair):
                painter.drawImage(self._place(place, row, columns, scale), image)
        self._write_caption(painter, -(-count // columns) * (2 * high + _GAP) / ratio)
        painter.end()

    def _place(self, place: int, row: int, columns: int, scale: float) -> QRectF:
        """Where a picture is drawn, `row` 0 for originals, in logical pixels; on whole ones of the screen."""
        ratio = self.devicePixelRatioF()
        wide, high = self._pairs[0][0].width() * scale, self._pairs[0][0].height() * scale
        left = int((place % columns) * (wide + _GAP))
        top = int((place // columns) * (2 * high + _GAP))
        return QRectF(left / ratio, (top + row * high) / ratio, wide / ratio, high / ratio)

    def _offered(self, where: QPointF | None) -> Offered | None:
        if self._preview is None or where is None or not self._pairs:
            return None
        ratio = self.devicePixelRatioF()
        count, columns, scale = self.layout_of(self.width() * ratio, self.height() * ratio)
        for place in range(count):
            for row, images in enumerate((self._preview.originals, self._preview.reconstructions)):
                if self._place(place, row, columns, scale).contains(where):
                    name = f"run {self._preview.run} step {self._preview.step}"
                    return Offered(np.asarray(images[place]), f"{name} {'original ' * (not row)}{place + 1}")
        return None

    def _write_caption(self, painter: QPainter, below: float) -> None:
        room = QRectF(0, below, self.width(), self.height() - below)
        if room.height() >= 2 * theme.UNIT:
            painter.setPen(QColor(theme.palette().quiet))
            font = painter.font()
            font.setPointSizeF(font.pointSizeF() * 0.9)
            painter.setFont(font)
            painter.drawText(room, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, self.caption)
