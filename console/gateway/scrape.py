"""The door to the platform's Prometheus text (node_exporter, postgres and its own names)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from console.domain.errors import SourceFailed
from console.domain.text import printable
from console.gateway.http import Http
from console.gateway.reasons import NoSource


@dataclass(frozen=True, slots=True)
class Sample:
    """One line. `value` may be NaN or infinite: the text format has them."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Samples:
    """All samples of one scrape, by name."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            self._by_name.setdefault(sample.name, []).append(sample)

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))

    def find(self, name: str, labels: Mapping[str, str]) -> list[Sample]:
        """The samples of this name whose labels match; a wanted value that starts with `~` is a regular expression."""
        return [s for s in self._by_name.get(name, ()) if _matches(dict(s.labels), labels)]


def _matches(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    for name, value in wanted.items():
        found = labels.get(name, "")
        if not (re.fullmatch(value[1:], found) if value.startswith("~") else found == value):
            return False
    return True


def parse(text: str) -> Samples:
    """The samples of Prometheus text; SourceFailed with the number of the first line that can't be read."""
    try:
        return Samples(_read(text))
    except Exception as error:
        for number, line in enumerate(text.split("\n"), 1):
            try:
                _read(line + "\n")
            except Exception:
                raise SourceFailed(f"line {number} is no metric: {printable(line, 60)!r}") from None
        raise SourceFailed(f"no metrics text: {printable(error, 80)}") from None


def _read(text: str) -> list[Sample]:
    return [
        Sample(
            printable(sample.name, 200),
            tuple((printable(k, 100), printable(v, 200)) for k, v in sorted(sample.labels.items())),
            float(sample.value),
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


class Scrape:
    """Reads the metrics URL over the shared HTTP client."""

    def __init__(self, http: Http, url: str | None) -> None:
        self._http = http
        self._url = url

    @property
    def configured(self) -> bool:
        """Whether this installation names a metrics URL at all."""
        return self._url is not None

    async def samples(self, *, timeout_s: float = 3.0) -> Samples:
        """One scrape. Raises SourceFailed."""
        if self._url is None:
            raise NoSource("no source: platform.metrics_url is not set")
        answer = await self._http.request(
            "GET", self._url, timeout_s=timeout_s, headers={"Accept": "text/plain"}, max_bytes=8_000_000
        )
        if not answer.good:
            raise SourceFailed(answer.summary())
        return parse(answer.text())
