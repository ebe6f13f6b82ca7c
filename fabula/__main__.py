"""`python -m fabula` is the command `fabula`."""

from fabula.cli.main import main

if __name__ == "__main__":
    main()
