"""Which picture of the comparison is at a place, to take it away."""

from PyQt6.QtCore import QPointF

from explorer.compare.table import CompareTable
from explorer.messages import PicturePoint
from explorer.safe_text import line
from explorer.state.comparison import pictures_of
from explorer.widgets.offers import Offered


def offered_by(table: CompareTable, where: QPointF | None) -> Offered | None:
    """The picture under `where`: an original, or what a model made of it."""
    drawing = table.drawing
    if where is None:
        return None
    for row, images in enumerate(drawing.images):
        for column in range(len(images)):
            if drawing.picture_rect(row, column).contains(where):
                return _picture(table, row, column)
    return None


def _picture(table: CompareTable, row: int, column: int) -> Offered | None:
    drawing = table.drawing
    comparison = drawing.comparison
    if row == 0:
        originals = comparison.first_row()
        image = originals[column] if column < len(originals) else None
        return None if image is None else Offered(image, f"original {column + 1}")
    found = drawing.rows[row - 1]
    pictures = None if found is None else pictures_of(found, comparison.kind)
    if pictures is None or column >= len(pictures):
        return None
    name = f"{line(drawing.names[drawing.paths[row - 1]], 60)} {column + 1}"
    codes = found.codes.get(comparison.kind) if found is not None and found.digest else None
    if found is None or codes is None or column >= len(codes):
        return Offered(pictures[column], name)
    return Offered(pictures[column], name, PicturePoint(found.digest, found.name, codes[column], found.kl_weight))
