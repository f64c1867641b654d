"""A small rate-distortion chart beside the knob: the whole curve of the model, where you are on it, and where β* is.

It paints itself: the curve is one line, and its marks move with every step of a hand.
"""

import math

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QHelpEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QToolTip, QWidget

from explorer.state.weight_curve import WeightCurve
from explorer.widgets import terms, theme

SIZE = QSize(18 * theme.UNIT, 11 * theme.UNIT)
_LEFT, _BELOW, _EDGE = 18, 18, 10  # pixels around the curve
_HERE, _STAR = 5.0, 4.5  # half the size of the marks


class CurveChart(QWidget):
    """R to the right and D upwards, both on logarithmic scales. Hidden where the model tells no curve."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: WeightCurve | None = None
        self._weights = self._x = self._y = np.empty(0)  # of the line: logarithms, and pixels
        self._path = QPainterPath()
        self._kl_weight = 0.0
        self.star: float | None = None  # β*
        self.setFixedSize(SIZE)
        self.setAccessibleName("Rate-distortion curve of this model")
        self.hide()

    def set_curve(self, curve: WeightCurve | None) -> None:
        """Show this curve, or nothing."""
        self._curve = curve
        self.star = None if curve is None else curve.calibrated()
        self.setVisible(curve is not None)
        if curve is not None:
            room = QRectF(0, 0, SIZE.width(), SIZE.height()).adjusted(_LEFT, _EDGE, -_EDGE, -_BELOW)
            self._weights, x, y = np.log(curve.line())
            self._x = room.left() + room.width() * (x - x.min()) / max(np.ptp(x), 1e-9)
            self._y = room.bottom() - room.height() * (y - y.min()) / max(np.ptp(y), 1e-9)
            self._path = QPainterPath(QPointF(self._x[0], self._y[0]))
            for place in zip(self._x[1:], self._y[1:], strict=True):
                self._path.lineTo(QPointF(*place))
        self.update()

    def set_weight(self, kl_weight: float) -> None:
        """Mark the place of this weight."""
        if kl_weight != self._kl_weight:
            self._kl_weight = kl_weight
            self.update()

    def place(self, kl_weight: float) -> QPointF:
        """Where this weight is on the widget."""
        along = math.log(max(kl_weight, 1e-12))
        return QPointF(np.interp(along, self._weights, self._x), np.interp(along, self._weights, self._y))

    def explanation(self) -> str:
        """What the chart says, and its numbers at this weight."""
        assert self._curve is not None
        distortion, rate = self._curve.at(self._kl_weight)
        star = f"β* is {self.star:.2g}" if self.star else "β* lies beyond this model's weights"
        here = f"At weight {self._kl_weight:.3g}: D {distortion:.4g}, R {rate:.4g} nats. {star}."
        return f"{terms.explain('weight_curve')}\n\n{here}\n\n{terms.explain('calibrated')}"

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.explanation(), self)
            return True
        return super().event(event)

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if self._curve is None:
            return
        painter, colours = QPainter(self), theme.palette()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPointSizeF(8)  # as captions are
        painter.setFont(font)
        self._paint_axes(painter, colours)
        painter.setPen(QPen(QColor(colours.quiet), 1.5))
        painter.drawPath(self._path)
        self._paint_ends(painter, colours)
        painter.setPen(QPen(QColor(colours.weight), 1.5))
        if self.star is not None:
            at = self.place(self.star)
            corners = [QPointF(0, -_STAR), QPointF(_STAR, 0), QPointF(0, _STAR), QPointF(-_STAR, 0)]
            painter.setBrush(QColor(colours.background))
            painter.drawPolygon(QPolygonF([at + corner for corner in corners]))
            painter.drawText(at + QPointF(6, -4), "β*")
        painter.setPen(QPen(QColor(colours.background), 1.5))
        painter.setBrush(QColor(colours.weight))
        painter.drawEllipse(self.place(self._kl_weight), _HERE, _HERE)
        painter.end()

    def _paint_axes(self, painter: QPainter, colours: theme.Palette) -> None:
        left, bottom = _LEFT - 4.5, self.height() - _BELOW + 4.5
        painter.setPen(QPen(QColor(colours.rule), 1))
        painter.drawLine(QPointF(left, _EDGE - 4), QPointF(left, bottom))
        painter.drawLine(QPointF(left, bottom), QPointF(self.width() - 2, bottom))
        painter.setPen(QColor(colours.distortion))
        painter.drawText(QRectF(0, 0, left - 1, 14), Qt.AlignmentFlag.AlignCenter, "D")
        painter.setPen(QColor(colours.rate))
        painter.drawText(QRectF(self.width() - 12, bottom, 12, 14), Qt.AlignmentFlag.AlignCenter, "R")

    def _paint_ends(self, painter: QPainter, colours: theme.Palette) -> None:
        """The weights at the two ends, beside the curve."""
        assert self._curve is not None
        painter.setPen(QColor(colours.quiet))
        low, high = float(self._curve.weights[0]), float(self._curve.weights[-1])
        first, last = self.place(high), self.place(low)
        middle = Qt.AlignmentFlag.AlignVCenter
        right, left = middle | Qt.AlignmentFlag.AlignRight, middle | Qt.AlignmentFlag.AlignLeft
        painter.drawText(QRectF(first.x() + 12, first.y() - 11, 60, 14), left, f"β {high:.2g}")
        painter.drawText(QRectF(last.x() - 76, last.y() - 9, 60, 14), right, f"β {low:.2g}")
