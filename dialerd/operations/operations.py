"""Everything that may be asked of a running daemon, in one place, for the doors to ask through.

Knows nothing of the doors.
"""

from dialerd.operations.callbacks import CallbackOperations
from dialerd.operations.calls import CallOperations
from dialerd.operations.campaigns import CampaignOperations
from dialerd.operations.events import Events
from dialerd.operations.ground import Ground
from dialerd.operations.health import Health
from dialerd.operations.metrics import Metrics
from dialerd.operations.plans import Plans
from dialerd.operations.recipients import RecipientOperations
from dialerd.operations.resources import Resources
from dialerd.operations.suppressions import SuppressionOperations
from dialerd.operations.why import Why


class Operations:
    """The operations, by what they are about.

    `recipients.run` and `events.run` are to go on behind them.

    Args:
        ground: what they stand on.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.reload = ground.reload
        self.answers = ground.answers
        self.recipients = RecipientOperations(ground)
        self.campaigns = CampaignOperations(ground, self.recipients)
        self.calls = CallOperations(ground)
        self.suppressions = SuppressionOperations(ground)
        self.why = Why(ground)
        self.plans = Plans(ground)
        self.resources = Resources(ground)
        self.events = Events(ground)
        self.callbacks = CallbackOperations(ground)
        self.metrics = Metrics(ground, self.events, self.callbacks)
        self.health = Health(ground)
