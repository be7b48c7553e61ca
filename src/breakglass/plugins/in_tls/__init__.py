"""What the rotators inside TLS share; not a plugin by itself.

stream  one connection over the place's dial, in TLS against the pinned certificate
bridge  a private Unix socket in front of such a connection, for client libraries that open their own sockets
"""
