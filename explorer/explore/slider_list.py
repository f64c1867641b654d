"""The list of sliders: the most telling ones in order, the next ones folded away and built only when unfolded.

A hundred rows at once would stop the window for a tenth of a second: those in view are built first, the others a few
at a time.
"""

from collections.abc import Callable

from PyQt6.QtCore import QEvent, Qt, pyqtSignal
from PyQt6.QtGui import QHelpEvent, QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import QScrollArea, QToolButton, QToolTip, QVBoxLayout, QWidget

from explorer.state.latent import LatentState
from explorer.state.sliders import SliderAxis, Sliders
from explorer.widgets import keys, terms, theme
from explorer.widgets.deferred import turns
from explorer.widgets.numbers import NumberLine
from explorer.widgets.sliders import SliderRow

_FIRST, _MORE = 6, 4  # rows built at once, and in each turn after that


class SliderList(QScrollArea):
    """A row per axis. `wanted(axis, value)` asks for a move; `uncovered` says that other rows came into view."""

    wanted = pyqtSignal(object, float)
    typed = pyqtSignal(object, float)
    pressed = pyqtSignal()
    released = pyqtSignal()
    reset_wanted = pyqtSignal(object)
    lock_wanted = pyqtSignal(object)
    uncovered = pyqtSignal()
    frame_dragged = pyqtSignal(object, int)  # SliderRow, frame of its filmstrip

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # nothing jumps when rows unfold
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._rows: list[SliderRow] = []
        self._axes = Sliders()
        self._state: LatentState | None = None  # the one shown
        self._kl_weight = 0.0  # at which it is shown
        self._current: SliderRow | None = None
        self._coming: tuple[SliderAxis, ...] = ()  # whose rows are still to be built
        self._inside = _Rows(self)
        self._layout = QVBoxLayout(self._inside)
        self._layout.setContentsMargins(0, 0, theme.UNIT // 2, 0)
        self._layout.setSpacing(0)
        self.fold = QToolButton(self._inside)
        self.fold.setCheckable(True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setToolTip(f"{terms.explain('more')} {terms.explain('collapsed')}")
        self.fold.toggled.connect(self._unfold)
        self._layout.addWidget(self.fold)
        self._layout.addStretch(1)
        self.setWidget(self._inside)
        self.entry = _Entry(self._inside)
        self.entry.hide()
        bar = self.verticalScrollBar()
        if bar is not None:
            bar.valueChanged.connect(lambda _: self.uncovered.emit())

    @property
    def rows(self) -> list[SliderRow]:
        """The rows that are built, from the top."""
        return self._rows

    @property
    def inside(self) -> QWidget:
        """What holds the rows."""
        return self._inside

    def visible_rows(self) -> list[SliderRow]:
        """The rows of which something can be seen."""
        bar, view = self.verticalScrollBar(), self.viewport()
        if bar is None or view is None:
            return []
        top = bar.value()
        return [row for row in self._rows if row.y() + row.height() > top and row.y() < top + view.height()]

    def reveal(self, index: int) -> None:
        """Bring the slider of this latent dimension into view, and the keyboard to it."""
        turns.finish(self)
        row = next((row for row in self._rows if row.axis.direction is None and row.axis.index == index), None)
        if row is not None:
            self._layout.activate()
            self.ensureWidgetVisible(row, 0, 0)
            row.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def set_axes(self, axes: Sliders) -> None:
        """Show these axes, those that say little behind the fold. Rows are used again where they are there."""
        self.entry.leave()
        self._axes = axes
        self.fold.setVisible(axes.hidden > 0)
        self._count()
        self._build(axes.shown + axes.unfolded if self.fold.isChecked() else axes.shown)

    def _count(self) -> None:
        """Say how many are behind the fold, and how many of them are collapsed at the weight shown."""
        hidden, open_ = self._axes.hidden, self.fold.isChecked()
        collapsed = self._axes.collapsed(self._kl_weight)
        words = f"{hidden:,} more"
        if collapsed == hidden:
            words = f"{hidden:,} collapsed"
        elif collapsed:
            words += f", {collapsed:,} of them collapsed"
        if open_ and hidden > len(self._axes.unfolded):
            words = f"{len(self._axes.unfolded)} of {words}"
        self.fold.setText(f"{'▾' if open_ else '▸'} {words}")

    def _unfold(self, unfolded: bool) -> None:
        self.set_axes(self._axes)
        if self._state is not None:
            self.show_state(self._state, self._kl_weight)

    def _build(self, axes: tuple[SliderAxis, ...]) -> None:
        self.setUpdatesEnabled(False)
        for row in self._rows[len(axes) :]:
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        del self._rows[len(axes) :]
        for row, axis in zip(self._rows, axes, strict=False):
            row.set_axis(axis)
        self._layout.removeWidget(self.fold)  # it stands between the two kinds
        self._layout.insertWidget(min(len(self._axes.shown), len(self._rows)), self.fold)
        self._coming = axes[len(self._rows) :]
        self._add(_FIRST - len(self._rows))
        self._layout.activate()
        turns.give(self, self._build_more)  # painted in a turn of their own, too

    def _add(self, count: int) -> None:
        """Build the next `count` rows."""
        now, self._coming = self._coming[: max(count, 0)], self._coming[max(count, 0) :]
        for axis in now:
            row = self._row(axis)
            self._layout.insertWidget(len(self._rows) + (len(self._rows) >= len(self._axes.shown)), row)
            self._rows.append(row)
        if not self._coming:
            self._order_tabs(len(self._axes.shown))
        self.uncovered.emit()

    def _build_more(self) -> None:
        self.setUpdatesEnabled(True)
        if self._coming:
            self._add(_MORE)
            turns.give(self, self._build_more)
        if self._state is not None:
            self.show_state(self._state, self._kl_weight)

    def _order_tabs(self, shown: int) -> None:
        """Tab comes to one row, then to the fold: not through a hundred sliders."""
        before: QWidget = self.fold
        for row in self._rows:
            QWidget.setTabOrder(before, row)
            before = row
        if shown:
            QWidget.setTabOrder(self._rows[shown - 1], self.fold)
        if self._rows and self._current not in self._rows:
            self._current = None
            self._enter(self._rows[0])

    def _enter(self, row: SliderRow) -> None:
        """Tab comes to this row from now on."""
        if self._current is not None:
            self._current.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        row.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._current = row

    def _row(self, axis: SliderAxis) -> SliderRow:
        row = SliderRow(axis, self._inside)
        row.focused.connect(lambda: self._enter(row))
        row.wanted.connect(lambda value: self.wanted.emit(row.axis, value))
        row.pressed.connect(self.pressed)
        row.released.connect(self.released)
        row.reset_wanted.connect(lambda: self.reset_wanted.emit(row.axis))
        row.lock_wanted.connect(lambda: self.lock_wanted.emit(row.axis))
        row.entry_wanted.connect(lambda text: self._edit(row, text))
        row.step_wanted.connect(lambda way: self._step(row, way))
        row.frame_dragged.connect(lambda frame: self.frame_dragged.emit(row, frame))
        return row

    def show_state(self, state: LatentState, kl_weight: float) -> None:
        """Set every slider, without asking for anything; those of dimensions that die at `kl_weight` fade."""
        turned, self._kl_weight = kl_weight != self._kl_weight, kl_weight
        self._state = state
        if turned:
            self._count()
        other = None if state.other is None else state.other.values
        for row in self._rows:
            axis = row.axis
            beside = None if other is None else axis.read(other)
            row.set_shown(axis.read(state.values), beside, axis.held(state), axis.life(kl_weight))

    # ------------------------------------------------------------------ keyboard

    def _step(self, row: SliderRow, way: int) -> None:
        place = self._rows.index(row) + way
        if 0 <= place < len(self._rows):
            self._rows[place].setFocus(Qt.FocusReason.TabFocusReason)
            self.ensureWidgetVisible(self._rows[place], 0, 0)

    def _edit(self, row: SliderRow, text: str) -> None:
        self.ensureWidgetVisible(row, 0, 0)
        self.entry.open(row, text, lambda value: self.typed.emit(row.axis, value))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.uncovered.emit()


class _Rows(QWidget):
    """Holds the rows, and explains them: an `event` of each row's own would be called for everything that happens to
    it."""

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            row = self.childAt(event.pos())
            if isinstance(row, SliderRow):
                QToolTip.showText(event.globalPos(), row.explanation(row.mapFromParent(event.pos())), row)
                return True
        return super().event(event)


class _Entry(NumberLine):
    """The number of one row while it is typed: one for all rows. Enter takes it, Escape leaves it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(what="This slider", decimals=3, parent=parent)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._row: SliderRow | None = None
        self._wanted: Callable[[float], None] | None = None
        self.taken.connect(lambda value: self._wanted(value) if self._wanted is not None else None)
        self.editingFinished.connect(self.leave)

    def open(self, row: SliderRow, text: str, take: Callable[[float], None]) -> None:
        """Stand in the place of the number of `row`, with `text` typed already."""
        self.leave()
        self.set_range(*row.reach())
        self.set_value(row.number)
        self._row, self._wanted = row, take
        self.what = row.title()
        self.setAccessibleName(f"{row.title()}, as a number")
        self.setGeometry(row.number_rect().translated(row.pos()).adjusted(-8, 0, 0, 0))
        self.show()
        self.raise_()
        self.setFocus()
        if text:
            self.setText(text)

    def leave(self) -> None:
        """Hide; the row has the keyboard again."""
        row, self._row = self._row, None
        self._wanted = None
        if row is not None:
            had = self.hasFocus()
            self.hide()
            if had:
                row.setFocus()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if keys.pressed("give_up", event):
            self.give_up()
            self.leave()
        else:
            super().keyPressEvent(event)
