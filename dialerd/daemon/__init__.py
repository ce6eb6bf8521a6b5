"""The daemon as a process: settings, logging, the wiring of everything below, and the `dialerd` command.

The only room that knows all the others; nothing imports it.
"""
