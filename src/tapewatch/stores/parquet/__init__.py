"""The tick history as Parquet files: `venue=XNAS/date=2025-04-07/<start>-<end>.parquet` under a manifest.

Wiring: one directory a tape. `ParquetTickHistory(root)` is the one writer; another process reads with
`ParquetTickReader(root)` while it is written.
"""

from tapewatch.stores.parquet.history import ParquetTickHistory
from tapewatch.stores.parquet.reader import ParquetTickReader

__all__ = ["ParquetTickHistory", "ParquetTickReader"]
