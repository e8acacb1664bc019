"""tapewatch: watches live market data, finds what is abnormal while it happens, tells the people who must act."""

__version__ = "0.1.0"
