"""What may be asked of a running daemon, through whichever door: operations over store, intake and engine.

Knows nothing of HTTP: the local API, dialects and the spool are doors.
"""
