"""Breakglass: emergency access that others sign for, that is recorded, and that ends with a new password.

    ask ──▶ others sign ──▶ recorded session, the secret unseen ──▶ password changed and proven ──▶ review

Every decision is a text that its maker signed; every step is in a log that cannot be rewritten unseen.
"""

__version__ = "0.1.0.dev0"
