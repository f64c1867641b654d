"""What stands under the sliders: details, dice, undo, A and B, my picture, bookmarks. Buttons that draw and emit,
nothing else."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QWidget,
)
from superqt.utils import signals_blocked

from explorer.state.latent import LatentState
from explorer.widgets import terms, theme
from explorer.widgets.keyboard import in_turn
from explorer.widgets.numbers import NumberField

HOTTEST = 2.0
_NOTCHES = 50  # per unit of temperature


class IconButton(QToolButton):
    """A button of `action` with an icon that follows the appearance, and with words where `text` is given."""

    def __init__(self, name: str, action: QAction, text: str = "", colour: str = "ink") -> None:
        super().__init__()
        self._name, self._colour = name, colour
        self.setDefaultAction(action)
        self.setIconSize(theme.ICON)
        self.setAccessibleName(action.text().replace("&", ""))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if text:
            action.setIconText(text)  # a text set on the button itself is gone with the action's next change
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        theme.notifier.changed.connect(self._draw)
        self._draw()

    def _draw(self) -> None:
        action = self.defaultAction()
        if action is not None:
            action.setIcon(theme.icon(self._name, getattr(theme.palette(), self._colour)))


class Rule(QFrame):
    """A thin line across, or upright."""

    def __init__(self, parent: QWidget | None = None, *, upright: bool = False) -> None:
        super().__init__(parent)
        self.setStyleSheet("border: none; background: palette(mid);")
        if upright:
            self.setFixedWidth(1)
        else:
            self.setFixedHeight(1)


class SegmentedButtons(QWidget):
    """A few words of which one is chosen, each a button; `chosen` gives its place when a person chooses."""

    chosen = pyqtSignal(int)

    def __init__(self, names: list[str], tips: list[str], parent: QWidget | None = None, wide: bool = True) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._group = QButtonGroup(self)
        for place, (name, tip) in enumerate(zip(names, tips, strict=True)):
            button = QToolButton(self)
            button.setText(name)
            button.setToolTip(tip)
            button.setAccessibleName(name.replace("&", ""))
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            if wide:
                button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self._group.addButton(button, place)
            layout.addWidget(button)
        self._group.idClicked.connect(self.chosen)

    def set_chosen(self, place: int) -> None:
        """Show this one as chosen, without a signal."""
        button = self._group.button(place)
        if button is not None:
            button.setChecked(True)

    def button(self, place: int) -> QToolButton:
        """One of the buttons."""
        button = self._group.button(place)
        assert isinstance(button, QToolButton)
        return button


class DiceRow(QWidget):
    """Dice, temperature and seed. `temperature` follows the hand; `seed` is a number that was typed or stepped to."""

    temperature = pyqtSignal(float)
    pressed = pyqtSignal()
    released = pyqtSignal()
    seed = pyqtSignal(int)

    def __init__(self, dice: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heat = QSlider(Qt.Orientation.Horizontal, self)
        self.heat.setRange(0, round(HOTTEST * _NOTCHES))
        self.heat.setSingleStep(_NOTCHES // 10)
        self.heat.setAccessibleName("Temperature of the dice")
        self.heat.setToolTip(terms.explain("temperature"))
        self._shown = QLabel(self)
        self._shown.setFixedWidth(4 * theme.UNIT)
        self._shown.setToolTip(terms.explain("temperature"))
        caption = QLabel("temperature", self)
        caption.setProperty("role", "quiet")
        caption.setToolTip(terms.explain("temperature"))
        self.number = NumberField(0, 999_999, prefix="seed ", what="The seed", whole=True, parent=self)
        self.number.setFixedWidth(15 * theme.UNIT)
        self.number.setAccessibleName("Seed of the dice")
        self.number.setToolTip(terms.explain("seed"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT)
        throw = IconButton("ph.dice-five", dice, "&Dice")
        layout.addWidget(throw)
        layout.addWidget(caption)
        layout.addWidget(self.heat, 1)
        layout.addWidget(self._shown)
        layout.addWidget(self.number)
        in_turn(throw, self.heat, self.number)
        self.heat.valueChanged.connect(lambda notch: self.temperature.emit(notch / _NOTCHES))
        self.heat.sliderPressed.connect(self.pressed)
        self.heat.sliderReleased.connect(self.released)
        self.number.valueChanged.connect(lambda number: self.seed.emit(int(number)))

    def show_state(self, state: LatentState) -> None:
        """Set both, without a signal."""
        with signals_blocked(self.heat), signals_blocked(self.number):
            self.heat.setValue(round(state.temperature * _NOTCHES))
            self.number.setValue(state.seed)
        self._shown.setText(f"{state.temperature:.2f}")


class DetailsRow(QWidget):
    """How much is painted of all that has no slider. `changed` follows the hand, from 0 to 1."""

    changed = pyqtSignal(float)
    pressed = pyqtSignal()
    released = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        caption = QLabel("details", self)
        caption.setProperty("role", "quiet")
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(0, 100)
        self.slider.setAccessibleName("Details")
        self._shown = QLabel(self)
        self._shown.setFixedWidth(5 * theme.UNIT)
        self._shown.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT)
        layout.addWidget(caption)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self._shown)
        for widget in (caption, self.slider, self._shown):
            widget.setToolTip(terms.explain("details"))
        self.slider.valueChanged.connect(lambda percent: self.changed.emit(percent / 100))
        self.slider.sliderPressed.connect(self.pressed)
        self.slider.sliderReleased.connect(self.released)

    def show_state(self, state: LatentState) -> None:
        """Set it, without a signal."""
        percent = round(100 * state.details)
        with signals_blocked(self.slider):
            self.slider.setValue(percent)
        self._shown.setText(f"{percent} %")


class ToolRow(QWidget):
    """Undo, redo, reset, A and B, my picture, bookmarks, pixels or smooth: one row of icons, in groups."""

    swap_wanted = pyqtSignal()

    def __init__(
        self, groups: list[list[tuple[str, QAction, str]]], bookmarks: list[QToolButton], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        tips = [f"Show the point {letter} (tap Space). {terms.explain('compare_ab')}" for letter in "AB"]
        self.letters = SegmentedButtons(["A", "B"], tips, wide=False)
        self.letters.chosen.connect(self._choose)
        self._showing = 0
        for place, group in enumerate(groups):
            if place:
                layout.addStretch(1)
            for name, action, text in group:
                layout.addWidget(IconButton(name, action, text))
            if place == 1:
                layout.addWidget(self.letters)
        for button in bookmarks:
            layout.insertWidget(layout.count() - 1, button)
        in_turn(
            *(part for place in range(layout.count()) if (item := layout.itemAt(place)) and (part := item.widget()))
        )

    def _choose(self, place: int) -> None:
        if place != self._showing:
            self.swap_wanted.emit()

    def show_state(self, state: LatentState) -> None:
        """Which point is on the screen, and whether there is another."""
        self._showing = "AB".index(state.showing)
        self.letters.set_chosen(self._showing)
        self.letters.setEnabled(state.other is not None)
