"""`python -m orchestrator.cli` is `silkpost`."""

from orchestrator.cli import main

main()
