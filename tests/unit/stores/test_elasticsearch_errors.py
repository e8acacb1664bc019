"""Elasticsearch's errors, by what the caller must do."""

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError

from tapewatch.model.errors import DeniedError, GiveUpError, RetryableError, TapewatchError
from tapewatch.stores.elasticsearch.client import answering


@pytest.mark.parametrize(
    ("status", "ours"),
    [(401, DeniedError), (403, DeniedError), (429, RetryableError), (503, RetryableError), (400, GiveUpError)],
)
def test_a_refusal_tells_whether_to_wait_to_mend_the_settings_or_to_give_up(
    status: int, ours: type[TapewatchError]
) -> None:
    node = NodeConfig("http", "localhost", 9200)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.1, node)
    with pytest.raises(ours, match=f"reading: .*{status}") as told, answering("reading"):
        raise ApiError("no", meta, {})
    assert type(told.value) is ours
