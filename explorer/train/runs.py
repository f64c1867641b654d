"""The table of all runs of this session, and the shortest way to the next one: the same with another weight."""

import math
from collections.abc import Iterable, Sequence

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from explorer.safe_text import plain
from explorer.state.runs import RunCurves
from explorer.train.words import NONE, STATES, duration, fixed, measured, number, weight_of
from explorer.widgets import terms, theme
from explorer.widgets.numbers import NumberLine, number_of
from explorer.widgets.weight_knob import HIGHEST

_COLUMNS = ("Run", "Weight", "D", "R", "L", "PSNR", "Time", "State")
_WORTH_TRYING = (0.1, 1.0, 0.01, 10.0, 0.001, 100.0)
_TERMS = ("", "kl_weight", "distortion", "rate", "loss", "psnr", "", "")


def row_of(run: RunCurves) -> tuple[str, ...]:
    """One run as the texts of its row; measures are of held-out pictures."""
    at = f", at {number(run.kl_weight)}" if run.weight_range else ""  # where the measures are taken
    return (
        str(run.number),
        "none" if run.autoencoder else weight_of(run) + at,
        measured(run.measured("distortion"), 4),
        measured(run.measured("rate"), 4),
        measured(run.measured("loss"), 4),
        fixed(run.measured("psnr"), 1),
        duration(run.seconds) if len(run.terms) else NONE,
        STATES[run.phase] if not run.stopped else "stopped",
    )


def another_weight(tried: Iterable[float]) -> float:
    """The weight worth trying next: the question's own pair first, then further out what has not been tried."""
    known = list(tried)
    untried = (w for w in _WORTH_TRYING if not any(math.isclose(w, other, rel_tol=1e-3) for other in known))
    return next(untried, 1.0)


class RunsPanel(QWidget):
    """`opened` names a finished run, `again` a run and a weight to train it with at once, `to_form` a run to put into
    the form.

    `chosen` follows the selected row; `shown`, `removed` and `killed` (end at once, without a model) are asked for
    in the menu of a row.
    """

    opened = pyqtSignal(int)
    again = pyqtSignal(int, float)
    to_form = pyqtSignal(int)
    chosen = pyqtSignal(int)
    shown = pyqtSignal(int, bool)
    removed = pyqtSignal(int)
    killed = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunCurves] = []
        self._hidden: frozenset[int] = frozenset()
        self._busy = ""
        self._suggested_for = 0
        self.table = self._make_table()
        self.retrain = QPushButton("&Retrain with weight", self)
        self.retrain.clicked.connect(self._retrain)
        self.weight = NumberLine(0.0, HIGHEST, what="The weight", parent=self)
        self.weight.setFixedWidth(8 * theme.UNIT)
        self.weight.setAccessibleName("Weight to retrain with")
        self.weight.setToolTip(terms.TERMS["kl_weight"])
        self.weight.returnPressed.connect(self._retrain)
        self.weight.textChanged.connect(lambda _: self._allow())
        self.open = QPushButton("&Open its model", self)
        self.open.setToolTip("Explore what this run has learned (double-click its row)")
        self.open.clicked.connect(lambda: self._open(self.table.currentRow()))
        row = QHBoxLayout()
        row.setSpacing(theme.UNIT // 2)
        row.addWidget(self.retrain)
        row.addWidget(self.weight)
        row.addStretch(1)
        row.addWidget(self.open)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT // 2)
        layout.addWidget(self.table, 1)
        layout.addLayout(row)
        self.empty = QLabel("Every run stands here, to compare and to train again with another weight.", self.table)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setProperty("role", "quiet")
        over = QVBoxLayout(self.table)
        over.setContentsMargins(2 * theme.UNIT, 3 * theme.UNIT, 2 * theme.UNIT, 0)
        over.addWidget(self.empty)
        self._allow()

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, len(_COLUMNS), self)
        table.setHorizontalHeaderLabels(_COLUMNS)
        for column, term in enumerate(_TERMS):
            item = table.horizontalHeaderItem(column)
            if item is None:
                continue
            item.setTextAlignment(_aligned(column))
            if term:
                held = " On held-out pictures." if term in ("distortion", "rate", "loss", "psnr") else ""
                item.setToolTip(terms.explain(term) + held)
        table.setAccessibleName("Training runs")
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.setStyleSheet("QHeaderView::section { padding: 4px 3px; }")
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        if (rows := table.verticalHeader()) is not None:
            rows.hide()
            rows.setDefaultSectionSize(3 * theme.UNIT)
        if (columns := table.horizontalHeader()) is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSectionResizeMode(len(_COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
            columns.setMinimumSectionSize(3 * theme.UNIT)
            columns.setHighlightSections(False)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._ask)
        table.cellDoubleClicked.connect(lambda row, _: self._open(row))
        table.currentCellChanged.connect(lambda row, *_: self._choose(row))
        return table

    def draw(self, runs: Sequence[RunCurves], hidden: frozenset[int]) -> None:
        """Show these runs, oldest first; a new one is selected."""
        before, known = self.current, {run.number for run in self._runs}
        self._runs, self._hidden = list(runs), hidden
        self.empty.setVisible(not self._runs)
        self.table.setRowCount(len(self._runs))
        for place, run in enumerate(self._runs):
            for column, text in enumerate(row_of(run)):
                self._write(place, column, text, run.number in hidden)
        numbers = [run.number for run in self._runs]
        wanted = numbers[-1] if numbers and numbers[-1] not in known else before.number if before is not None else 0
        if wanted in numbers and self.table.currentRow() != numbers.index(wanted):
            self.table.setCurrentCell(numbers.index(wanted), 0)
        self._allow()

    @property
    def current(self) -> RunCurves | None:
        """The selected run."""
        place = self.table.currentRow()
        return self._runs[place] if 0 <= place < len(self._runs) else None

    def select(self, number: int) -> None:
        """Select the row of a run."""
        for place, run in enumerate(self._runs):
            if run.number == number:
                self.table.setCurrentCell(place, 0)

    def set_busy(self, why: str) -> None:
        """No new run while there is a reason against it."""
        self._busy = why
        self._allow()

    def menu_of(self, run: RunCurves) -> QMenu:
        """What can be done with a run."""
        menu = QMenu(self)
        shown = run.number not in self._hidden
        if (action := menu.addAction("&Open its model", lambda: self.opened.emit(run.number))) is not None:
            action.setEnabled(bool(run.path))
        again = menu.addAction("&Train again with another weight", lambda: self.to_form.emit(run.number))
        if again is not None:
            again.setToolTip("Puts the settings of this run, its seed included, into the form")
        menu.addAction(
            "&Hide its curves" if shown else "S&how its curves", lambda: self.shown.emit(run.number, not shown)
        )
        if run.is_alive:
            menu.addAction("&End it at once, without a model", lambda: self.killed.emit(run.number))
        removal = menu.addAction("&Remove from the list", lambda: self.removed.emit(run.number))
        if removal is not None:
            removal.setEnabled(not run.is_alive)
        return menu

    def _write(self, row: int, column: int, text: str, faint: bool) -> None:
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            item.setTextAlignment(_aligned(column))
            self.table.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
        role = self.palette().ColorRole.PlaceholderText if faint else self.palette().ColorRole.Text
        item.setForeground(self.palette().color(role))
        run = self._runs[row]
        item.setToolTip(plain(run.sentence if run.phase == "failed" else run.path))

    def _choose(self, row: int) -> None:
        run = self.current
        if run is not None and row >= 0:
            if self._suggested_for != run.number:
                self._suggested_for = run.number
                self.weight.set_value(another_weight(each.kl_weight for each in self._runs if not each.autoencoder))
            self.chosen.emit(run.number)
        self._allow()

    def _wanted(self) -> float | None:
        weight = number_of(self.weight.text())  # as it is typed, before it is taken
        return weight if self.weight.allowed(weight) else None

    def _allow(self) -> None:
        run = self.current
        self.open.setEnabled(run is not None and bool(run.path))
        self.retrain.setEnabled(run is not None and not self._busy and self._wanted() is not None)
        self.weight.setEnabled(run is not None)
        which = f"Train run {run.number} again" if run is not None else "Train the selected run again"
        self.retrain.setToolTip(self._busy or f"{which} with this weight and all else equal, the seed included")

    def _retrain(self) -> None:
        run, weight = self.current, self._wanted()
        if run is not None and weight is not None and not self._busy:
            self.again.emit(run.number, weight)

    def _open(self, row: int) -> None:
        if 0 <= row < len(self._runs) and self._runs[row].path:
            self.opened.emit(self._runs[row].number)

    def _ask(self, where: QPoint) -> None:
        row = self.table.rowAt(where.y())
        port = self.table.viewport()
        if 0 <= row < len(self._runs) and port is not None:
            self.menu_of(self._runs[row]).popup(port.mapToGlobal(where))


def _aligned(column: int) -> Qt.AlignmentFlag:
    """Numbers to the right, words to the left; the same for the name of the column."""
    words = column == len(_COLUMNS) - 1
    return Qt.AlignmentFlag.AlignVCenter | (Qt.AlignmentFlag.AlignLeft if words else Qt.AlignmentFlag.AlignRight)
