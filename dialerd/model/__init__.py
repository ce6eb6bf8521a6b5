"""The words of dialerd: frozen records, enums and errors. Knows nothing of any other room."""
