"""Curated palettes, written in OKLCH and used in OKLab.

OKLab is close to how differences look: a straight line between two of its colours passes through no mud, so every
blend, gradient and anti-aliased edge of a painting is mixed there. Reference: Ottosson, 2020, https://bottosson.github.io/posts/oklab/.
"""

from dataclasses import dataclass

import numpy as np

_LAB_TO_CONE = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]],
    np.float32,
)
_CONE_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ],
    np.float32,
)


def _srgb_bytes() -> np.ndarray:
    """The sRGB byte of linear light 0, 1/4095 ... 1; shape (4096,). A look-up is four times as fast as the power."""
    light = np.linspace(0.0, 1.0, 4096)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255.0 * encoded).astype(np.uint8)


_SRGB_BYTES = _srgb_bytes()


def to_bytes(lab: np.ndarray) -> np.ndarray:
    """OKLab of shape (3, h, w) to sRGB bytes of shape (h, w, 3). Colours outside sRGB are clipped."""
    _, height, width = lab.shape
    cone = _LAB_TO_CONE @ lab.reshape(3, -1)  # (3, h * w)
    light = _CONE_TO_RGB @ (cone * cone * cone)
    steps = (np.clip(light, 0.0, 1.0) * 4095.0 + 0.5).astype(np.uint16)
    return np.ascontiguousarray(_SRGB_BYTES[steps.T].reshape(height, width, 3))


def oklch(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """OKLab (L, a, b) of shape (3,) from lightness in [0, 1], chroma in [0, 0.3] and hue in degrees."""
    radians = np.deg2rad(hue)
    return np.array([lightness, chroma * np.cos(radians), chroma * np.sin(radians)], np.float32)


def mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """The colour `share` of the way from `first` to `second`; 0 is `first`."""
    return first + np.float32(share) * (second - first)


def lighter(colour: np.ndarray, amount: float, chroma: float = 1.0) -> np.ndarray:
    """`colour` with OKLab lightness raised by `amount` (negative darkens) and chroma multiplied by `chroma`."""
    return np.array([colour[0] + amount, colour[1] * chroma, colour[2] * chroma], np.float32)


@dataclass(frozen=True, eq=False)
class Palette:
    """Seven colours with a role each, in OKLab.

    `paper` is a light ground and `ink` the darkest colour. `colours` has shape (5, 3): two leading colours, a bright
    accent, a quiet middle tone and a pale tint, in this order.
    """

    paper: np.ndarray
    ink: np.ndarray
    colours: np.ndarray

    @property
    def lead(self) -> np.ndarray:
        return self.colours[0]

    @property
    def second(self) -> np.ndarray:
        return self.colours[1]

    @property
    def accent(self) -> np.ndarray:
        return self.colours[2]

    @property
    def quiet(self) -> np.ndarray:
        return self.colours[3]

    @property
    def pale(self) -> np.ndarray:
        return self.colours[4]


def _palette(*rows: tuple[float, float, float]) -> Palette:
    paper, ink, *colours = (oklch(*row) for row in rows)
    return Palette(paper, ink, np.stack(colours))


# Each colour is (lightness, chroma, hue in degrees): paper and ink, then lead, second, accent, quiet and pale.
# fmt: off
PALETTES: dict[str, Palette] = {
    "primary": _palette((.955, .012, 90), (.21, .02, 280),
        (.59, .21, 27), (.43, .15, 262), (.86, .165, 90), (.76, .015, 250), (.91, .04, 95)),
    "indigo": _palette((.94, .028, 88), (.25, .06, 262),
        (.38, .10, 258), (.60, .09, 240), (.69, .16, 40), (.81, .06, 80), (.93, .02, 200)),
    "ember": _palette((.91, .03, 70), (.22, .05, 20),
        (.49, .18, 26), (.70, .18, 50), (.83, .15, 82), (.36, .10, 15), (.83, .08, 40)),
    "orchard": _palette((.93, .03, 95), (.27, .03, 130),
        (.52, .09, 122), (.60, .13, 42), (.79, .13, 82), (.64, .04, 230), (.86, .05, 125)),
    "dusk": _palette((.92, .03, 50), (.23, .06, 290),
        (.44, .13, 295), (.66, .15, 8), (.84, .11, 62), (.57, .07, 275), (.87, .05, 320)),
    "lagoon": _palette((.95, .02, 100), (.25, .045, 230),
        (.53, .095, 200), (.42, .11, 250), (.73, .16, 37), (.78, .08, 178), (.93, .05, 92)),
    "clay": _palette((.90, .022, 80), (.34, .028, 50),
        (.62, .07, 48), (.60, .04, 240), (.81, .075, 84), (.54, .03, 35), (.88, .026, 75)),
    "papercut": _palette((.96, .012, 95), (.26, .09, 267),
        (.46, .20, 264), (.67, .19, 5), (.89, .16, 98), (.63, .14, 152), (.85, .07, 305)),
    "forest": _palette((.93, .03, 105), (.22, .035, 165),
        (.41, .07, 160), (.58, .10, 135), (.82, .15, 80), (.53, .13, 42), (.88, .03, 165)),
    "desert": _palette((.93, .03, 78), (.27, .045, 38),
        (.53, .145, 35), (.66, .10, 195), (.82, .12, 68), (.43, .07, 45), (.89, .05, 82)),
    "winter": _palette((.965, .010, 230), (.25, .04, 255),
        (.48, .07, 247), (.75, .06, 225), (.57, .19, 22), (.56, .025, 255), (.92, .02, 220)),
    "mulberry": _palette((.94, .02, 60), (.24, .05, 340),
        (.42, .13, 352), (.75, .11, 10), (.82, .13, 85), (.58, .08, 172), (.91, .04, 22)),
}
# fmt: on
