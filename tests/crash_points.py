"""The crash grid: every point at which a process of the story may die, in the order in which the story comes by.

`tests/emergency.py` passes all of them; `tests/test_crash.py` kills there. What the story does not pass is named in
`ELSEWHERE`, with the test that does.
"""

_COMMIT = ("before-commit", "after-commit")
_CALL = ("began", "ended")
_WRITING = ("began", "written", "renamed", "ended")


def _each(names: tuple[str, ...], points: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}:{point}" for name in names for point in points)


def _steps(*names: str) -> tuple[str, ...]:
    return _each(tuple(f"step:{name}" for name in names), _COMMIT)


START = (
    "migration.before-commit",
    "migration.after-commit",
    "vault.opened",
    *_each(("call:load_roster",), _WRITING),
    *_steps("keep.free_leases", "background._note"),
)
SIGN_IN = _steps("sign_in.sign_in")
ASK = _steps("ask.ask", "approve.offer", "approve.deny", "approve.cancel", "approve.approve")
LOG = ("work.before-commit", "work.after-commit", "log.signed", *_each(("call:sign", "call:confirm"), _CALL))
DUTIES = (
    *_steps("outbox.claim", "outbox.settle", "ticket.tell"),
    "outbox.claimed",
    "outbox.done",
    *_each(("duty:alert", "duty:ticket", "duty:grant", "duty:void", "duty:retire"), _CALL),
)
GRANT = (*_each(("call:open_grant",), _WRITING), "grant.signed", *_steps("open_grant.open_grant"))
SESSION = (
    *_steps("connect.begin"),
    "session.begun",
    "recording.made",
    *_each(("call:release_session",), _WRITING),
    "session.released",
    "session.dialled",
    *_steps("connect.started"),
    "recording.written",
    "recording.ended",
    *_steps("keep.session_over"),
)
END = (*_steps("close.close", "close.kill"), *_each(("call:void_grant",), _WRITING))
ROTATION = (
    *_steps("rotate.claim"),
    *_each(("call:mint",), _CALL),
    *_steps("rotate.stage"),
    "rotation.staged",
    *_each(("call:check",), _CALL),
    *_steps("rotate.release"),
    *_each(("call:release_rotation",), _WRITING),
    *_steps("rotate.apply"),
    "rotation.applying",
    "rotation.sent",
    *_steps("rotate.move"),
    "rotation.applied",
    *_steps("rotate.guess", "rotate.prove"),
    "rotation.verified",
    *_steps("rotate.finish"),
    "rotation.done",
    *_each(("call:retire_credential",), _WRITING),
)
REVIEW = (
    *_steps("review.offer_replay", "review.replay"),
    *_each(("call:release_replay",), _WRITING),
    *_steps("review.replayed", "review.offer", "review.sign"),
)
ROSTER = (*_steps("roster.propose", "roster.offer", "roster.sign"), "roster.adopted", *_steps("sign_in.sign_out"))

POINTS = (*START, *SIGN_IN, *ASK, *LOG, *DUTIES, *GRANT, *SESSION, *END, *ROTATION, *REVIEW, *ROSTER)

ELSEWHERE = {
    "recording.synced": "tests/test_power_cut.py: a session of more than a second",
    "duty:clock": "tests/test_clock.py: only after the clock went back",
    "call:confirm_clock": "the same",
    "duty:kek": "tests/test_kek_rotation.py: only when a custodian asks for another key",
    "call:rotate_kek": "the same",
    "call:rewrap": "the same",
    "call:retire_kek": "the same",
    "kek.rewrapping": "the same",
    "kek.rewrapped": "the same",
    "kek.retiring": "the same",
    "call:override": "tests/test_witnessed.py: only when custodians let releases go on without the witnesses",
    "call:make_kit": "tests/test_kit.py: only when custodians have an emergency kit made",
    "call:next_log": "tests/test_next_log.py: only when custodians go on with a new log",
    **dict.fromkeys(
        (
            "account.enabling",
            "account.enable-sent",
            "account.enabled",
            "account.disabling",
            "account.disable-sent",
            "account.disabled",
            "call:release_help",
        ),
        "tests/test_dormant.py: only for an account that sleeps between uses",
    ),
    "rotation.resetting": "tests/rotation/test_grid.py: only where no stored password works",
    "rotation.reset": "the same",
    "call:begin_rekey": "tests/test_rekey.py: only when custodians make new shares",
    "call:finish_rekey": "the same",
    "call:prove_share": "the same",
    "call:check_slots": "it changes nothing",
    "call:begin_slot": "tests/test_slots.py: only when custodians change another slot of the seal",
    "call:finish_slot": "the same",
    "call:unseal_share": "tests/test_unseal.py, tests/vault/test_process.py: by custodians, without a key file",
    "call:seal": "the same",
    "call:store": "the template of the grid: before the story begins",
    "call:unknown_grants": "tests/test_two_nodes.py: only between nodes",
    "call:adopt_grants": "the same",
    "call:status": "it changes nothing; it is asked all the time",
    "call:catch_up": "reached where two nodes take turns, and after some deaths only",
}
"""What the story does not pass, and who does."""
