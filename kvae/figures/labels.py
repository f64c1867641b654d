"""Names beside points, each where it covers least."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from kvae.figures.sheet import Theme, drawable, families, points

# Offset in units and alignment, the best liked first: up and to the right an optimal curve never runs.
_PLACES = [
    (12, 9, "left"), (-12, -20, "right"), (12, -20, "left"), (-12, 9, "right"), (18, -5, "left"), (-18, -5, "right"),
    (0, 20, "center"), (0, -32, "center"), (12, 28, "left"), (-12, -38, "right"), (12, -38, "left"),
]  # fmt: skip


def draw_label(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    theme: Theme,
    *,
    offset: tuple[float, float],
    ha: str = "left",
    weight: str = "normal",
) -> Annotation:
    """A name beside a point, `offset` in units; a halo of the ground's colour keeps it legible on a line."""
    return axes.annotate(
        drawable(text), (x, y), xytext=(points(offset[0]), points(offset[1])), textcoords="offset points", ha=ha,
        zorder=6, color=theme.ink, fontsize=points(13.5), fontfamily=families(), fontweight=weight, parse_math=False,
        path_effects=[withStroke(linewidth=points(4), foreground=theme.background)], annotation_clip=True,
    )  # fmt: skip


def place_labels(
    axes: Axes,
    named: Sequence[tuple[float, float, str]],
    obstacles: Sequence[np.ndarray],
    theme: Theme,
    taken: Sequence[Annotation] = (),
) -> None:
    """Write the name of each (x, y, name) where it covers the fewest obstacles and no other name.

    `obstacles` are polylines in data units, shape (points, 2). `taken` are names that are already there.
    """
    canvas = axes.figure.canvas
    renderer = canvas.get_renderer() if isinstance(canvas, FigureCanvasAgg) else None  # a Sheet's canvas always is
    covered = np.concatenate([_dense(axes.transData.transform(line)) for line in obstacles] or [np.empty((0, 2))])
    boxes = [other.get_window_extent(renderer) for other in taken]
    frame = axes.get_window_extent()
    for x, y, name in named:
        best: tuple[float, Annotation, Bbox] | None = None
        for dx, dy, ha in _PLACES:
            label = draw_label(axes, x, y, name, theme, offset=(dx, dy), ha=ha, weight="bold")
            box = label.get_window_extent(renderer)
            cost = _cost(box, covered, boxes, frame)
            if best is None or cost < best[0]:
                if best is not None:
                    best[1].remove()
                best = (cost, label, box)
            else:
                label.remove()
            if best[0] == 0:
                break
        if best is not None:
            boxes.append(best[2])


def _cost(box: Bbox, covered: np.ndarray, boxes: Sequence[Bbox], frame: Bbox) -> float:
    """Pixels of line under the name; another name under it, or the edge of the frame, costs more than any line."""
    inside = (covered[:, 0] > box.x0) & (covered[:, 0] < box.x1) & (covered[:, 1] > box.y0) & (covered[:, 1] < box.y1)
    outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
    return float(inside.sum()) + 1e4 * outside + 1e4 * sum(box.overlaps(other) for other in boxes)


def _dense(line: np.ndarray, spacing: float = 2.0) -> np.ndarray:
    """A polyline in pixels, shape (points, 2), with a point at least every `spacing` pixels."""
    line = line[np.all(np.isfinite(line), axis=1)]
    if len(line) < 2:
        return line
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, length[-1], min(20_000, max(2, int(length[-1] / spacing))))
    return np.stack([np.interp(at, length, line[:, 0]), np.interp(at, length, line[:, 1])], axis=1)
