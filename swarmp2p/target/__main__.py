"""`python -m swarmp2p.target` answers vectors."""

from swarmp2p.target.runner import main

main()
