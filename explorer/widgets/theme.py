"""Colours, spacing, icons and the application's style sheet: one place, two appearances, followed while running.

A widget that paints itself asks `palette()` in its paint event; one that sets colours once connects `notifier.changed`.
Labels take their look from a property: `label.setProperty("role", "title" | "heading" | "quiet" | "caption")`; the one
button that matters most on a page has `setProperty("primary", True)`, a button without a frame `setProperty("flat",
True)`.
"""

import contextlib
from dataclasses import dataclass
from functools import cache

from PyQt6.QtCore import QObject, QSize, Qt, QTemporaryDir, pyqtSignal
from PyQt6.QtGui import QColor, QGuiApplication, QIcon, QPalette
from PyQt6.QtWidgets import QApplication

UNIT = 8  # pixels; every gap is a multiple of half of it
ICON = QSize(20, 20)
SCHEMES = ("system", "light", "dark")


@dataclass(frozen=True)
class Palette:
    """Colours of one appearance, as "#rrggbb". One colour per quantity, from Okabe and Ito's colour-blind-safe set.

    `background` is behind everything, `surface` is what can be written on or holds a plot, `ink` is text, `quiet` is
    text of second rank, `rule` is a thin line. `distortion`, `rate`, `weight` and `loss` are the same as in kvae's
    figures.
    """

    background: str
    surface: str
    ink: str
    quiet: str
    rule: str
    accent: str
    distortion: str
    rate: str
    weight: str
    loss: str
    error: str


# The grounds are neutral greys: a tinted one would change how the picture's colours are seen.
LIGHT = Palette(
    background="#f5f5f5",
    surface="#ffffff",
    ink="#1b1b1b",
    quiet="#666666",
    rule="#dcdcdc",
    accent="#6b4fa0",
    distortion="#0072B2",
    rate="#E69F00",
    weight="#009E73",
    loss="#000000",
    error="#b3261e",
)
DARK = Palette(
    background="#17181a",
    surface="#202225",
    ink="#ececec",
    quiet="#a0a4a8",
    rule="#35393e",
    accent="#b39ddb",
    distortion="#56B4E9",
    rate="#E69F00",
    weight="#00B585",
    loss="#ffffff",
    error="#ff8a80",
)


class Notifier(QObject):
    """Says that the appearance changed; widgets that keep colours take them anew."""

    changed = pyqtSignal()


notifier = Notifier()
_chosen = "system"
_icons: dict[tuple[str, str], QIcon] = {}
_drawings: list[QTemporaryDir] = []  # made with the first style sheet, gone with the program
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 12 12" width="12" height="12">'
    '<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/></svg>'
)
_PATHS = {"check": ("M2.5 6.5 5 9l4.5-6", 1.8), "down": ("M3 4.75 6 7.75l3-3", 1.3), "up": ("M3 7.25 6 4.25l3 3", 1.3)}


def is_dark() -> bool:
    """Whether the dark appearance is on: chosen, or the system's where nothing was chosen."""
    if _chosen != "system":
        return _chosen == "dark"
    hints = QGuiApplication.styleHints()
    return hints is not None and hints.colorScheme() == Qt.ColorScheme.Dark


def palette() -> Palette:
    """The colours of the current appearance."""
    return DARK if is_dark() else LIGHT


def scheme() -> str:
    """What was chosen: "system", "light" or "dark"."""
    return _chosen


def choose(name: str) -> None:
    """Choose "system", "light" or "dark"; an unknown word is taken as "system"."""
    global _chosen
    _chosen = name if name in SCHEMES else "system"
    wanted = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(_chosen, Qt.ColorScheme.Unknown)
    hints = QGuiApplication.styleHints()
    if hints is not None:
        hints.setColorScheme(wanted)  # window frames and file dialogs follow, where the platform can
    _restyle()


def apply(app: QApplication) -> None:
    """Give `app` the look, and keep it as the system changes between light and dark."""
    app.setStyle("fusion")  # the one style that looks the same, and takes our colours, on every platform
    hints = app.styleHints()
    if hints is not None:
        hints.colorSchemeChanged.connect(_restyle)
    _restyle()


def _restyle(*_: object) -> None:
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        return
    colours = palette()
    app.setPalette(_qt_palette(colours))
    sheet = style_sheet(colours)
    if app.styleSheet() != sheet:
        app.setStyleSheet(sheet)
        notifier.changed.emit()


def icon(name: str, colour: str = "") -> QIcon:
    """The icon `name` of qtawesome ("ph.compass"), in ink or in `colour` ("#rrggbb"); greyed where disabled.

    Kept, as drawing one anew is slow. After `notifier.changed` ask again for the colours of the new appearance.
    """
    colours = palette()
    key = (name, colour or colours.ink)
    if key not in _icons:
        import qtawesome  # a tenth of a second: only when the first icon is drawn

        _icons[key] = qtawesome.icon(name, color=key[1], color_disabled=mixed(colours.quiet, colours.background, 0.5))
    return _icons[key]


def stroke(width: float) -> float:
    """The width of a plot's line in the pixels of the screen: pyqtgraph's pens know nothing of a screen's scale."""
    app = QGuiApplication.instance()
    return width * (app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0)


@cache
def mixed(one: str, other: str, share: float) -> str:
    """The colour `share` of the way from `one` to `other`, all "#rrggbb"."""
    pairs = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _qt_palette(colours: Palette) -> QPalette:
    made = QPalette()
    role = QPalette.ColorRole
    faint = mixed(colours.ink, colours.background, 0.6)
    on_accent = "#ffffff" if colours is LIGHT else "#17181a"
    for each, colour in {
        role.Window: colours.background,
        role.WindowText: colours.ink,
        role.Base: colours.surface,
        role.AlternateBase: colours.background,
        role.Text: colours.ink,
        role.Button: colours.surface,
        role.ButtonText: colours.ink,
        role.BrightText: colours.error,
        role.Highlight: colours.accent,
        role.HighlightedText: on_accent,
        role.Accent: colours.accent,
        role.Link: colours.accent,
        role.LinkVisited: colours.accent,
        role.PlaceholderText: colours.quiet,
        role.ToolTipBase: colours.surface,
        role.ToolTipText: colours.ink,
        role.Light: colours.surface,
        role.Midlight: colours.rule,
        role.Mid: colours.rule,
        role.Dark: colours.quiet,
        role.Shadow: colours.rule,
    }.items():
        made.setColor(each, QColor(colour))
    for each in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, each, QColor(faint))
    made.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(colours.rule))
    return made


def style_sheet(colours: Palette) -> str:
    """The application's style sheet in these colours."""
    values = {
        **vars(colours),
        "hover": mixed(colours.background, colours.ink, 0.06),
        "pressed": mixed(colours.background, colours.ink, 0.12),
        "soft": mixed(colours.background, colours.accent, 0.16),
        "accent_hover": mixed(colours.accent, colours.ink, 0.15),
        "on_accent": "#ffffff" if colours is LIGHT else "#17181a",
        "faint": mixed(colours.ink, colours.background, 0.6),
        "groove": mixed(colours.background, colours.ink, 0.18),
        "edge": mixed(colours.background, colours.ink, 0.22),
        "check": _drawn("check", "#ffffff" if colours is LIGHT else "#17181a"),
        "up": _drawn("up", colours.quiet),
        "down": _drawn("down", colours.quiet),
        "up_off": _drawn("up", colours.rule),
        "down_off": _drawn("down", colours.rule),
    }
    return _SHEET % values


def _drawn(name: str, colour: str) -> str:
    """The path of a small drawing: a style sheet takes pictures only from files."""
    if not _drawings:
        _drawings.append(QTemporaryDir())
    path = f"{_drawings[0].path()}/{name}-{colour[1:]}.svg"
    line, width = _PATHS[name]
    with contextlib.suppress(OSError), open(path, "w") as file:
        file.write(_SVG.format(path=line, colour=colour, width=width))
    return path.replace("\\", "/")


_SHEET = """
QToolTip { background: %(surface)s; color: %(ink)s; border: 1px solid %(rule)s; padding: 4px 6px; }
QLabel[role="title"] { font-size: 22pt; font-weight: 300; }
QLabel[role="heading"] { font-size: 12pt; font-weight: 600; }
QLabel[role="quiet"] { color: %(quiet)s; }
QLabel[role="caption"] { color: %(quiet)s; font-size: 8pt; }
QLabel[role="error"] { color: %(error)s; }

QPushButton { background: %(surface)s; border: 1px solid %(edge)s; border-radius: 4px; padding: 5px 12px; }
QPushButton:hover { background: %(hover)s; }
QPushButton:pressed { background: %(pressed)s; }
QPushButton:focus { border-color: %(accent)s; }
QPushButton:checked { background: %(soft)s; border-color: %(accent)s; }
QPushButton:disabled { color: %(faint)s; background: transparent; border-color: %(rule)s; }
QPushButton[primary="true"] { background: %(accent)s; color: %(on_accent)s; border-color: %(accent)s; }
QPushButton[primary="true"]:hover { background: %(accent_hover)s; }
QPushButton[primary="true"]:focus { border-color: %(ink)s; }
QPushButton[primary="true"]:disabled { background: %(groove)s; border-color: %(groove)s; color: %(faint)s; }
QPushButton::menu-indicator { image: none; width: 0; }
QPushButton[flat="true"] { background: transparent; border: 1px solid transparent; padding: 3px 6px; }
QPushButton[flat="true"]:hover { background: %(hover)s; }
QPushButton[flat="true"]:focus { border-color: %(accent)s; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: 4px; padding: 4px; }
QToolButton:hover { background: %(hover)s; }
QToolButton:pressed { background: %(pressed)s; }
QToolButton:checked { background: %(soft)s; }
QToolButton:focus { border-color: %(accent)s; }
QToolButton:disabled { color: %(faint)s; }
QToolButton::menu-indicator { image: none; }

QLineEdit, QComboBox, QAbstractSpinBox { background: %(surface)s; border: 1px solid %(edge)s; border-radius: 4px;
                                          padding: 3px 6px; min-height: 18px; }
QLineEdit:hover, QComboBox:hover, QAbstractSpinBox:hover { border-color: %(quiet)s; }
QLineEdit:focus, QComboBox:focus, QAbstractSpinBox:focus { border-color: %(accent)s; }
QLineEdit:disabled, QComboBox:disabled, QAbstractSpinBox:disabled { color: %(faint)s; background: transparent;
                                                                    border-color: %(rule)s; }
QAbstractSpinBox QLineEdit, QComboBox QLineEdit { border: none; padding: 0; background: transparent; min-height: 0; }
QComboBox { padding-left: 8px; }
QComboBox:editable { padding-left: 6px; }
QComboBox, QAbstractSpinBox { max-height: 18px; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow, QAbstractSpinBox::down-arrow { image: url("%(down)s"); width: 12px; height: 12px; }
QAbstractSpinBox::up-arrow { image: url("%(up)s"); width: 12px; height: 12px; }
QComboBox::down-arrow:disabled, QAbstractSpinBox::down-arrow:disabled, QAbstractSpinBox::down-arrow:off {
    image: url("%(down_off)s"); }
QAbstractSpinBox::up-arrow:disabled, QAbstractSpinBox::up-arrow:off { image: url("%(up_off)s"); }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { border: none; background: transparent; width: 18px;
                                                             subcontrol-origin: border; margin-right: 1px; }
QAbstractSpinBox::up-button { subcontrol-position: top right; margin-top: 1px; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; margin-bottom: 1px; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: %(hover)s; }
QComboBox QAbstractItemView { background: %(surface)s; border: 1px solid %(edge)s; padding: 4px; outline: none;
                              selection-background-color: %(soft)s; selection-color: %(ink)s; }

#rail { border-right: 1px solid %(rule)s; }
#rail QToolButton { color: %(quiet)s; font-size: 8pt; padding: 4px 2px; }
#rail QToolButton:checked { color: %(ink)s; }
#inset { background: %(background)s; }
#status { border-top: 1px solid %(rule)s; }
#choice { text-align: left; border-radius: 8px; padding: 0; }
#choice:hover { background: %(soft)s; border-color: %(accent)s; }

QCheckBox::indicator, QRadioButton::indicator { width: 12px; height: 12px; border: 1px solid %(quiet)s;
                                                background: %(surface)s; }
QCheckBox::indicator { border-radius: 3px; }
QRadioButton::indicator { border-radius: 7px; }
QCheckBox::indicator:checked, QRadioButton::indicator:checked { border: 1px solid %(accent)s; background: %(accent)s; }
QCheckBox::indicator:checked { image: url("%(check)s"); }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border: 2px solid %(accent)s; width: 10px; height: 10px; }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled { border-color: %(groove)s; background: transparent; }

QSlider::groove:horizontal { height: 3px; border-radius: 1px; background: %(groove)s; }
QSlider::handle:horizontal { width: 14px; height: 14px; margin: -6px 0; border-radius: 7px; background: %(accent)s;
                             border: none; }
QSlider::handle:horizontal:hover { background: %(accent_hover)s; }
QSlider::handle:horizontal:focus { border: 2px solid %(ink)s; width: 10px; height: 10px; }
QSlider::handle:horizontal:disabled { background: %(groove)s; }
QSlider::groove:vertical { width: 3px; border-radius: 1px; background: %(groove)s; }
QSlider::handle:vertical { width: 14px; height: 14px; margin: 0 -6px; border-radius: 7px; background: %(accent)s; }

QProgressBar { background: %(groove)s; border: none; border-radius: 2px; max-height: 4px; text-align: center; }
QProgressBar::chunk { background: %(accent)s; border-radius: 2px; }

QMenuBar { background: %(background)s; }
QMenuBar::item { padding: 4px 8px; border-radius: 4px; background: transparent; }
QMenuBar::item:selected { background: %(hover)s; color: %(ink)s; }
QMenu { background: %(surface)s; border: 1px solid %(rule)s; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 24px; border-radius: 4px; }
QMenu::item:selected { background: %(soft)s; color: %(ink)s; }
QMenu::item:disabled { color: %(faint)s; }
QMenu::separator { height: 1px; background: %(rule)s; margin: 4px 8px; }

QScrollArea { border: none; background: transparent; }
QAbstractScrollArea::corner { border: none; background: transparent; }
QScrollArea > QWidget > QWidget { background: transparent; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar::handle:vertical { background: %(groove)s; border-radius: 3px; min-height: 24px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle:horizontal { background: %(groove)s; border-radius: 3px; min-width: 24px; margin: 2px; }
QScrollBar::handle:hover { background: %(quiet)s; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: %(rule)s; }
QGroupBox { border: none; margin-top: 20px; padding: 0; font-weight: 600; }
QGroupBox::title { subcontrol-origin: margin; left: 0; top: 2px; }
QTabWidget::pane { border: none; border-top: 1px solid %(rule)s; }
QTabBar::tab { background: transparent; border: none; border-bottom: 2px solid transparent; padding: 6px 12px; }
QTabBar::tab:selected { border-bottom-color: %(accent)s; }
QTabBar::tab:focus { color: %(accent)s; }
QHeaderView::section { background: %(background)s; border: none; border-bottom: 1px solid %(rule)s; padding: 4px 6px; }
QTableView, QListView, QTreeView { border: none; background: %(surface)s; gridline-color: %(rule)s;
                                   selection-background-color: %(soft)s; selection-color: %(ink)s; }
QTableView:focus { border: 1px solid %(accent)s; }
"""
