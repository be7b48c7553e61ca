"""The subject of statements and entries about key-encryption keys (`vault.kek_rotation`)."""


def subject(deployment: str) -> str:
    return f"{deployment}/kek"
