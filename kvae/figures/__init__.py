"""The figures that a run and a sweep leave behind: plain data in, one file out.

Nothing here knows a model. The functions take dictionaries and NumPy arrays, draw with Matplotlib's object-oriented
interface (never pyplot, so any thread or process may call them) and write a PNG or one self-contained HTML page.
Names are imported on first use: `import kvae.figures` loads neither Matplotlib nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvae.figures.latents import Plane, draw_latents
    from kvae.figures.measures import write_measures
    from kvae.figures.range import draw_range
    from kvae.figures.records import LatentLimit, Limit, LimitCurve, Part, SweepRun, mean_of
    from kvae.figures.run import draw_run
    from kvae.figures.sweep import draw_sweep
    from kvae.figures.tiles import few, magnify, thumbnail, tile

__all__ = [
    "LatentLimit",
    "Limit",
    "LimitCurve",
    "Part",
    "Plane",
    "SweepRun",
    "draw_latents",
    "draw_range",
    "draw_run",
    "draw_sweep",
    "few",
    "magnify",
    "mean_of",
    "thumbnail",
    "tile",
    "write_measures",
]

_HOMES = {
    "LatentLimit": "records",
    "Limit": "records",
    "LimitCurve": "records",
    "Part": "records",
    "Plane": "latents",
    "SweepRun": "records",
    "draw_latents": "latents",
    "draw_range": "range",
    "draw_run": "run",
    "draw_sweep": "sweep",
    "few": "tiles",
    "magnify": "tiles",
    "mean_of": "records",
    "thumbnail": "tiles",
    "tile": "tiles",
    "write_measures": "measures",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
