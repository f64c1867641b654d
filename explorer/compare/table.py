"""The table of a comparison: originals over each model's reconstructions, on screen and in a file.

Lengths of a `Layout` are device pixels, so that a picture's pixel can be a whole number of the screen's; `ratio` of
them make one of Qt's. The file is the same drawing at another ratio.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PyQt6.QtWidgets import QToolButton, QToolTip, QWidget

from explorer.safe_text import line, plain
from explorer.state import comparison as state
from explorer.state.comparison import Comparison, Layout
from explorer.widgets import keys, terms, theme
from explorer.widgets.picture import to_qimage

_LABEL = 17 * theme.UNIT
CAPTION = 22
_LEAST = 84  # a row's label: three lines and its buttons
_LINE = 17
_BUTTON = 22
WAITING = "waits for your answer above"
_PATIENCE = 250  # milliseconds of pointing before a column is enlarged
_WRAP = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class _Text:
    """Words in a place, `tone` the name of a colour of the palette, and their explanation."""

    where: QRectF
    words: str
    tone: str = "ink"
    tip: str = ""
    bold: bool = False
    wrap: bool = False
    at_top: bool = False  # of its place, where it is wrapped


class Drawing:
    """A comparison laid out for one room, ready to be painted."""

    def __init__(self, comparison: Comparison, room: tuple[int, int], ratio: float, font: QFont):
        self.comparison, self.ratio, self.font = comparison, ratio, font
        self.names = {path: line(name, 120) for path, name in comparison.names().items()}
        lines = comparison.lines()
        self.paths, self.rows = [path for path, _ in lines], [row for _, row in lines]
        originals = comparison.originals
        arrays = [None if row is None or row.failure else state.pictures_of(row, comparison.kind) for row in self.rows]
        shown = [comparison.first_row(), *([] if array is None else list(array) for array in arrays)]
        self.images = [[None if image is None else to_qimage(image) for image in images] for images in shown]
        like = (64, 64) if originals is None else originals.shape[1:3]
        sizes = [like, *(like if array is None else array.shape[1:3] for array in arrays)]
        for number, row in enumerate(self.rows, start=1):
            if row is not None and row.failure:
                sizes[number] = (0, 0)  # a sentence needs no more than the label does
        if comparison.kind == "samples":
            sizes[0] = (0, like[1])  # words stand there
        columns = len(originals) if originals is not None else len(comparison.pictures) or comparison.count
        units = {"label": _LABEL, "gap": theme.UNIT, "caption": CAPTION, "least": _LEAST, "comfortable": 128}
        whole = {name: round(length * ratio) for name, length in units.items()}
        self.layout: Layout = state.lay_out(sizes, columns, (int(room[0] * ratio), int(room[1] * ratio)), **whole)

        metrics = QFontMetricsF(font)
        words = [text for number in range(1, len(sizes)) for text in self._numbers(number, self._left, 0.0, metrics)]
        ends = [text.where.right() + theme.UNIT for text in words]  # few pictures may be narrower than their numbers
        width, height = max([self.layout.width / ratio, *ends]), self.layout.height / ratio
        self.size = QSize(int(np.ceil(width)), int(np.ceil(height)))  # of the whole table, in Qt's pixels

    @property
    def _left(self) -> float:
        """Where pictures and numbers begin."""
        return self.layout.label / self.ratio

    def top(self, row: int) -> float:
        """The upper edge of a row's pictures; row 0 is the originals."""
        return self.layout.tops[row] / self.ratio

    def picture_rect(self, row: int, column: int) -> QRectF:
        """Where a picture is drawn, centred in its column."""
        image, zoom = self.images[row][column], self.layout.zooms[row]
        if image is None:
            return QRectF()
        width, height = round(image.width() * zoom), round(image.height() * zoom)
        left = self.layout.left(column) + (self.layout.cell - width) // 2
        edges = (left, self.layout.tops[row], width, height)
        return QRectF(*(edge / self.ratio for edge in edges))

    def texts(self) -> list[_Text]:
        """All words: labels at the left, numbers under the rows, sentences where there are no pictures."""
        metrics = QFontMetricsF(self.font)
        title = state.ORIGINALS[self.comparison.kind]
        texts = [_Text(QRectF(theme.UNIT, self.top(0), _LABEL - 2 * theme.UNIT, _LINE), title, bold=True)]
        texts += self._whose()
        texts += self._note()
        for number, (path, row) in enumerate(zip(self.paths, self.rows, strict=True), start=1):
            texts += self._label(number, path, metrics)
            left, top = self._left, self.top(number)
            height = self.layout.heights[number] / self.ratio
            room = QRectF(left, top, self.size.width() - left - theme.UNIT, height)
            if row is None:
                texts.append(_Text(room, WAITING if self.comparison.unread else "reconstructing …", "quiet", wrap=True))
            elif row.failure:
                texts.append(_Text(room, line(row.failure), "error", wrap=True))
            else:
                texts += self._numbers(number, left, top + height, metrics)
        return texts

    def _whose(self) -> list[_Text]:
        """Whose pictures the models are judged on."""
        if self.comparison.originals is None:
            return []
        source = line(self.comparison.source, 60)
        words = f"held out by {source}" if source else "pictures of your own"
        where = QRectF(theme.UNIT, self.top(0) + _LINE, _LABEL - 2 * theme.UNIT, 3 * _LINE)
        return [_Text(where, words, "quiet", terms.TERMS["held_out"] if source else "", wrap=True, at_top=True)]

    def _note(self) -> list[_Text]:
        """What samples and in-betweens are, where the first row leaves room for it."""
        note = state.NOTES.get(self.comparison.kind, "")
        if not note or self.comparison.originals is None:
            return []
        columns = self.layout.columns
        between = self.comparison.kind == "between"
        if between and columns < 4:
            return []  # both ends stand there, and next to nothing is between them
        left = self.layout.left(int(between)) / self.ratio
        right = self.layout.left(columns - int(between)) / self.ratio
        height = self.layout.heights[0] / self.ratio
        return [_Text(QRectF(left, self.top(0), right - left - theme.UNIT, height), note, "quiet", wrap=True)]

    def _label(self, number: int, path: str, metrics: QFontMetricsF) -> list[_Text]:
        row, width = self.rows[number - 1], _LABEL - 2 * theme.UNIT
        name = self.names[path]
        lines = [(metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width * 0.9), path, "ink")]
        if row is not None and not row.failure:
            tips = (
                (terms.TERMS["autoencoder"],) if row.autoencoder else (terms.TERMS["kl_weight"], terms.TERMS["sigma"])
            )
            words = state.weight_words(row).split(" · ")  # a plain autoencoder has no weight
            lines += [(word, tip, "quiet") for word, tip in zip(words, tips, strict=True)]
        return [
            _Text(QRectF(theme.UNIT, self.top(number) + i * _LINE, width, _LINE), words, tone, tip, bold=i == 0)
            for i, (words, tip, tone) in enumerate(lines)
        ]

    def _numbers(self, number: int, left: float, top: float, metrics: QFontMetricsF) -> list[_Text]:
        texts: list[_Text] = []
        row = self.rows[number - 1]
        for words, term in state.measures(row, self.comparison.originals) if row is not None else ():
            words = words if not texts else " · " + words
            width = metrics.horizontalAdvance(words)
            texts.append(_Text(QRectF(left, top + 2, width + 1, _LINE), words, "quiet", terms.TERMS[term]))
            left += width
        if row is not None and (words := state.caveat(row)):
            words = f"   {words}"
            width = metrics.horizontalAdvance(words) + 1
            texts.append(_Text(QRectF(left, top + 2, width, _LINE), words, "error", terms.TERMS["learned"]))
        return texts

    def paint(self, painter: QPainter) -> None:
        """Draw it all."""
        colours = theme.palette()
        for row, images in enumerate(self.images):
            whole = self.layout.zooms[row].is_integer()  # its pixels are to be seen as they are
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not whole)
            for column, image in enumerate(images[: self.layout.columns]):
                if image is not None:
                    painter.drawImage(self.picture_rect(row, column), image)
        for text in self.texts():
            font = QFont(self.font)
            font.setBold(text.bold)
            painter.setFont(font)
            painter.setPen(QColor(getattr(colours, text.tone)))
            plain = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            flags = _WRAP & ~Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignTop if text.at_top else _WRAP
            painter.drawText(text.where, int(flags if text.wrap else plain), text.words)

    def to_image(self) -> QImage:
        """The table as a picture of its own."""
        size = self.size
        image = QImage(int(size.width() * self.ratio), int(size.height() * self.ratio), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(self.ratio)
        image.fill(QColor(theme.palette().surface))
        painter = QPainter(image)
        self.paint(painter)
        painter.end()
        return image


class CompareTable(QWidget):
    """Shows a comparison. Emits what a model's buttons ask for, and `column_pointed`: a column to enlarge,
    -1 for none."""

    moved = pyqtSignal(str, int)
    turned = pyqtSignal(str)  # fold a model of a range, or unfold it
    removed = pyqtSignal(str)
    column_pointed = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Originals and reconstructions")
        self.setToolTip("")
        self._comparison = Comparison()
        self._room = (640, 480)
        self._buttons: list[tuple[QToolButton, ...]] = []
        self._column = -1
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PATIENCE)
        self._timer.timeout.connect(lambda: self.column_pointed.emit(self._column))
        self.message = ""
        self._refresh()
        theme.notifier.changed.connect(self._restyle)

    def show_comparison(self, comparison: Comparison) -> None:
        """Draw this one."""
        before, self._comparison = self._comparison, comparison
        if (before.models, before.folded, _ranges(before)) != (
            comparison.models, comparison.folded, _ranges(comparison),
        ):  # fmt: skip
            self._make_buttons()
        self._refresh()

    def set_room(self, width: int, height: int) -> None:
        """The room in which pictures are as large as possible."""
        self._room = (width, height)
        self._refresh()

    def picture_rect(self, row: int, column: int) -> QRectF:
        """Where a picture is drawn; row 0 is the originals."""
        return self.drawing.picture_rect(row, column)

    def to_image(self, ratio: float) -> QImage:
        """The table as it is on the screen, with `ratio` pixels for each of Qt's."""
        return Drawing(self._comparison, self._room, ratio, self.font()).to_image()

    def texts(self) -> list[str]:
        """All words that are drawn."""
        return [text.words for text in self.drawing.texts()] if self._comparison.models else [self.message]

    def _refresh(self) -> None:
        self.drawing = Drawing(self._comparison, self._room, self.devicePixelRatioF(), self.font())
        size = self.drawing.size if self._comparison.models else QSize(0, 0)
        self.setMinimumSize(size)
        for path, buttons in zip(self._comparison.models, self._buttons, strict=False):
            first = 1 + self.drawing.paths.index(path)  # of the model's lines
            for place, button in enumerate(buttons):
                left = theme.UNIT // 2 + place * (_BUTTON + 4)
                button.move(left, int(self.drawing.top(first)) + _LEAST - _BUTTON - 4)
        self.update()

    # ------------------------------------------------------------------ a row's buttons

    def _make_buttons(self) -> None:
        for buttons in self._buttons:
            for button in buttons:
                button.deleteLater()
        self._buttons = [self._row_buttons(path) for path in self._comparison.models]
        self._restyle()

    def _row_buttons(self, path: str) -> tuple[QToolButton, ...]:
        name, models = plain(line(self._comparison.names()[path], 120)), self._comparison.models
        actions: tuple[tuple[str, Callable[[], None], bool], ...] = (
            ("Move up", lambda: self.moved.emit(path, -1), path != models[0]),
            ("Move down", lambda: self.moved.emit(path, 1), path != models[-1]),
            ("Take out", lambda: self.removed.emit(path), True),
        )
        if path in _ranges(self._comparison):
            words = "Show every weight" if path in self._comparison.folded else "Show one weight"
            actions += ((words, lambda: self.turned.emit(path), True),)
        made = []
        for words, act, enabled in actions:
            button = QToolButton(self)
            button.setFixedSize(_BUTTON, _BUTTON)
            button.setToolTip(f"{words}: {name}")
            button.setAccessibleName(f"{words}: {name}")
            button.setEnabled(enabled)
            button.clicked.connect(act)
            button.show()
            made.append(button)
        return tuple(made)

    def _restyle(self) -> None:
        for path, buttons in zip(self._comparison.models, self._buttons, strict=False):
            turn = "ph.arrows-out-line-vertical" if path in self._comparison.folded else "ph.arrows-in-line-vertical"
            for button, name in zip(buttons, ("ph.arrow-up", "ph.arrow-down", "ph.x", turn), strict=False):
                button.setIcon(theme.icon(name, theme.palette().quiet))
                button.setIconSize(QSize(14, 14))
        self.update()

    # ------------------------------------------------------------------ events

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        if self.drawing.ratio != self.devicePixelRatioF():  # moved to another screen
            QTimer.singleShot(0, self._refresh)
        if self._comparison.models:
            self.drawing.paint(painter)
        else:
            painter.setPen(QColor(theme.palette().quiet))
            room = QRectF(self.rect()).adjusted(48, 48, -48, -48)
            painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.message)
        painter.end()

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), plain(self.tip_at(QPointF(event.pos()))), self)
            return True
        return super().event(event)

    def tip_at(self, place: QPointF) -> str:
        """What explains the words at a place."""
        texts = self.drawing.texts() if self._comparison.models else []
        return next((text.tip for text in texts if text.tip and text.where.contains(place)), "")

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and self._comparison.originals is not None:
            place = event.position() * self.drawing.ratio
            column = self.drawing.layout.column_at(place.x(), place.y())
            self._point_at(-1 if column is None else column)

    def leaveEvent(self, event: QEvent | None) -> None:
        self._point_at(-1)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Left and right enlarge one column after the other."""
        count = len(self.drawing.images[0])
        step = keys.pressed("column_right", event) - keys.pressed("column_left", event)
        if step and count:
            self._column = (self._column + step) % count if self._column >= 0 else (0 if step > 0 else count - 1)
            self.column_pointed.emit(self._column)
        elif keys.pressed("column_none", event) and self._column >= 0:
            self._point_at(-1)
        else:
            super().keyPressEvent(event)

    def _point_at(self, column: int) -> None:
        if column == self._column:
            return
        self._column = column
        self._timer.stop()
        if column >= 0:
            self._timer.start()
        else:
            self.column_pointed.emit(-1)


def _ranges(comparison: Comparison) -> frozenset[str]:
    """The models that have several lines to show."""
    return frozenset(path for path, row in comparison.rows.items() if row.weights)
