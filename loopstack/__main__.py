"""``python -m loopstack``: the command line."""

from loopstack.cli.main import main

if __name__ == "__main__":
    main()
