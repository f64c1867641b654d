"""A small rate-distortion chart beside the knob: the whole curve of the model, where you are on it, and where β* is.

It paints itself: the curve is one line, and its marks move with every step of a hand.
"""

import math

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from explorer.state.weight_curve import WeightCurve
from explorer.widgets import terms, theme

SIZE = QSize(18 * theme.UNIT, 11 * theme.UNIT)
_LEFT, _BELOW, _EDGE = 18, 18, 8  # pixels around the curve
_HERE, _STAR = 5.0, 4.5  # half the size of the marks


class CurveChart(QWidget):
    """R to the right and D upwards, both on logarithmic scales. Hidden where the model tells no curve."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: WeightCurve | None = None
        self._line = np.empty((0, 2))
        self._kl_weight = 0.0
        self.star: float | None = None  # β*
        self.setFixedSize(SIZE)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.hide()

    def set_curve(self, curve: WeightCurve | None) -> None:
        """Show this curve, or nothing."""
        self._curve = curve
        self.star = None if curve is None else curve.calibrated()
        self._line = np.empty((0, 2)) if curve is None else np.log(np.stack(curve.line(), axis=1))
        self.setVisible(curve is not None)
        self._explain()

    def set_weight(self, kl_weight: float) -> None:
        """Mark the place of this weight."""
        if kl_weight != self._kl_weight:
            self._kl_weight = kl_weight
            self._explain()

    def _explain(self) -> None:
        if self._curve is not None:
            distortion, rate = self._curve.at(self._kl_weight)
            star = f"β* is {self.star:.2g}" if self.star else "β* lies beyond this model's weights"
            here = f"At weight {self._kl_weight:.3g}: D {distortion:.4g}, R {rate:.4g} nats. {star}."
            self.setToolTip(f"{terms.explain('weight_curve')}\n\n{here}\n\n{terms.explain('calibrated')}")
            self.setAccessibleName("Rate-distortion curve of this model")
            self.setAccessibleDescription(here)
        self.update()

    def place(self, kl_weight: float) -> QPointF:
        """Where this weight is on the widget."""
        assert self._curve is not None
        distortion, rate = self._curve.at(kl_weight)
        return self._pixel(math.log(rate), math.log(distortion))

    def _pixel(self, x: float, y: float) -> QPointF:
        room = QRectF(self.rect()).adjusted(_LEFT, _EDGE, -_EDGE, -_BELOW)
        low, high = self._line.min(axis=0), self._line.max(axis=0)
        share = (np.array([x, y]) - low) / np.maximum(high - low, 1e-9)
        return QPointF(room.left() + share[0] * room.width(), room.bottom() - share[1] * room.height())

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
        path = QPainterPath(self._pixel(*self._line[0]))
        for point in self._line[1:]:
            path.lineTo(self._pixel(*point))
        painter.setPen(QPen(QColor(colours.quiet), 1.5))
        painter.drawPath(path)
        self._paint_ends(painter, colours)
        painter.setPen(QPen(QColor(colours.weight), 1.5))
        if self.star is not None:
            at = self.place(self.star)
            corners = [QPointF(0, -_STAR), QPointF(_STAR, 0), QPointF(0, _STAR), QPointF(-_STAR, 0)]
            painter.setBrush(QColor(colours.background))
            painter.drawPolygon(QPolygonF([at + corner for corner in corners]))
            painter.drawText(at + QPointF(6, -4), "β*")
        if self.isEnabled():
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
        painter.drawText(QRectF(first.x() + 10, first.y() - 7, 60, 14), left, f"β {high:.2g}")
        painter.drawText(QRectF(last.x() - 70, last.y() - 9, 60, 14), right, f"β {low:.2g}")
