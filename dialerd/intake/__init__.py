"""Intake: from bytes that somebody dropped to a campaign and its recipients, or to everything that is wrong with them.

Knows the file formats, the spool directory and what was taken before. Knows nothing of the engine.
"""
