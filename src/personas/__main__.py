"""`python -m personas`."""

from personas.cli import main

main()
