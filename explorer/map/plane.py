"""The plane of a model with two latents: posteriors of the pictures as ellipses over what the plane decodes to.

The ellipses are known at a few weights and interpolated between them, so they follow the hand at once; the pictures
below them follow as fast as the engine decodes.
"""

from functools import partial

import numpy as np
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QShowEvent
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from explorer.bridge import Bridge
from explorer.map.panel import FOLDER_COLOURS
from explorer.messages import Decode, Decoded, ModelInfo, PosteriorsAt, Progress, ReadPosteriors
from explorer.safe_text import line, plain
from explorer.state import mapping
from explorer.state import plane as state
from explorer.widgets import terms, theme
from explorer.widgets.picture import to_qimage
from explorer.widgets.preferences import Preferences
from explorer.widgets.weight_knob import WeightKnob

READING = "Looking at the training pictures …"
_MUTED = 0.5  # share of the ground in the decoded pictures
_ROOM = 28  # pixels around the plane, for its numbers
_WIDTH = 26 * theme.UNIT


class PlaneCanvas(QWidget):
    """Paints the plane and its ellipses; `picked` says where on the plane somebody clicked."""

    picked = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 200)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Posteriors of the pictures over the decoded plane")
        self.reach = state.LEAST_REACH
        self.means = np.empty((0, 2))
        self._half = np.empty((0, 2))
        self._angles = np.empty(0)
        self._numbers = np.empty(0, int)
        self._ground: QImage | None = None
        self.cross: tuple[float, float] | None = None
        self.message = ""

    def set_posteriors(self, means: np.ndarray, covariances: np.ndarray, numbers: np.ndarray, reach: float) -> None:
        """Ellipses of Gaussians with `means` (n, 2), `covariances` (n, 2, 2) and the colours of these `numbers`."""
        self.means, self._numbers, self.reach = means, numbers, reach
        self._half, self._angles = state.axes_of(covariances)
        self.update()

    def set_ground(self, pictures: np.ndarray | None) -> None:
        """What the grid decodes to, uint8 (SIDE², height, width, channels), the uppermost row first."""
        if pictures is None:
            self._ground = None
        else:
            _, height, width, channels = pictures.shape
            rows = pictures.reshape(state.SIDE, state.SIDE, height, width, channels).swapaxes(1, 2)
            self._ground = to_qimage(rows.reshape(state.SIDE * height, state.SIDE * width, channels))
        self.update()

    def square(self) -> QRectF:
        """Where the plane is on the widget."""
        side = max(min(self.width(), self.height()) - 2 * _ROOM, 1)
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def to_screen(self, x: float, y: float) -> QPointF:
        """The pixel of a place."""
        room = self.square()
        unit = room.width() / (2 * self.reach)
        return QPointF(room.center().x() + unit * x, room.center().y() - unit * y)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        room = self.square()
        if event is not None and len(self.means) and room.contains(event.position()):
            off = (event.position() - room.center()) * (2 * self.reach / room.width())
            self.picked.emit(off.x(), -off.y())

    def sizeHint(self) -> QSize:
        return QSize(700, 700)

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter, colours, room = QPainter(self), theme.palette(), self.square()
        painter.fillRect(self.rect(), QColor(colours.surface))
        if not len(self.means):
            painter.setPen(QColor(colours.quiet))
            where = QRectF(self.rect()).adjusted(48, 48, -48, -48)
            painter.drawText(where, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.message)
            painter.end()
            return
        if self._ground is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(room, self._ground)
            veil = QColor(colours.surface)
            veil.setAlphaF(_MUTED)
            painter.fillRect(room, veil)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_numbers(painter, colours, room)
        painter.setClipRect(room)
        self._paint_prior(painter, colours, room)
        self._paint_ellipses(painter, colours, room.width() / (2 * self.reach))
        self._paint_cross(painter, colours)
        painter.end()

    def _paint_numbers(self, painter: QPainter, colours: theme.Palette, room: QRectF) -> None:
        painter.setPen(QColor(colours.quiet))
        for value in range(-int(self.reach), int(self.reach) + 1):
            at, text = self.to_screen(value, value), str(value).replace("-", "−")
            painter.drawText(QRectF(at.x() - 16, room.bottom() + 4, 32, _ROOM - 6), Qt.AlignmentFlag.AlignHCenter, text)
            middle = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(room.left() - _ROOM, at.y() - 10, _ROOM - 6, 20), middle, text)

    def _paint_prior(self, painter: QPainter, colours: theme.Palette, room: QRectF) -> None:
        pen = QPen(QColor(colours.quiet), 1.5, Qt.PenStyle.DotLine)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        unit = room.width() / (2 * self.reach)
        for deviations in (1, 2, 3):
            painter.drawEllipse(room.center(), deviations * unit, deviations * unit)

    def _paint_ellipses(self, painter: QPainter, colours: theme.Palette, unit: float) -> None:
        """Filled to one deviation, or hollow in the second round of colours, and a thin line at two."""
        inks = [QColor(colour) for colour in (*FOLDER_COLOURS, *FOLDER_COLOURS, colours.quiet)]
        faint = [QColor(ink) for ink in inks]
        for ink in faint:
            ink.setAlphaF(0.35)
        places = zip(self.means.tolist(), (unit * self._half).tolist(), self._angles.tolist(), strict=True)
        for (place, half, angle), number in zip(places, self._numbers.tolist(), strict=True):
            painter.save()
            painter.translate(self.to_screen(*place))
            painter.rotate(-angle)
            painter.setPen(QPen(faint[number], 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(), 2 * half[0], 2 * half[1])
            painter.setPen(QPen(inks[number], 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush if number >= len(FOLDER_COLOURS) else faint[number])
            painter.drawEllipse(QPointF(), max(half[0], 1.0), max(half[1], 1.0))
            painter.restore()

    def _paint_cross(self, painter: QPainter, colours: theme.Palette) -> None:
        if self.cross is None:
            return
        at = self.to_screen(*self.cross)
        for colour, width in ((colours.surface, 5.0), (colours.ink, 2.0)):
            painter.setPen(QPen(QColor(colour), width))
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(at + QPointF(4 * dx, 4 * dy), at + QPointF(16 * dx, 16 * dy))


def _entry(number: int, name: str) -> QWidget:
    """A line of the legend: a circle as the ellipses are drawn, and a name."""
    colour = QColor(FOLDER_COLOURS[number % len(FOLDER_COLOURS)] if number >= 0 else theme.palette().quiet)
    swatch = QPixmap(2 * 14, 2 * 14)
    swatch.setDevicePixelRatio(2.0)
    swatch.fill(Qt.GlobalColor.transparent)
    painter = QPainter(swatch)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 1.6))
    painter.setBrush(Qt.BrushStyle.NoBrush if number >= len(FOLDER_COLOURS) else colour)
    painter.drawEllipse(QPointF(7, 7), 5, 5)
    painter.end()
    mark, text = QLabel(), QLabel(line(mapping.short_folder(name), 24))
    mark.setPixmap(swatch)
    text.setTextFormat(Qt.TextFormat.PlainText)
    entry = QWidget()
    row = QHBoxLayout(entry)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(theme.UNIT)
    row.addWidget(mark)
    row.addWidget(text, 1)
    return entry


class PlaneView(QWidget):
    """The canvas, the knob of the weight below it, and beside both what it says. `picked` (latents, name)."""

    picked = pyqtSignal(object, str)

    def __init__(self, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._preferences = bridge, preferences
        self._model: ModelInfo | None = None
        self._ticket = 0  # of what is being read
        self._decoding = False
        self._shown: tuple[float, float] | None = None  # weight and reach of the decoded grid
        self.posteriors = state.Posteriors()
        self._numbers = np.empty(0, int)
        self.canvas = PlaneCanvas()
        self.knob = WeightKnob(title="KL weight", flat=True)
        self.knob.changed.connect(lambda _: self._show())
        self.canvas.picked.connect(self._on_picked)
        self.sentence, self.note = QLabel(), QLabel()
        for label in (self.sentence, self.note):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setProperty("role", "quiet")
        self._legend = QVBoxLayout()
        self._legend.setSpacing(theme.UNIT // 2)
        self._lay_out()
        theme.notifier.changed.connect(self._show_legend)
        bridge.model_changed.connect(self._on_model)
        self._on_model(bridge.model, False)

    def _lay_out(self) -> None:
        heading = QLabel("Posteriors")
        heading.setProperty("role", "heading")
        heading.setToolTip(terms.TERMS["posteriors"])
        how = QLabel(
            "Filled: one deviation of what the model believes of a picture. Thin line: two. Dotted circles: the prior "
            "at one, two and three. Click to go there in Explore."
        )
        how.setWordWrap(True)
        how.setProperty("role", "quiet")
        words = QWidget()
        column = QVBoxLayout(words)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.UNIT)
        for widget in (heading, self.sentence, self.note, how):
            column.addWidget(widget)
        column.addSpacing(theme.UNIT)
        column.addLayout(self._legend)
        column.addStretch(1)
        beside = QScrollArea()  # a low window has no room for a long legend
        beside.setWidget(words)
        beside.setWidgetResizable(True)
        beside.setFrameShape(QScrollArea.Shape.NoFrame)
        beside.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        beside.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        beside.setFixedWidth(_WIDTH)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2 * theme.UNIT)
        grid.addWidget(self.canvas, 0, 0)
        grid.addWidget(self.knob, 1, 0)
        grid.addWidget(beside, 0, 1, 2, 1)
        grid.setColumnStretch(0, 1)
        grid.setRowStretch(0, 1)

    # ------------------------------------------------------------------ asking

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._read()

    def _on_model(self, model: ModelInfo | None, same: bool) -> None:
        if self._ticket:
            self._bridge.cancel(self._ticket)
        self._model, self._ticket, self._shown, self._decoding = model, 0, None, False
        self.posteriors = state.Posteriors()
        self.canvas.set_posteriors(np.empty((0, 2)), np.empty((0, 2, 2)), np.empty(0, int), self.canvas.reach)
        self.canvas.set_ground(None)
        self.canvas.cross = None if not same else self.canvas.cross
        self.knob.setVisible(model is not None and model.weight_range is not None)
        if model is not None and model.weight_range is not None:
            self.knob.set_range(*model.weight_range)
        if model is not None and not same:
            self.knob.set_value(model.kl_weight)
        if self.isVisible():
            self._read()

    def _read(self) -> None:
        model = self._model
        if model is None or not state.has_plane(model) or self._ticket or len(self.posteriors):
            return
        self.canvas.message = READING
        self.canvas.update()
        self._ticket = self._bridge.ask(
            ReadPosteriors(state.weights_of(model), agreed=self._preferences.agreed),
            self._on_answer,
            lane="posteriors",
            failed=self._on_failed,
        )

    def _on_failed(self, sentence: str) -> None:
        self._ticket = 0
        self.canvas.message = line(sentence)
        self.canvas.update()

    def _on_answer(self, content: object) -> None:
        if isinstance(content, Progress):
            self.canvas.message = f"{READING} {content.done} of {content.total}"
            self.canvas.update()
        elif isinstance(content, PosteriorsAt):
            first = not len(self.posteriors)
            self.posteriors.add(content)
            if self._model is not None and len(self.posteriors.weights) == len(state.weights_of(self._model)):
                self._ticket = 0
            if first:
                self._show_legend()
            self._show()

    def weight(self) -> float:
        """The weight that is shown: the knob's, or where the model stands."""
        assert self._model is not None
        return self._model.kl_weight if self._model.weight_range is None else self.knob.value()

    def _show(self) -> None:
        """The ellipses at the present weight, and then what the plane decodes to there."""
        if not len(self.posteriors):
            return
        weight, reach = self.weight(), self.posteriors.reach()
        self.canvas.set_posteriors(*self.posteriors.at(weight), self._numbers, reach)
        self.sentence.setText(self.posteriors.sentence(weight))
        self.note.setText(plain(self.posteriors.note))
        self.note.setVisible(bool(self.posteriors.note))
        if not self._decoding and self._shown != (weight, reach):
            self._decoding = True
            self._bridge.ask(
                Decode(state.grid_points(reach), weight),
                partial(self._on_decoded, (weight, reach)),
                lane="plane",
                failed=lambda _: self._on_decoded(None, None),
            )

    def _on_decoded(self, shown: tuple[float, float] | None, content: object) -> None:
        """The grid is there; it is asked for again where the hand has moved on meanwhile."""
        self._decoding = False
        if isinstance(content, Decoded):
            self._shown = shown
            self.canvas.set_ground(content.images)
            self._show()

    # ------------------------------------------------------------------ colours and places

    def _show_legend(self) -> None:
        while (item := self._legend.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        names, self._numbers = mapping.folder_names(self.posteriors.labels, 2 * len(FOLDER_COLOURS))
        if len(names) < 2:
            self._numbers = np.full(len(self.posteriors), -1)
            return
        for number, name in enumerate(names):
            self._legend.addWidget(_entry(number, name))
        if np.any(self._numbers < 0):
            self._legend.addWidget(_entry(-1, "others"))

    def set_point(self, latents: np.ndarray) -> None:
        """Where Explore is now: a crosshair."""
        self.canvas.cross = (float(latents[0]), float(latents[1])) if len(latents) == 2 else None
        self.canvas.update()

    def _on_picked(self, x: float, y: float) -> None:
        self.picked.emit(np.array([x, y], np.float32), f"{x:.2f}, {y:.2f}")
