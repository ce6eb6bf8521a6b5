"""What a plugin sees of dialerd: hooks, contracts, the host that loads plugins, and the conformance suite.

Knows nothing of the store and the engine. A plugin imports this room, `dialerd.model` and `dialerd.rules`.
"""
