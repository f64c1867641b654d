"""Every key of the program in one table: widgets ask it what they listen to, and the sheet of keys is made from it."""

from dataclasses import dataclass

from PyQt6.QtCore import QKeyCombination, Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence


@dataclass(frozen=True)
class Key:
    """One row of the sheet: where the keys are heard, the keys as Qt writes them, and what they do."""

    where: str
    keys: tuple[str, ...]
    does: str


def _rows(where: str, **rows: tuple[str, str]) -> dict[str, Key]:
    return {name: Key(where, tuple(keys.split(" ")), does) for name, (keys, does) in rows.items()}


KEYS: dict[str, Key] = {
    **_rows(
        "Everywhere",
        open=("Ctrl+O", "open a model"),
        train_folder=("Ctrl+Shift+O", "train on a folder of pictures"),
        pages=(" ".join(f"Ctrl+{place}" for place in range(1, 10)), "the page at that place of the rail"),
        undo=("Ctrl+Z", "take back the last step of Explore"),
        redo=("Ctrl+Shift+Z Ctrl+Y", "do it again"),
        dismiss=("Esc", "hide the notice on top"),
        save_picture=("Ctrl+S", "save the picture under the pointer, or the large one"),
        save_picture_as=("Ctrl+Shift+S", "the same, in another size, under another name"),
        copy_picture=("Ctrl+C", "copy the picture"),
        paste_picture=("Ctrl+V", "find a copied picture in the model"),
        only_picture=("F11", "nothing but the picture on the screen, and back"),
        leave_picture=("Esc", "back from there"),
        full_screen=("Shift+F11", "the window on the full screen, and back"),
        preferences=("Ctrl+,", "preferences"),
        keys=("F1", "this sheet"),
        quit=("Ctrl+Q", "quit"),
    ),
    **_rows(
        "A number",
        give_up=("Esc", "give up what was typed"),
    ),
    **_rows(
        "Explore",
        dice=("Ctrl+D", "throw the dice"),
        dice_plain=("D", "the same, where nothing is typed"),
        reset=("Ctrl+R", "put all that is not locked back to the middle"),
        hold=("Ctrl+H", "hold this point, to compare with"),
        swap=("Space", "show the other point; held down: the picture it was found in"),
        picture=("Ctrl+I", "find a picture of yours in the model"),
        bookmark=("Ctrl+B", "bookmark this point"),
        smooth=("Ctrl+P", "soft, or the model's own pixels"),
        line_left=("Left", "move the line between A and B to the left"),
        line_right=("Right", "move it to the right"),
    ),
    **_rows(
        "A slider",
        less=("Left Shift+Left Ctrl+Left", "less (Shift: coarse, Ctrl: fine)"),
        more=("Right Shift+Right Ctrl+Right", "more"),
        above=("Up", "the slider above"),
        below=("Down", "the slider below"),
        middle=("Home", "back to the middle"),
        lock=("L", "lock it, or unlock it"),
        type_number=("Return Enter", "type its number; a digit begins at once"),
        find=("Ctrl+F", "find a slider by its number"),
    ),
    **_rows(
        "Map",
        search=("Ctrl+F", "find pictures by their file names"),
        west=("Left", "look further to the left"),
        east=("Right", "further to the right"),
        north=("Up", "further up"),
        south=("Down", "further down"),
        closer=("+ =", "closer"),
        farther=("-", "farther"),
        show_all=("F", "all pictures"),
        enter=("Return Enter", "take the chosen picture to Explore"),
        morph=("M", "morph from the picture chosen before to this one"),
    ),
    **_rows(
        "Compare",
        add_models=("Ctrl+Shift+A", "add models from files"),
        again=("F5", "compare again"),
        column_left=("Left", "enlarge the column at the left"),
        column_right=("Right", "enlarge the column at the right"),
        column_none=("Esc", "enlarge none"),
    ),
    **_rows(
        "Train",
        start=("Ctrl+Return", "start training"),
        delete_run=("Del", "remove the chosen run from the list"),
        rename_run=("F2", "give the chosen run a name"),
    ),
    **_rows(
        "Make",
        play=("Space", "play, and pause"),
        export=("Ctrl+E", "write the file"),
        remove=("Del Backspace", "take the chosen picture out of the strip"),
        duplicate=("Ctrl+D", "duplicate the chosen picture"),
        earlier=("Alt+Left", "move it to the left"),
        later=("Alt+Right", "move it to the right"),
    ),
}
_ONE_BY_ONE = 3  # keys; of more the first and the last are written
HANDS = (  # what the mouse does, and no button says
    ("Double-click a slider's handle", "put that slider back"),
    ("Drop a picture", "find it in the model and start from there"),
    ("Drag a picture out", "leave it on the desktop or in another program; on the map and in the strip with Ctrl"),
    ("Right-click a picture", "save, copy or show it alone"),
    ("Drop a .keras file", "open that model"),
    ("Drop a folder", "train on the pictures in it"),
    ("Alt and an underlined letter", "press that button, or open that menu"),
)


def sequences(name: str) -> list[QKeySequence]:
    """The keys called `name`, for an action or a shortcut."""
    return [QKeySequence(keys) for keys in KEYS[name].keys]


def words(name: str) -> str:
    """The keys called `name` as this system writes them: "Ctrl+D", "Del, Backspace"."""
    written = [one.toString(QKeySequence.SequenceFormat.NativeText) for one in sequences(name)]
    return ", ".join(written) if len(written) <= _ONE_BY_ONE else f"{written[0]} … {written[-1]}"


def pressed(name: str, event: QKeyEvent | None) -> bool:
    """Whether `event` is one of the keys called `name`; those of a keypad are the same keys."""
    if event is None:
        return False
    keypad, shift = Qt.KeyboardModifier.KeypadModifier, Qt.KeyboardModifier.ShiftModifier
    here = QKeyCombination(event.modifiers() & ~keypad, Qt.Key(event.key()))
    signs = QKeyCombination(event.modifiers() & ~keypad & ~shift, Qt.Key(event.key()))  # where + is on Shift
    wanted = [one[0] for one in sequences(name)]
    return here in wanted or (signs in wanted and event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus))
