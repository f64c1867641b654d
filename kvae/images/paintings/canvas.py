"""A square canvas in OKLab with anti-aliased painting.

Lengths are fractions of the canvas side: x runs right and y runs down from 0 to 1, whatever the number of pixels.
A shape is a signed distance (negative inside); its coverage of a pixel follows from the distance, which anti-aliases
every edge in closed form, without supersampling.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from kvae.images.paintings.textures import OFFSETS, texture


@lru_cache(maxsize=8)
def _pixel_centres(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x of shape (size, size) and y of shape (size, size), both in (0, 1)."""
    centres = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    across, down = np.meshgrid(centres, centres)
    across.flags.writeable = down.flags.writeable = False  # shared by all canvases of this size
    return across, down


class Canvas:
    """The OKLab picture `lab` of shape (3, h, w), and the place of each pixel: `x` and `y` of shape (h, w)."""

    def __init__(self, size: int, sheet: int = 0) -> None:
        """An unpainted canvas of `size` pixels; `sheet` chooses its grain."""
        self.size = size
        self.sheet = sheet % OFFSETS
        self.lab = np.empty((3, size, size), np.float32)
        self.x, self.y = _pixel_centres(size)

    # ---- where ----

    def texture(self, name: str) -> np.ndarray:
        """Texture `name` of the whole canvas, shape (size, size), standard deviation at most 1."""
        return texture(name, self.size, self.sheet)

    def wobble(self, amount: float) -> None:
        """From here on, draw by hand: move every place smoothly, by `amount` canvas sides (standard deviation)."""
        self.x = self.x + np.float32(amount) * self.texture("cloud")
        self.y = self.y + np.float32(amount) * self.texture("drift")

    def window(self, left: float, top: float, right: float, bottom: float) -> "Canvas":
        """The part of the canvas that holds the given box: a view, so painting on it paints here.

        A small shape is painted in a window, at a cost in proportion to its area. It has no textures of its own.
        """
        size = self.size
        rows = slice(min(max(int(top * size) - 1, 0), size), max(min(int(bottom * size) + 2, size), 0))
        columns = slice(min(max(int(left * size) - 1, 0), size), max(min(int(right * size) + 2, size), 0))
        part = Canvas.__new__(Canvas)
        part.size, part.sheet = size, self.sheet
        part.lab = self.lab[:, rows, columns]
        part.x, part.y = self.x[rows, columns], self.y[rows, columns]
        return part

    def turned(self, x: float, y: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
        """The place of each pixel as seen from (`x`, `y`), along axes turned clockwise by `angle` radians."""
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        across, down = self.x - np.float32(x), self.y - np.float32(y)
        return cosine * across + sine * down, cosine * down - sine * across

    # ---- how much of a pixel ----

    def side(self, distance: np.ndarray, soft: float = 0.0) -> np.ndarray:
        """Coverage in [0, 1] of what lies at positive `distance`; the edge is `soft` wide, and one pixel at least."""
        if soft * self.size > 1.0:
            share = np.clip(distance * np.float32(1.0 / soft) + np.float32(0.5), 0.0, 1.0)
            return share * share * (np.float32(3.0) - np.float32(2.0) * share)
        return np.clip(distance * np.float32(self.size) + np.float32(0.5), 0.0, 1.0)

    def inside(self, distance: np.ndarray, soft: float = 0.0) -> np.ndarray:
        """Coverage of a shape from its signed distance, which is negative inside."""
        return self.side(-distance, soft)

    def band(self, distance: np.ndarray, half: float | np.ndarray, soft: float = 0.0) -> np.ndarray:
        """Coverage of the places with |distance| below `half`; right for lines thinner than a pixel, too."""
        return self.side(distance + half, soft) - self.side(distance - half, soft)

    def box(
        self, x: float, y: float, half_width: float, half_height: float, angle: float = 0.0, soft: float = 0.0
    ) -> np.ndarray:
        """Coverage of a rectangle around (`x`, `y`), turned clockwise by `angle` radians."""
        across, down = self.turned(x, y, angle)
        return self.band(across, half_width, soft) * self.band(down, half_height, soft)

    def disc(self, x: float, y: float, radius: float, soft: float = 0.0) -> np.ndarray:
        """Coverage of a disc."""
        across, down = self.x - np.float32(x), self.y - np.float32(y)
        return self.side(np.float32(radius) - np.sqrt(across * across + down * down), soft)

    # ---- paint ----

    def fill(self, colour: np.ndarray) -> None:
        """Cover everything with one colour of shape (3,), or with a field of shape (3, h, w)."""
        self.lab[:] = colour if colour.ndim == 3 else colour[:, None, None]

    def lay(self, cover: np.ndarray, colour: np.ndarray, opacity: float | np.ndarray = 1.0) -> None:
        """Paint `colour`, of shape (3,) or (3, h, w), where `cover` says, thinned by `opacity` in [0, 1]."""
        if isinstance(opacity, np.ndarray) or opacity != 1.0:
            cover = cover * np.asarray(opacity, np.float32)
        field = colour if colour.ndim == 3 else colour[:, None, None]
        self.lab += cover * (field - self.lab)

    def spot(self, x: float, y: float, radius: float, colour: np.ndarray, opacity: float = 1.0) -> None:
        """Paint a disc at a cost in proportion to its area."""
        part = self.window(x - radius, y - radius, x + radius, y + radius)
        part.lay(part.disc(x, y, radius), colour, opacity)

    def gradient(self, stops: Sequence[np.ndarray], along: np.ndarray) -> np.ndarray:
        """A field of shape (3, h, w) that passes evenly through the colours `stops` as `along` goes from 0 to 1."""
        places = np.linspace(0.0, 1.0, len(stops))
        return np.stack([np.interp(along, places, [stop[c] for stop in stops]) for c in range(3)]).astype(np.float32)

    def grain(self, name: str, lightness: float) -> None:
        """Vary the lightness by a texture, by `lightness` (standard deviation, OKLab)."""
        self.lab[0] += np.float32(lightness) * self.texture(name)

    def strokes(self, lines: Sequence[np.ndarray], widths: Sequence[float]) -> np.ndarray:
        """Coverage of polylines, each an array of shape (points, 2) with a width.

        Free curves have no cheap distance; these are drawn by Pillow on a finer grid and averaged.
        """
        finer = min(8, max(2, 512 // self.size))
        grid = self.size * finer
        image = Image.new("L", (grid, grid))
        pen = ImageDraw.Draw(image)
        for line, width in zip(lines, widths, strict=True):
            pixels = max(1, round(width * grid))
            strength = round(255 * min(1.0, width * grid / pixels))  # Pillow's lines are whole pixels wide
            pen.line((line * grid - 0.5).round().ravel().tolist(), fill=strength, width=pixels)
        return np.asarray(image.reduce(finer), np.float32) * np.float32(1 / 255)
