"""The manners of painting. A new one is a file with `draw(canvas, brief)` and a line here."""

from collections.abc import Callable
from dataclasses import dataclass

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.manners import (
    bottles,
    city,
    colour_field,
    cut_outs,
    discs,
    drips,
    grid,
    hills,
    mountains,
    planes,
    points,
    squares,
    stripes,
    waves,
)


@dataclass(frozen=True)
class Manner:
    """A way of painting: what one sees, whose pictures it bows to, and the function that paints it."""

    sight: str
    after: str
    draw: Callable[[Canvas, Brief], None]


MANNERS: dict[str, Manner] = {
    "colour-field": Manner("soft rectangles stacked on a ground", "Mark Rothko", colour_field.draw),
    "grid": Manner("black lines and a few filled cells", "Piet Mondrian", grid.draw),
    "squares": Manner("squares within squares", "Josef Albers", squares.draw),
    "discs": Manner("rings cut into quarters", "Sonia Delaunay", discs.draw),
    "planes": Manner("floating bars, a quadrilateral and a disc", "Kazimir Malevich", planes.draw),
    "stripes": Manner("bands that bend together", "Bridget Riley", stripes.draw),
    "waves": Manner("ranks of leaning waves under a low sun", "Katsushika Hokusai", waves.draw),
    "hills": Manner("sun or moon over rolling hills", "Milton Avery", hills.draw),
    "mountains": Manner("ridges that sink into mist", "Nicholas Roerich", mountains.draw),
    "city": Manner("lit windows at night, above water", "Georgia O'Keeffe", city.draw),
    "points": Manner("dots of light over a harbour", "Paul Signac", points.draw),
    "bottles": Manner("a few vessels on a table", "Giorgio Morandi", bottles.draw),
    "cut-outs": Manner("seaweed of coloured paper on blocks", "Henri Matisse", cut_outs.draw),
    "drips": Manner("flung lines and drops", "Jackson Pollock", drips.draw),
}
