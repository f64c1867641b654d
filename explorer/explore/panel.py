"""The right side of the Explore page: KL weight, kind of sliders, the sliders, and what moves all of them."""

from collections.abc import Callable, Mapping

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QShortcut, QUndoStack
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from explorer.explore.controls import DetailsRow, DiceRow, Rule, SegmentedButtons, ToolRow
from explorer.explore.curve_chart import CurveChart
from explorer.explore.pad import XYPad
from explorer.explore.slider_list import SliderList
from explorer.messages import ModelInfo
from explorer.safe_text import plain
from explorer.state.latent import LatentState
from explorer.state.runs import calibrated_weight
from explorer.state.sliders import REACH, Sliders, weights_of
from explorer.state.weight_curve import WeightCurve
from explorer.widgets import keys, terms, theme
from explorer.widgets.keyboard import in_turn
from explorer.widgets.numbers import NumberLine
from explorer.widgets.weight_knob import WeightKnob

WIDTH = 432
_EASILY_FOUND = 16  # sliders: of more than that one is looked for by its number
_PLAIN = "A plain autoencoder was trained without a KL term: there is no weight to turn."
_FIXED = (
    "This network was trained at this weight, and its pictures do not follow another one. "
    "Train again with another weight to see the difference."
)
_ACTIONS = (  # name, which is that of its keys too, text, what it does
    ("undo", "Undo", ""),
    ("redo", "Redo", ""),
    ("dice", "Throw the &dice", "Throw the dice (D): another point at random."),
    ("reset", "&Reset all sliders", "Put everything that is not locked back to the middle"),
    ("hold", "&Hold this point", "Hold this point as the other one, to compare with"),
    ("swap", "&Show the other point", terms.explain("compare_ab")),
    ("picture", "My &picture…", terms.explain("encode")),
    ("bookmark", "&Bookmark this point", "Keep this point among the bookmarks"),
)
_WITHOUT = ("undo", "redo", "swap")  # whose keys the window has, or the page, as an action would take them from entries


class ExplorePanel(QWidget):
    """Lays out the widgets and shows a state in them; the page listens to each."""

    def __init__(
        self, actions: dict[str, QAction], bookmarks: list[QToolButton], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        self.weight = WeightKnob(self, title=terms.label("kl_weight"), wide=True)
        self._weight_tips = {child: child.toolTip() for child in self.weight.findChildren(QWidget)}
        names = ["&Latent dimensions", "P&rincipal directions"]
        self.mode = SegmentedButtons(names, [terms.explain("latent"), terms.explain("principal")], self)
        self.unit = QLabel(self)
        self.unit.setProperty("role", "caption")
        self.unit.setWordWrap(True)
        self.finder = NumberLine(what="The slider", whole=True, optional=True, parent=self)
        self.finder.setPlaceholderText("find no.")
        self.finder.setFixedWidth(9 * theme.UNIT)
        self.finder.setAccessibleName("Number of a slider to find")
        self.finder.setToolTip(f"{terms.explain('find_slider')} ({keys.words('find')})")
        (find,) = keys.sequences("find")
        QShortcut(find, self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut).activated.connect(
            self.finder.setFocus
        )
        self.pad = XYPad(self)
        self.pad.hide()
        self._deviations = self._first = ""
        self._lowest = 0.0  # of the weights
        self.curve = CurveChart(self)
        self.sliders = SliderList(self)
        self.details = DetailsRow(self)
        self.dice = DiceRow(actions["dice"], self)
        groups = [
            [("ph.arrow-u-up-left", actions["undo"], ""), ("ph.arrow-u-up-right", actions["redo"], "")],
            [("ph.arrow-counter-clockwise", actions["reset"], ""), ("ph.push-pin", actions["hold"], "")],
            [("ph.image", actions["picture"], "My &picture…")],
            [("ph.drop-half", actions["smooth"], "")],
        ]
        self.tools = ToolRow(groups, bookmarks, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, theme.UNIT, theme.UNIT, theme.UNIT)
        layout.setSpacing(theme.UNIT)
        first = QHBoxLayout()
        first.setSpacing(2 * theme.UNIT)
        first.addWidget(self.weight, 1)
        first.addWidget(self.curve)
        layout.addLayout(first)
        above = QHBoxLayout()
        above.setSpacing(theme.UNIT)
        above.addWidget(self.unit, 1)
        above.addWidget(self.finder)
        layout.addWidget(Rule(self))
        layout.addWidget(self.mode)
        layout.addLayout(above)
        for widget, share in (
            (self.pad, 2), (self.sliders, 1), (self.details, 0), (Rule(self), 0), (self.dice, 0), (self.tools, 0),
        ):  # fmt: skip
            layout.addWidget(widget, share)
        in_turn(self.weight, self.mode, self.finder, self.sliders, self.details, self.dice, self.tools)

    def set_model(self, info: ModelInfo) -> None:
        """What does not change while this model is open."""
        self.weight.setEnabled(info.carries_weight)
        reason = _PLAIN if info.autoencoder else _FIXED
        for child, tip in self._weight_tips.items():
            child.setToolTip(tip if info.carries_weight else reason)
        self.weight.setToolTip("" if info.carries_weight else reason)
        curve = WeightCurve.of(info)
        self.curve.set_curve(curve)
        self._lowest = weights_of(info)[0]
        self.weight.set_range(*weights_of(info))
        distortion = info.evaluated.get("distortion")
        calibrated = None if curve is None else curve.calibrated()
        if curve is None and isinstance(distortion, int | float) and not info.autoencoder:
            calibrated = calibrated_weight(distortion, info.image_shape)
        self.weight.set_calibrated(calibrated)
        self._first = "most telling first" + ("" if info.autoencoder else ", in nats")
        self._deviations = "standard deviations of the pictures" if info.autoencoder else "prior standard deviations"

    def show_state(self, state: LatentState, kl_weight: float, dimensions: Sliders) -> None:
        """Set all but the sliders to `state` at `kl_weight`, without a signal; details are of hidden `dimensions`."""
        self.weight.set_value(kl_weight)
        self.curve.set_weight(kl_weight)
        self.details.setVisible(dimensions.hidden > dimensions.collapsed(self._lowest))
        self.details.show_state(state)
        directions = state.mode == "directions"
        self.finder.setVisible(not directions and len(dimensions.dies_at) > _EASILY_FOUND)
        self.finder.set_range(1, len(dimensions.dies_at))
        self.mode.set_chosen(int(directions))
        locked = [f"{len(state.locked)} locked"] if state.locked else []
        active = f"{dimensions.active(kl_weight):,} of {len(dimensions.dies_at):,} active"
        start = ["starting in the middle of all pictures"] if directions else [active, self._first]
        self.unit.setText(" · ".join((*locked, *start, f"−{REACH:g} to +{REACH:g}")))
        reach = f"Each slider reaches {REACH:g} {self._deviations} to either side."
        self.unit.setToolTip(reach if directions else f"{reach} {terms.explain('rate_per_dimension')}")
        self.dice.show_state(state)
        self.tools.show_state(state)


def show_undo(actions: Mapping[str, QAction], stack: QUndoStack) -> None:
    """Say in both actions what they would do."""
    for name, can, text in (
        ("undo", stack.canUndo(), stack.undoText()),
        ("redo", stack.canRedo(), stack.redoText()),
    ):
        actions[name].setEnabled(can)
        what = f": {plain(text.replace('&&', '&'))}" if text else ""
        actions[name].setToolTip(f"{name.capitalize()}{what} ({keys.words(name)})")


def make_actions(
    owner: QWidget, does: Mapping[str, Callable[[], object]], set_smooth: Callable[[bool], object]
) -> dict[str, QAction]:
    """The actions of `owner` by name; `does` holds what each does.

    All but undo and redo, which the window has, are in `owner.actions()` with their keys.
    """
    made = {}
    for name, text, tip in _ACTIONS:
        action = QAction(text, owner)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        if name not in _WITHOUT:
            action.setShortcuts(keys.sequences(name))
            tip = f"{tip.rstrip('.')} ({keys.words(name)})"
        action.setToolTip(tip)
        action.triggered.connect(lambda _, act=does[name]: act())
        made[name] = action
    smooth = QAction("Show &soft instead of pixels", owner)
    smooth.setCheckable(True)
    smooth.setToolTip(f"{terms.explain('smooth').rstrip('.')} ({keys.words('smooth')})")
    smooth.setShortcuts(keys.sequences("smooth"))
    smooth.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    smooth.toggled.connect(set_smooth)
    made["smooth"] = smooth
    owner.addActions([action for name, action in made.items() if name not in ("undo", "redo")])
    return made
