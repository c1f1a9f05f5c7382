"""tradex-console: the terminal operations console of a trading platform."""

__version__ = "0.1.0"
