"""The methods, by their names in a scenario."""
from .back_to_back import BackToBack
from .capacity import Capacity
from .disturbance import Reconfiguration, Reset
from .latency import Latency, Open
from .loss import Loss, Ramp, Soak, Spike
from .mlrsearch import Mlrsearch
from .rate import Rate
from .throughput import Throughput

METHODS = {method.NAME: method for method in (Throughput, Mlrsearch, Latency, Loss, BackToBack, Reset, Soak, Ramp, Spike, Capacity, Rate,
                                              Open, Reconfiguration)}
