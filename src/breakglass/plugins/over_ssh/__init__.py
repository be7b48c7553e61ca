"""What the rotators over SSH share; not a plugin by itself.

login    one connection: pinned host key, one secret, tried once; what each ending means
command  one command on it: bounded in time and output; with or without sudo
remains  the script that ends what still runs as the account
"""
