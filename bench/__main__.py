"""`python -m bench`, where the `bench` script is not on the path."""

from bench.cli import main

main()
