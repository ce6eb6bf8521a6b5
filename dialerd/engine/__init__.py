"""Where rules meet I/O: scheduler, dispatcher, call task, recovery, notifier. Knows nothing of HTTP and files."""
