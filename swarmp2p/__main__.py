"""`python -m swarmp2p` is the command line."""

from swarmp2p.cli.main import main

main()
