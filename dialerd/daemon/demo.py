"""`dialerd demo`: the sample campaigns, dialled over the simulator by a real daemon in a process of its own."""
