"""The time axis of plots and areas: round enough to read, first and last at the edges. Pure."""

from datetime import datetime, timedelta

from console.domain import format as fmt

_SECONDS_BELOW = timedelta(minutes=6)
_DATES_FROM = timedelta(hours=48)


def time_axis(start: datetime, end: datetime, width: int) -> str:
    """`width` cells with times (UTC) from `start` at the left edge to `end` at the right."""
    span = end - start
    size = 8 if span < _SECONDS_BELOW else 6 if span >= _DATES_FROM else 5
    count = min(max(width // (size + 9), 1), 6)
    row = [" "] * width
    for i in range(count + 1):
        at = start + span * i / count
        label = f"{at:%d %b}" if size == 6 else fmt.clock(at, seconds=size == 8)
        place = round((width - size) * i / count)
        for j, char in enumerate(label):
            if 0 <= place + j < width:
                row[place + j] = char
    return "".join(row)


def span_words(seconds_long: float) -> str:
    """`9m 30s`, `45s`, `2h 5m`: two units at most."""
    seconds = max(round(seconds_long), 0)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "m"), (seconds, "s")]
    shown = [f"{n}{u}" for n, u in parts if n][:2]
    return " ".join(shown) or "0s"


def stopwatch(span: timedelta) -> str:
    """`1:12`, `1:02:07`: as a stop-watch shows it; below a second `0.4s`."""
    seconds = max(span.total_seconds(), 0.0)
    if 0 < seconds < 1:
        return fmt.took(span)
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
