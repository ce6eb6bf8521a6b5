"""The decisions: who may be rung, when, by which line, and what follows.

Everything here is pure: `now` and randomness are arguments. Knows nothing of trio, SQL and files.
"""
