"""`dialerctl`, the command line for people; it knows the daemon by its socket alone."""
