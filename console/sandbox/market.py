"""The simulated market: symbols, prices as a function of time, and how long the venue takes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

PROVIDERS = ("market-data-a", "market-data-b")
# Liquid symbols are streamed into the cache; the others are fetched from their provider when somebody asks.
LIQUID = 30
HALTED = "XHALT"

VENUE_MEAN_MS = 180.0
_SIGMA = 0.40
# Past this the order is sent to a second venue as well, and the faster answer counts: the tail is short.
_HEDGE_MS = 440.0
_SLIPPAGE_BPS = 3.0


@dataclass(frozen=True, slots=True)
class Symbol:
    """`rank` counts from 0, the liquid ones first."""

    symbol: str
    rank: int
    name: str
    asset_class: str
    provider: str
    base_price: float
    leverage: int


_FOREX = (
    "EURUSD 1.0842,GBPUSD 1.2711,USDJPY 151.32,USDCHF 0.8841,AUDUSD 0.6587,USDCAD 1.3564,NZDUSD 0.6092,EURGBP 0.8531,"
    "EURJPY 164.07,GBPJPY 192.34"
)
_SHARES = (
    "AAPL 214.3,MSFT 421.8,NVDA 131.2,AMZN 186.4,GOOGL 176.9,META 502.7,TSLA 248.1,JPM 208.6,V 276.2,KO 63.4,"
    "NFLX 641.9,AMD 158.3,INTC 31.2,DIS 98.7"
)
_CRYPTO = "BTCUSD 67250,ETHUSD 3410,SOLUSD 152.4,XRPUSD 0.5821,ADAUSD 0.4412,DOTUSD 6.31"
_THIN = "USDTRY 32.84,USDZAR 18.22,USDMXN 18.05,EURNOK 11.38,EURPLN 4.312,PLTR 27.6,UBER 68.4,SHOP 64.8,LINKUSD 14.2"


def _parse(
    text: str, asset_class: str, provider: str, leverage: int
) -> list[tuple[str, str, str, float, int]]:
    pairs = (item.split() for item in text.split(","))
    return [(symbol, asset_class, provider, float(price), leverage) for symbol, price in pairs]


SYMBOLS: tuple[Symbol, ...] = tuple(
    Symbol(symbol, rank, symbol, asset_class, provider, price, leverage)
    for rank, (symbol, asset_class, provider, price, leverage) in enumerate(
        _parse(_FOREX, "forex", "market-data-b", 30)
        + _parse(_SHARES, "share", "market-data-a", 5)
        + _parse(_CRYPTO, "crypto", "market-data-b", 2)
        + _parse(_THIN, "thin", "market-data-a", 5)
        + [(HALTED, "share", "market-data-a", 12.5, 5)]
    )
)
BY_NAME = {s.symbol: s for s in SYMBOLS}


def price(symbol: Symbol, at: float) -> float:
    """The price at `at` (seconds since 1970): slow and quick waves around the base price, within 1 %."""
    phase = symbol.rank * 1.7
    wave = 0.006 * math.sin(at / 5400 + phase) + 0.0025 * math.sin(at / 610 + phase * 2)
    return round(symbol.base_price * (1 + wave + 0.0006 * math.sin(at / 23 + phase * 3)), 5)


def slippage_bps(quantile: float) -> float:
    """How far the venue's fill is from the quote, to the client's disadvantage, at this quantile (0..1 exclusive).

    The size of a normal deviation with 3 bps, at most 12: mean about 2.4, one fill in four within 1 bps.
    """
    return min(abs(NormalDist().inv_cdf(quantile)) * _SLIPPAGE_BPS, 4 * _SLIPPAGE_BPS)


def venue_ms(quantile: float) -> float:
    """The venue's time for an order at this quantile (0..1 exclusive): lognormal, ms, with a hedged tail.

    Mean about 180, p95 about 321, p99 about 422; what function and database add comes on top.
    """
    spread = NormalDist().inv_cdf(quantile) * _SIGMA
    raw = VENUE_MEAN_MS * math.exp(spread - _SIGMA**2 / 2)
    return raw if raw <= _HEDGE_MS else _HEDGE_MS + (raw - _HEDGE_MS) * 0.25
