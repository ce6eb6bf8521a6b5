"""The one durable place: campaigns, recipients, attempts, suppressions, notices and taken files.

Knows nothing of trio, apart from the writer.
"""
