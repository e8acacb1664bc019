"""Elasticsearch as the settings name it."""

from elasticsearch import Elasticsearch

from tapewatch.runtime.config.sinks import ElasticsearchSection
from tapewatch.stores.elasticsearch import ElasticSettings, connect


def elastic_client(section: ElasticsearchSection) -> Elasticsearch:
    """A client; connects at the first call. InputError for settings that contradict each other."""
    settings = ElasticSettings(
        urls=section.urls,
        api_key=section.api_key,
        username=section.username,
        password=section.password,
        ca_file=None if section.ca_file is None else str(section.ca_file),
        timeout_s=section.timeout_s,
    )
    return connect(settings)
