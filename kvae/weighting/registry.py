"""Every way of setting the KL weight over time, by name."""

from kvae.weighting.base import Weighting
from kvae.weighting.calibrated import Calibrated
from kvae.weighting.capacity import Capacity
from kvae.weighting.constant import Constant
from kvae.weighting.cyclical import Cyclical
from kvae.weighting.free_bits import FreeBits
from kvae.weighting.geco import Geco
from kvae.weighting.learned import Learned
from kvae.weighting.pi import ProportionalIntegral
from kvae.weighting.warm_up import WarmUp

WEIGHTINGS: dict[str, type[Weighting]] = {
    "constant": Constant,
    "warm-up": WarmUp,
    "cyclical": Cyclical,
    "capacity": Capacity,
    "free-bits": FreeBits,
    "pi": ProportionalIntegral,
    "geco": Geco,
    "calibrated": Calibrated,
    "learned": Learned,
}
