"""How the two terms pull at the model: two arrows from one point, whose lengths and angle move while it learns."""

import math

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from explorer.messages import Balanced
from explorer.train.words import minus
from explorer.widgets import terms, theme

_HEAD = 9.0  # pixels, of an arrow's head
_EMPTY = "While a model learns: how hard likeness and smoothness pull at it."


class BalanceArrows(QWidget):
    """The force of D to the right, and that of βR turned from it by the angle between them.

    BatchSample to one scale, the longer one always of the same length: what counts is their share and their angle.
    Equal and opposite means that neither can win any more.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._balance: Balanced | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setFixedWidth(19 * theme.UNIT)
        theme.notifier.changed.connect(self.update)
        self.show_balance(None)

    def sizeHint(self) -> QSize:
        return QSize(19 * theme.UNIT, 20 * theme.UNIT)

    def show_balance(self, balance: Balanced | None) -> None:
        """Show this measurement, or say what will be here."""
        self._balance = balance
        words = _EMPTY if balance is None else self.words()
        self.setToolTip(f"{terms.explain('gradient_balance')}\n{words}")
        self.setAccessibleName(f"Gradient balance. {words}")
        self.update()

    def words(self) -> str:
        """What is drawn, in words."""
        if self._balance is None:
            return _EMPTY
        share, angle = round(100 * self._balance.share), round(math.degrees(_angle(self._balance)))
        return f"Likeness pulls with {100 - share} %, smoothness with {share} % of the force, at an angle of {angle}°."

    def arrows(self) -> tuple[QPointF, QPointF]:
        """Where the two arrows end, D's first, in units of the longer one; y points up."""
        assert self._balance is not None
        longest = max(self._balance.distortion, self._balance.rate, 1e-30)
        angle, length = _angle(self._balance), self._balance.rate / longest
        return (
            QPointF(self._balance.distortion / longest, 0.0),
            QPointF(length * math.cos(angle), length * math.sin(angle)),
        )

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter, colours = QPainter(self), theme.palette()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(colours.quiet))
        room = QRectF(self.rect()).adjusted(0, theme.UNIT, 0, 0)
        if self._balance is None:
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, _EMPTY)
            return
        painter.drawText(room, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, "How the two pull")
        height = painter.fontMetrics().height()
        between = room.adjusted(theme.UNIT, height, -theme.UNIT, -3 * height)  # the title and the three lines below
        reach = min(between.width() / 2, between.height() - 2 * theme.UNIT)
        middle = QPointF(between.center().x(), between.center().y() + reach / 2)  # the arrows never point down
        for end, colour in zip(self.arrows(), (colours.distortion, colours.rate), strict=True):
            _draw_arrow(painter, middle, middle + QPointF(end.x(), -end.y()) * reach, QColor(colour))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.ink))
        painter.drawEllipse(middle, 2.5, 2.5)
        self._write(painter, room)

    def lines(self) -> tuple[tuple[str, str], ...]:
        """What is written under the arrows, each with its colour."""
        assert self._balance is not None
        colours, share = theme.palette(), round(100 * self._balance.share)
        return (
            (f"likeness (D) {100 - share} %", colours.distortion),
            (f"smoothness (βR) {share} %", colours.rate),
            (minus(f"cosine {self._balance.cosine:+.2f}"), colours.quiet),
        )

    def _write(self, painter: QPainter, room: QRectF) -> None:
        height = painter.fontMetrics().height()
        for place, (text, colour) in enumerate(reversed(self.lines())):
            painter.setPen(QColor(colour))
            line = QRectF(room.left(), room.bottom() - (place + 1) * height, room.width(), height)
            painter.drawText(line, Qt.AlignmentFlag.AlignCenter, text)


def _angle(balance: Balanced) -> float:
    return math.acos(min(max(balance.cosine, -1.0), 1.0))


def _draw_arrow(painter: QPainter, start: QPointF, end: QPointF, colour: QColor) -> None:
    way = end - start
    length = math.hypot(way.x(), way.y())
    if length < 1.0:
        return
    along = way / length
    across = QPointF(-along.y(), along.x())
    head = min(_HEAD, length)
    neck = end - along * head
    painter.setPen(QPen(colour, 3.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
    painter.drawLine(start, neck)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawPolygon(QPolygonF([end, neck + across * head * 0.55, neck - across * head * 0.55]))
