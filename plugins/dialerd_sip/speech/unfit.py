"""What is raised where an agent cannot speak. Knows nothing of agents."""

from dialerd.model.errors import DialerdError


class UnfitAgent(DialerdError):
    """The agent cannot speak in this call; the message says why and what to do.

    Args:
        message: why, and what to do; without what is personal.
        always: it is so in every call of the trunk, not for what this recipient has or lacks.
    """

    def __init__(self, message: str, *, always: bool = False) -> None:
        super().__init__(message)
        self.always = always
