"""What takes too long is cut off; what is done is not."""

import re
import signal

import pytest

from screens import patience
from screens.patience import TookTooLong, at_most


def test_a_pattern_that_would_take_for_ever_is_cut_off_and_everything_is_as_before() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    with pytest.raises(TookTooLong), at_most(0.05):
        re.search("(a+)+$", "a" * 60 + "!")
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_signal_that_comes_after_the_work_is_done_cuts_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    setitimer = signal.setitimer

    def late(which: int, seconds: float) -> None:
        if not seconds:
            signal.raise_signal(signal.SIGVTALRM)
        setitimer(which, seconds)

    monkeypatch.setattr(patience.signal, "setitimer", late)
    with at_most(60.0):
        done = True
    assert done and signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
