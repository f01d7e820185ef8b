"""Whether the replay of a recording is what the module computes."""

from __future__ import annotations

from infoflow.graph.running.pytree import tensors_in
from infoflow.graph.tracing.one_by_one import verify_one_by_one
from infoflow.graph.tracing.recording import Recording
from infoflow.graph.tracing.trial_run import Proof, TrialRun
from infoflow.graph.tracing.unseen import describe_unseen
from infoflow.graph.tracing.verification import verify


def note_unseen(proof: Proof, recording: Recording, unseen: tuple[str, ...]) -> None:
    """Say what a recording has not seen: weights, and makers of tensors."""
    if unseen:
        proof.label = "this input only"
        proof.notes.append(describe_unseen(unseen))
    if recording.unknown and proof.label != "exact":
        lines = "; ".join(recording.unknown[:3])
        unknown = "a tensor that no call seen here has made is taken for a constant"
        proof.notes.append(f"{unknown}, at {lines}")


def prove(trial: TrialRun, recording: Recording) -> Proof:
    """Replay a recording beside the module, in the ways that fit what it has met."""
    if recording.reads:
        lines = "; ".join(recording.reads[:3])
        note = f"the path depends on values of the input, at {lines}"
        tried = verify(trial)
        agreed = "" if tried is None else "; replays on other input that was tried agreed"
        return Proof("this input only", [], [note + agreed])
    if any(tensor.is_meta for tensor in tensors_in(recording.output)):
        return Proof("not verified", [], ["on the meta device there are no values to compare"])
    if recording.is_random_outside:
        note = "forward draws random numbers from Python or NumPy, which no replay can repeat"
        return Proof("this input only", [], [note])
    if recording.is_random:
        proof = verify_one_by_one(trial)
        proof.notes.append(
            "forward draws random numbers: replayed with the same seed only, which does not verify "
            "it for others"
        )
        return proof
    proof = verify(trial) or verify_one_by_one(trial)
    if proof.label == "this input only" and recording.varying:
        lines = "; ".join(recording.varying[:3])
        proof.notes.append(f"shapes depend on values of the input, at {lines}")
    return proof
