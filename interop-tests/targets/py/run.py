"""This package as a runner of the vectors."""

from swarmp2p.target.runner import main

main()
