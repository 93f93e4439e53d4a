"""Coverage of the Python that runs in containers.

``configuration`` says how it is measured there and ``paths`` which file of the container is which
of ours (both pure). ``parcel`` is what is put in, of which ``in_container`` and ``ask_to_save`` run
there. ``host`` is the measurement of the test process, which everything is added to, and
``measurement`` is the whole of it for one container.

The rule: where the test process is not measured, a container is left as it is.
"""

from .configuration import FOLDER, environment
from .host import is_measured_here
from .measurement import Measurement, measurement_for, measurement_of

__all__ = [
    "FOLDER",
    "Measurement",
    "environment",
    "is_measured_here",
    "measurement_for",
    "measurement_of",
]
