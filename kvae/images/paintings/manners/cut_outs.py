"""Seaweed of coloured paper on blocks, after Henri Matisse's cut-outs."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import mix

_LEAVES = 6
_FINGERS = 4  # pairs
_Bones = tuple[np.ndarray, np.ndarray, np.ndarray]  # starts, ends, tip radii


def _fingers(bend: float, spread: float, round_: float) -> _Bones:
    """The skeleton of a leaf one unit high: starts and ends of shape (1 + 2 * _FINGERS, 2), and tip radii.

    The first is the stem; y points up from the foot at the origin.
    """
    starts, ends, radii = [(0.0, -0.5)], [(bend, 0.52)], [0.075]
    for k in range(_FINGERS):
        height = -0.34 + 0.24 * k
        root = (bend * (height + 0.5), height)
        reach = 0.36 * np.sin(np.pi * (0.28 + 0.19 * k)) * spread + 0.04
        for side in (-1.0, 1.0):
            starts.append(root)
            ends.append((root[0] + side * reach, height + 0.22 + 0.05 * k * round_))
            radii.append(0.062 + 0.022 * round_)
    return np.array(starts), np.array(ends), np.array(radii)


def _leaf(canvas: Canvas, place: tuple[float, float, float, float], bones: _Bones, colour: np.ndarray) -> None:
    """Paint the smooth union of tapered fingers; `place` is (x, y, height, turn in radians)."""
    x, y, tall, turn = place
    reach = 0.66 * tall
    part = canvas.window(x - reach, y - reach, x + reach, y + reach)
    if part.x.size == 0 or tall <= 0.0:
        return
    across, down = part.turned(x, y, turn)
    place_u, place_v = (across / np.float32(tall)).ravel(), (-down / np.float32(tall)).ravel()
    starts, ends, radii = (bone.astype(np.float32) for bone in bones)
    step = ends - starts
    from_u, from_v = place_u - starts[:, :1], place_v - starts[:, 1:]  # (fingers, pixels)
    share = np.clip((from_u * step[:, :1] + from_v * step[:, 1:]) / np.sum(step * step, 1)[:, None], 0.0, 1.0)
    far_u, far_v = from_u - share * step[:, :1], from_v - share * step[:, 1:]
    distance = np.sqrt(far_u * far_u + far_v * far_v) - radii[:, None] * (0.55 + 0.45 * share)
    # Smooth minimum: scissors round the bays between fingers.
    blend = np.float32(0.028)
    nearest = distance.min(0)
    smooth = nearest - blend * np.log(np.exp((nearest - distance) / blend).sum(0))
    part.lay(part.side((-smooth * np.float32(tall)).reshape(across.shape)), colour)


def _blocks(canvas: Canvas, brief: Brief) -> None:
    """The patchwork ground: six sheets of paper around the position."""
    palette = brief.palette
    canvas.fill(palette.paper)
    across, down = canvas.turned(brief.x, brief.y, 0.35 * brief.lean)
    cut = float(brief.between(0.24, 0.36))
    order = np.concatenate([brief.order(5), [0]])
    tints = brief.between(0.0, 0.65, 6)
    for k in range(6):
        i, j = k % 2, k // 2
        columns = canvas.side(across) if i else canvas.side(-across)
        rows = (canvas.side(-down - cut), canvas.band(down, cut), canvas.side(down - cut))[j]
        canvas.lay(columns * rows, mix(palette.colours[order[k]], palette.paper, float(tints[k])))


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    canvas.wobble(0.003)
    _blocks(canvas, brief)
    choice = np.stack([palette.paper, palette.lead, palette.ink, palette.accent, palette.second, palette.quiet])
    order = brief.order(6)
    if brief.arrangement % 2:
        order = np.concatenate([[0], order[order != 0]])  # a white leaf leads
    spots = np.array([(0.0, 0.0), (-0.33, -0.24), (0.33, 0.26), (0.31, -0.27), (-0.32, 0.28), (0.02, -0.44)])
    spots = spots + brief.between(-0.04, 0.04, _LEAVES, 2)
    turns = brief.between(-0.55, 0.55, _LEAVES) + brief.lean * 1.5
    tall = np.array([0.66, 0.40, 0.42, 0.36, 0.37, 0.30]) * brief.between(0.9, 1.1, _LEAVES) * brief.scale
    bends, spreads = brief.between(-0.16, 0.16, _LEAVES), brief.between(0.7, 1.15, _LEAVES)
    rounds = brief.between(0, 1, _LEAVES)
    presence = brief.count(2, _LEAVES)
    for k in reversed(range(_LEAVES)):
        bones = _fingers(bends[k], spreads[k], rounds[k])
        place = (brief.x + spots[k, 0], brief.y + spots[k, 1], tall[k] * presence[k], turns[k])
        _leaf(canvas, place, bones, choice[order[k]])
    canvas.grain("brush", 0.008)
