"""`python -m breakglass`: the same as the command `breakglass`, for where no command is installed."""

import sys

if __name__ == "__main__":
    # Imported here, so that importing this module stays free.
    from breakglass.cli.main import main

    sys.exit(main())
