"""``python -m infoflow``, the same as ``infoflow``."""

from infoflow.cli import main

if __name__ == "__main__":
    main()
