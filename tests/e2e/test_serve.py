"""The running server seen from outside: its API, its stream, its reports and its notices, over a SIGKILL."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tapewatch.model.ticks import Fate
from tests.e2e.support import PATIENCE_S, Forker, Left, Server, http_get, position, rows, start, wait_until
from tests.integration.notify_servers import Mailbox, MailServer, TcpServer, answer

PACED = ("--speed", "40000", "--set", "engine.batch_ticks=50")


def serve(forker: Forker, folder: Path, name: str, market: Path, *args: str | Path) -> Server:
    return forker.start(folder / name, "serve", market, "--data-dir", folder / "data", "--port", "0", *args)


@pytest.fixture(scope="module")
def served(
    forker: Forker, market: Path, uninterrupted: Left, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that has read the whole tape."""
    folder = tmp_path_factory.mktemp("served")
    server = serve(forker, folder, "log", market)
    wait_until(lambda: position(folder / "data") == uninterrupted.next, PATIENCE_S, "the end of the tape")
    server.ready()
    yield server
    server.stop()


def pages(server: Server, path: str, **params: str | int) -> list[Any]:
    """Every item of a list, page by page."""
    items: list[Any] = []
    page = server.get(path, **params)
    while True:
        items += page["items"]
        if page["next"] is None:
            return items
        page = server.get(page["next"])


def test_every_alert_and_incident_is_in_the_api_once(served: Server, uninterrupted: Left) -> None:
    found = pages(served, "/alerts", limit=7)
    assert sorted((a["alert_id"], a["revision"]) for a in found) == [
        (a.alert_id, a.revision) for a in uninterrupted.alerts
    ]
    assert len(pages(served, "/v1/incidents", limit=10)) == len(uninterrupted.incidents)
    assert len(pages(served, "/v1/dead-letters", limit=10)) == len(uninterrupted.dead)


def test_one_symbol_one_alert_and_its_bars(served: Server, uninterrupted: Left) -> None:
    mine = [a for a in uninterrupted.alerts if a.symbol == "AUR/USDT"]
    assert mine and len(pages(served, "/alerts/AUR/USDT", limit=50)) == len(mine)
    detail = served.get(f"/v1/alerts/{mine[0].alert_id}")
    assert detail["explanation"]["sentence"] == mine[0].message
    bars = served.get(
        "/v1/ticks/AUR/USDT",
        venue="binance",
        interval="1h",
        **{"from": "2025-03-03T06:00:00Z", "to": "2025-03-03T12:00:00Z"},
    )
    assert len(bars["items"]) == 6


def test_metrics_and_status_account_for_every_record(served: Server, uninterrupted: Left) -> None:
    text = http_get(served.address + "/metrics").text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    fates = {f: float(figures[f'tapewatch_records_total{{fate="{f.name.lower()}"}}']) for f in Fate}
    assert sum(fates.values()) == float(figures["tapewatch_tape_next_offset"]) == uninterrupted.next
    assert {str(int(f)): int(n) for f, n in fates.items() if n} == uninterrupted.fates
    assert float(figures["tapewatch_alert_revisions_total"]) == len(uninterrupted.changes)
    assert float(figures["tapewatch_signals_total"]) == len(uninterrupted.signals)
    wait_until(lambda: not served.get("/v1/status")["running"], PATIENCE_S, "the end of the run")
    status = served.get("/v1/status")
    assert status["next"] == uninterrupted.next
    assert sum(status["fates"].values()) == uninterrupted.next


def test_it_is_ready_and_alive(served: Server) -> None:
    assert served.get("/readyz")["checks"] == {"database": None, "pipeline": None}
    assert served.get("/healthz") == {"status": "ok"}


class Listener:
    """One client of the stream, in a thread: what it got, and where it was cut off."""

    def __init__(self, address: str, last_id: str | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.last_id = last_id
        self.resumed: bool | None = None
        self._thread = threading.Thread(target=self._listen, args=(address,), daemon=True)
        self._thread.start()
        wait_until(lambda: self.resumed is not None, 30, "the stream to greet")

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _listen(self, address: str) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        event: dict[str, str] = {}
        try:
            with httpx.stream("GET", address + "/v1/stream/alerts", headers=headers, timeout=60) as answer:
                assert answer.status_code == 200
                for line in answer.iter_lines():
                    if line:
                        name, _, value = line.partition(": ")
                        event[name] = value
                    else:
                        self._take(event)
                        event = {}
        except httpx.TransportError:
            pass  # the server died, as it should

    def _take(self, event: dict[str, str]) -> None:
        self.last_id = event.get("id", self.last_id)
        if event.get("event") == "alert":
            self.events.append(json.loads(event["data"]))
        elif event.get("event") == "ready":
            self.resumed = json.loads(event["data"])["resumed"]
        else:
            assert event.get("event") is None, event  # a comment; never a reset


def test_the_stream_goes_on_over_a_kill_and_gives_each_revision_once(
    forker: Forker, market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    server = serve(forker, tmp_path, "log-0", market, *PACED)
    first = Listener(server.address)
    wait_until(lambda: len(first.events) > 40, 60, "forty alerts")
    server.kill()
    first.join()
    server = serve(forker, tmp_path, "log-1", market)
    second = Listener(server.address, first.last_id)
    assert second.resumed is True

    def got() -> list[tuple[str, int]]:
        return [(e["alert_id"], e["revision"]) for e in first.events + second.events]

    expected = [(a.alert_id, a.revision) for _, a in uninterrupted.changes]
    wait_until(lambda: got()[-1] == expected[-1], 60, "the last alert")
    assert got() == expected[-len(got()) :], "a revision came twice, was lost, or came out of order"
    assert len(got()) > 0.9 * len(expected)
    server.stop()
    second.join()


def test_a_report_that_was_ordered_before_a_kill_is_made_and_sent_after_it(
    forker: Forker, market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    box = Mailbox(data="451 come back later")
    with MailServer(box) as mail:
        (tmp_path / "tapewatch.toml").write_text(
            f'[reports]\nrecipients = ["@example.org"]\n[reports.smtp]\nhost = "127.0.0.1"\nport = {mail.port}\n'
            'tls = "none"\nsender = "tapewatch@example.org"\n'
        )
        server = serve(forker, tmp_path, "log-0", market)
        wait_until(lambda: position(tmp_path / "data") == uninterrupted.next, PATIENCE_S, "the end of the tape")
        ordered = httpx.post(
            server.address + "/v1/reports",
            params={"format": "pdf", "recipient_email": "desk@example.org"},
            timeout=20,
        )
        assert ordered.status_code == 202
        task_id = ordered.json()["task_id"]
        where = f"/v1/reports/status/{task_id}"
        wait_until(lambda: server.get(where)["status"] != "queued", 30, "the task to begin")
        server.kill()
        assert box.messages == []

        box.data = "250 taken"
        server = serve(forker, tmp_path, "log-1", market)
        wait_until(lambda: server.get(where)["status"] == "done", 60, "the report")
        file = http_get(f"{server.address}/v1/reports/{task_id}/file")
        assert file.status_code == 200 and file.content.startswith(b"%PDF-")
        server.stop()
        ((recipients, content, _),) = box.messages
        assert recipients == ["desk@example.org"] and f"report-{task_id}@".encode() in content


def test_each_notice_is_owed_once_and_delivered_whatever_dies(
    forker: Forker, market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    kills = 3
    with TcpServer(answer("200 OK")) as hook:
        (tmp_path / "tapewatch.toml").write_text(
            "[notify]\ngroup_wait_s = 0.0\n[notify.console]\nenabled = false\n"
            '[notify.targets]\nallowed_hosts = ["127.0.0.1"]\nallowed_networks = ["127.0.0.0/8"]\nallow_http = true\n'
            "[notify.retry]\nfirst_s = 0.05\nmost_s = 0.1\n"
            f'[[notify.webhook]]\nurl = "http://127.0.0.1:{hook.port}/hook"\n'
        )
        for number in range(kills):
            server = serve(forker, tmp_path, f"log-{number}", market, *PACED)
            goal = len(hook.requests) + 10
            wait_until(lambda goal=goal: len(hook.requests) >= goal, 60, "notices")  # type: ignore[misc] # mypy and defaults of lambdas
            server.kill()
        server = serve(forker, tmp_path, "log-last", market)
        data = tmp_path / "data"
        wait_until(lambda: position(data) == uninterrupted.next, PATIENCE_S, "the end of the tape")
        told = {seq for seq, _, _ in uninterrupted.news}
        expected = Counter((a.alert_id, a.revision) for seq, a in uninterrupted.changes if seq in told)
        count = "SELECT count(*) FROM notices WHERE state <> 'pending'"
        wait_until(lambda: rows(data, count)[0][0] >= len(expected), 60, "every notice")
        time.sleep(0.3)  # what would come twice would come now
        server.stop()
        requests = list(hook.requests)
    cut_off = requests.count(b"")  # connected, and killed before it had written
    requests = [request for request in requests if request]
    assert cut_off <= kills
    ledger = rows(data, "SELECT alert_id, revision, channel, recipient, state FROM notices")
    assert Counter((alert_id, revision) for alert_id, revision, *_ in ledger) == expected
    assert {row[2:4] for row in ledger} == {("webhook", "webhook")}
    assert {row[4] for row in ledger} <= {"done", "suppressed"}
    keys = Counter(_header(request, b"idempotency-key") for request in requests)
    assert len(keys) == sum(row[4] == "done" for row in ledger) > 30
    assert sum(keys.values()) <= len(keys) + kills, "more repeats than attempts that a kill can have cut off"


def _header(request: bytes, name: bytes) -> bytes:
    head = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return next(line.partition(b": ")[2] for line in head if line.lower().startswith(name + b":"))


def test_a_port_that_is_taken_is_one_message_and_exit_code_three(served: Server, tmp_path: Path) -> None:
    port = served.address.rpartition(":")[2]
    second = start(tmp_path / "log", "serve", "--data-dir", tmp_path / "data", "--port", port)
    assert second.end(60) == 3
    assert second.log.read_text() == f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"
