"""The form of every state of actions, of their steps and effects, and of findings: beside `states`, since the first
screen needs none of them."""

from console.domain.action import Action, ActionState, StepState
from console.domain.finding import FindingState
from widgets.states import State

_APPROVAL = State("pending", "grid", "pending", "approval")
_RUNNING = State("accent", "grid", "running", "running")
_WORSE = State("crit", "critlo", "warn", "worse")
_UNPROVED = State("warn", "warnlo", "done", "unproved")
_ACTION = {
    ActionState.PLANNING: State("muted", "grid", "pending", "planning", calm=True),
    ActionState.PLANNED: State("muted", "grid", "to-do", "planned", calm=True),
    ActionState.CONFIRMED: State("accent", "grid", "running", "confirmed"),
    ActionState.APPROVED: State("accent", "grid", "running", "approved"),
    ActionState.RUNNING: _RUNNING,
    ActionState.VERIFYING: State("accent", "grid", "running", "verifying"),
    ActionState.INTERRUPTED: State("crit", "critlo", "firing", "interrupted"),
    ActionState.DONE: State("ok", "oklo", "done", "done", calm=True),
    ActionState.FAILED: State("crit", "critlo", "failed", "failed"),
    ActionState.REFUSED: State("warn", "warnlo", "failed", "refused"),
    ActionState.CANCELLED: State("muted", "grid", "none", "cancelled", calm=True),
    ActionState.EXPIRED: State("muted", "grid", "stale", "expired", calm=True),
}
_STEP = {
    StepState.PENDING: State("muted", "grid", "to-do", "to do", calm=True),
    StepState.RUNNING: _RUNNING,
    StepState.DONE: _ACTION[ActionState.DONE],
    StepState.SKIPPED: State("muted", "grid", "none", "skipped", calm=True),
    StepState.FAILED: _ACTION[ActionState.FAILED],
    StepState.UNKNOWN: State("crit", "critlo", "unknown", "unknown"),
    StepState.CANCELLED: _ACTION[ActionState.CANCELLED],
}
_FINDING = {
    FindingState.OPEN: State("crit", "critlo", "firing", "open"),
    FindingState.BLOCKED: State("info", "grid", "blocked", "blocked"),
    FindingState.QUIET: State("muted", "grid", "silenced", "quiet", calm=True),
    FindingState.DISMISSED: State("muted", "grid", "none", "dismissed", calm=True),
}
_LAYER = {
    "in force": State("ok", "oklo", "done", "in force", calm=True),
    "failed": State("crit", "critlo", "failed", "failed"),
    "unknown": State("crit", "critlo", "unknown", "unknown"),
    "lifted": State("muted", "grid", "none", "lifted", calm=True),
}
_ABSENT = State("faint", "grid", "none", "not configured", calm=True)


def action_state(action: Action) -> State:
    """One that is done looks like what its proof showed, until it is taken back."""
    if action.waits_for_approval:
        return _APPROVAL
    if action.undone_by is not None and action.state.final:
        return State("muted", "grid", "none", f"undone by {action.undone_by}", calm=True)
    if action.state is ActionState.DONE and action.proof is not None:
        return {"worse": _WORSE, "unproved": _UNPROVED}.get(action.proof.verdict, _ACTION[action.state])
    return _ACTION[action.state]


def step_state(state: StepState) -> State:
    return _STEP[state]


def finding_state(state: FindingState) -> State:
    return _FINDING[state]


def layer_state(state: str) -> State:
    """How an effect stands in one place; what is not configured there is nothing wrong."""
    return _LAYER.get(state, _ABSENT)
