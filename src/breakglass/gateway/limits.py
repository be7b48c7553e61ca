"""How much the door takes from people whom it does not know yet, and from those whom it knows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Durations in seconds."""

    stranger_for: float = 10.0
    """Until somebody has named a key of theirs."""
    login_for: float = 60.0
    """Until that key has signed: typing its passphrase or touching it takes a person a while."""
    strangers: int = 128
    """Connections without a proven key, overall: the oldest one makes room for a new one."""
    strangers_per_address: int = 32
    keys: int = 40
    """Keys that a connection may try; a full agent tries each twice (a question, then a signature)."""
    channels: int = 16
    """Channels at a time on one connection (ControlMaster)."""
    notes: int = 100
    """Refusals on one connection that are noted in its recording."""
    stdin_bytes: int = 64 * 1024
    stdin_for: float = 60.0
    gate_for: float = 60.0
    open_for: float = 15.0
    """Until the target has opened a channel."""
    grace_for: float = 0.3
    """Between the last message and the cut."""
    stop_for: float = 5.0
    """Until sessions have been given back when the door stops."""
    keepalive_for: float = 15.0
    keepalives: int = 3
    window: int = 4 * 1024 * 1024
    """Bytes of one channel that may be on their way to the gateway."""
    packet: int = 128 * 1024
    """The longest piece of one channel that a peer may send; with the window, measured to be the fastest."""
    warn_before: tuple[float, ...] = (600.0, 120.0)
