"""``python -m tlpipe`` is the same as ``tlpipe``."""

from tlpipe.cli.main import main

main()
