"""`python -m dialerd`: the `dialerd` command."""

from dialerd.daemon.main import main

main()
