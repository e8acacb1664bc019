"""Where the archive is, for those who read it."""

from pathlib import Path

from elasticsearch import Elasticsearch

from tapewatch.model.errors import InputError
from tapewatch.runtime.config.sinks import ArchiveSection
from tapewatch.stores.elasticsearch import ElasticBars
from tapewatch.stores.parquet.combined import CombinedBars
from tapewatch.stores.port import BarReader


def archived_bars(section: ArchiveSection, client: Elasticsearch, prefix: str) -> BarReader:
    """Bars from what the archiver writes: its Parquet files where they are a folder here, else `ticks-*`."""
    if section.elasticsearch:
        return ElasticBars(client, prefix=prefix)
    return CombinedBars(local_folder(section))


def local_folder(section: ArchiveSection) -> Path:
    """The folder of the archive. InputError for the address of another file system."""
    if "://" in section.url and not section.url.startswith("file://"):
        raise InputError(f"archive.url: {section.url} is not a folder of this machine")
    return Path(section.url.removeprefix("file://"))
