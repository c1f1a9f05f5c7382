"""`python -m console.cli`, for children that must not depend on a script on PATH."""

from console.cli import main

main()
