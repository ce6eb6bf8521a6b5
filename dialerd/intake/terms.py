"""How a campaign document is taken that was sent over the socket, in place of a file that was dropped."""

from attrs import frozen


@frozen(kw_only=True)
class Terms:
    """What whoever sends a document wants besides what stands in it.

    A sent document is a campaign file with a key of its own, `state` (`draft` or `scheduled`). Its recipients are
    inline: there is no file beside it. A draft may have none.

    Args:
        draft: whether it is to wait until somebody schedules it; None = as its `state` says, which is `scheduled`
            where it says nothing.
        launch: it begins at once, whatever its start says; a draft is not launched.
    """

    draft: bool | None = None
    launch: bool = False
