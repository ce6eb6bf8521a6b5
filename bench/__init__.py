"""What dialerd is measured by: one script a figure, each in a process of its own. `python -m bench` runs them all.

A script of this package measures and prints one line of JSON; `bench.figures` runs scripts and makes rows of a table.
Nothing is asserted: a figure without its machine and its load says little, so both are printed beside it. What
`bench.bullmq` compares with needs nodejs, npm and redis-server of Debian, and is left out where they are missing.
"""
