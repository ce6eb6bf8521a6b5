"""What dialerd is measured by: one script a figure, each in a process of its own. `python -m bench` runs them all.

Nothing is asserted: a figure without its machine and its load says little, so both are printed beside it.
"""
