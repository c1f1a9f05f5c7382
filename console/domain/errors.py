"""The one hierarchy of errors: a message says what was expected, what came, and what to do."""


class TradexError(Exception):
    """Anything this project reports to a person as one clear line."""

    exit_code = 1


class Misuse(TradexError):
    """Wrong arguments, settings or files: the person can mend it before anything was tried."""

    exit_code = 2


class Refused(TradexError):
    """A guard said no: who asks, or the session, may not do this."""

    exit_code = 4


class StoreAway(TradexError):
    """The console's own database can't be reached or did not answer in time."""


class StoreRefused(TradexError):
    """The store answered, and said no: a role, a newer schema, an environment that does not match."""


class Fenced(StoreRefused):
    """A write under a lease that another agent holds by now. Nothing was written."""


class SourceFailed(TradexError):
    """The platform could not be asked, or its answer could not be used. The text is the reason to show."""


class Unknown(TradexError):
    """A change was sent to the platform and no sure answer came: it may have happened. Ask before doing it again."""
