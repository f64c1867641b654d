"""The table of all runs of this session, and the shortest way to the next one: the same with another weight."""

import math
from collections.abc import Iterable, Sequence

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent, QShortcut
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QLabel,
    QMenu,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from explorer.safe_text import line, plain
from explorer.state.runs import RunCurves
from explorer.train.words import (
    NONE,
    STATES,
    duration,
    fixed,
    measured,
    number,
    pictures_of,
    title,
    turned_through,
    weights_of,
)
from explorer.widgets import keys, terms, theme
from explorer.widgets.numbers import NumberLine, number_of
from explorer.widgets.weight_knob import HIGHEST

_COLUMNS = ("Run", "Weight", "D", "R", "L", "PSNR", "Time", "State")
_WORTH_TRYING = (0.1, 1.0, 0.01, 10.0, 0.001, 100.0)
_USUAL = ("12", "0.1", "123.4", "123.4", "123.4", "12.3", "12 min", "preparing")  # as wide as most come to be
_TERMS = ("", "kl_weight", "distortion", "rate", "loss", "psnr", "", "")


def row_of(run: RunCurves) -> tuple[str, ...]:
    """One run as the texts of its row; measures are of held-out pictures."""
    at = f", at {number(run.kl_weight)}" if run.weight_range else ""  # where the measures are taken
    return (
        line(run.name, 24) or str(run.number),
        "none" if run.autoencoder else turned_through(run) + at,
        measured(run.measured("distortion"), 4),
        measured(run.measured("rate"), 4),
        measured(run.measured("loss"), 4),
        fixed(run.measured("psnr"), 1),
        duration(run.seconds) if run.step else NONE,
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

    `chosen` follows the selected row; `shown`, `renamed`, `removed`, `trashed` (with its model) and `killed` (end at
    once, without a model) are asked for in the menu of a row. Where runs learn from different pictures, each kind
    stands under a line that names them.
    """

    opened = pyqtSignal(int)
    again = pyqtSignal(int, float)
    to_form = pyqtSignal(int)
    chosen = pyqtSignal(int)
    shown = pyqtSignal(int, bool)
    renamed = pyqtSignal(int, str)
    removed = pyqtSignal(int)
    trashed = pyqtSignal(int)
    killed = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunCurves] = []
        self._rows: list[RunCurves | str] = []  # runs, and the lines that name the pictures of those below
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
        self.open = QPushButton("&Open", self)
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
            columns.setMinimumSectionSize(3 * theme.UNIT)
            columns.setHighlightSections(False)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._ask)
        table.cellDoubleClicked.connect(lambda row, _: self._open(row))
        table.currentCellChanged.connect(lambda row, *_: self._choose(row))
        for name, act in (("delete_run", self._remove), ("rename_run", self._ask_name)):
            for key in keys.sequences(name):
                shortcut = QShortcut(key, table, context=Qt.ShortcutContext.WidgetShortcut)
                shortcut.activated.connect(lambda act=act: act())
        return table

    def needed(self) -> int:
        """The width at which nothing in the table is cut, nor will be in the row of a usual run."""
        columns, bar = self.table.horizontalHeader(), self.table.verticalScrollBar()
        contents = 0 if columns is None else sum(map(self._width_of, range(columns.count())))
        return contents + (0 if bar is None else bar.sizeHint().width()) + 2 * self.table.frameWidth() + 2

    def _width_of(self, column: int) -> int:
        columns = self.table.horizontalHeader()
        hint = 0 if columns is None else columns.sectionSizeHint(column)
        usual = self.table.fontMetrics().horizontalAdvance(_USUAL[column]) + 2 * theme.UNIT
        return max(hint, usual, self.table.sizeHintForColumn(column))

    def draw(self, runs: Sequence[RunCurves], hidden: frozenset[int]) -> None:
        """Show these runs, oldest first; a new one is selected."""
        before, known = self.current, {run.number for run in self._runs}
        self._runs, self._hidden = list(runs), hidden
        self._rows = in_groups(self._runs)
        self.empty.setVisible(not self._runs)
        self.table.setRowCount(len(self._rows))
        for place, one in enumerate(self._rows):
            span = len(_COLUMNS) if isinstance(one, str) else 1
            if self.table.columnSpan(place, 0) != span:
                self.table.setSpan(place, 0, 1, span)
            for column, text in enumerate((one,) if isinstance(one, str) else row_of(one)):
                self._write(place, column, text, isinstance(one, str) or one.number in hidden)
        newest = self._runs[-1].number if self._runs else 0
        wanted = newest if newest not in known else before.number if before is not None else 0
        if (current := self.current) is None or current.number != wanted:
            self.select(wanted)
        self._allow()
        self._stretch()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._stretch()

    def _stretch(self) -> None:
        """Let the last column fill what is left; where that is less than it needs, the table scrolls."""
        columns, port = self.table.horizontalHeader(), self.table.viewport()
        if columns is not None and port is not None:
            others = sum(map(columns.sectionSize, range(columns.count() - 1)))
            last = columns.count() - 1
            fills = port.width() - others >= self._width_of(last)
            modes = QHeaderView.ResizeMode
            columns.setSectionResizeMode(last, modes.Stretch if fills else modes.ResizeToContents)

    def knows(self, number: int) -> bool:
        """Whether this run stands in the table."""
        return any(run.number == number for run in self._runs)

    @property
    def current(self) -> RunCurves | None:
        """The selected run."""
        return self._run_at(self.table.currentRow())

    def _run_at(self, row: int) -> RunCurves | None:
        one = self._rows[row] if 0 <= row < len(self._rows) else None
        return one if isinstance(one, RunCurves) else None

    def select(self, number: int) -> None:
        """Select the row of a run."""
        for place, one in enumerate(self._rows):
            if isinstance(one, RunCurves) and one.number == number:
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
        menu.addAction("Re&name…", lambda: self._ask_name(run))
        if run.is_alive:
            menu.addAction("&End it at once, without a model", lambda: self.killed.emit(run.number))
        removal = menu.addAction("&Remove from the list", lambda: self.removed.emit(run.number))
        trash = menu.addAction("&Delete it and its model", lambda: self.trashed.emit(run.number))
        for action, able in ((removal, not run.is_alive), (trash, not run.is_alive and bool(run.path))):
            if action is not None:
                action.setEnabled(able)
        if trash is not None:
            trash.setToolTip("The file goes to the system's trash, from where it can be brought back")
        menu.setToolTipsVisible(True)
        return menu

    def _remove(self) -> None:
        if (run := self.current) is not None and not run.is_alive:
            self.removed.emit(run.number)

    def _ask_name(self, run: RunCurves | None = None) -> None:
        if (run := run or self.current) is None:
            return
        name, taken = QInputDialog.getText(self, "Rename the run", "Name", text=run.name or title(run))
        if taken:
            self.renamed.emit(run.number, name.strip())

    def _write(self, row: int, column: int, text: str, faint: bool) -> None:
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            self.table.setItem(row, column, item)
        run = self._run_at(row)
        if run is None:  # the name of the pictures of those below
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        else:
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        item.setTextAlignment(_aligned(column) if run is not None else Qt.AlignmentFlag.AlignVCenter)
        if item.text() != text:
            item.setText(text)
        role = self.palette().ColorRole.PlaceholderText if faint else self.palette().ColorRole.Text
        item.setForeground(self.palette().color(role))
        item.setToolTip("" if run is None else plain(self._tip_of(run, column)))

    def _tip_of(self, run: RunCurves, column: int) -> str:
        if column == _COLUMNS.index("Weight") and (turns := weights_of(run))[1:]:
            return "Turned through " + ", ".join(map(number, turns))
        return run.sentence if run.phase == "failed" else run.path or pictures_of(run)

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
        if (run := self._run_at(row)) is not None and run.path:
            self.opened.emit(run.number)

    def _ask(self, where: QPoint) -> None:
        row = self.table.rowAt(where.y())
        port = self.table.viewport()
        if (run := self._run_at(row)) is not None and port is not None:
            self.menu_of(run).popup(port.mapToGlobal(where))


def in_groups(runs: Sequence[RunCurves]) -> list[RunCurves | str]:
    """The runs, those on the same pictures together under the name of these where there are several kinds; the kind of
    the newest run last."""
    groups: dict[tuple, list[RunCurves]] = {}
    for run in reversed(runs):
        groups.setdefault(run.pictures_of, []).insert(0, run)
    if len(groups) < 2:
        return list(runs)
    rows: list[RunCurves | str] = []
    for group in reversed(groups.values()):
        rows += [pictures_of(group[0]), *group]
    return rows


def _aligned(column: int) -> Qt.AlignmentFlag:
    """Numbers to the right, words to the left; the same for the name of the column."""
    words = column == len(_COLUMNS) - 1
    return Qt.AlignmentFlag.AlignVCenter | (Qt.AlignmentFlag.AlignLeft if words else Qt.AlignmentFlag.AlignRight)
